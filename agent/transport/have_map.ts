import { MAX_HAVE_BYTES } from '../../shared/limits.js';

interface HaveItem {
  readonly kind: 'have';
  readonly firstByte: number;
  readonly byteCount: number;
}

/** The chunks that the peer is to know we hold, and which of that it has yet to be told (P-7.6). */
export class HaveMap {
  readonly #held: Buffer;
  readonly #untold: Uint8Array;
  readonly #chunkCount: number;
  #untoldBytes = 0;

  constructor(chunkCount: number) {
    this.#chunkCount = chunkCount;
    this.#held = Buffer.alloc(Math.ceil(chunkCount / 8));
    this.#untold = new Uint8Array(this.#held.length);
  }

  get isDirty(): boolean {
    return this.#untoldBytes > 0;
  }

  /** Adds chunks: bit `i` of `bits`, most significant first, is chunk `first + i`. Bits past the last chunk are ignored. */
  add(first: number, bits: Uint8Array): void {
    for (let i = 0; i < bits.length * 8; i++) {
      const chunk = first + i;
      if (chunk >= this.#chunkCount) return;
      if (((bits[i >> 3] ?? 0) & (0x80 >> (i & 7))) === 0) continue;
      const byte = chunk >> 3;
      const bit = 0x80 >> (chunk & 7);
      if (((this.#held[byte] ?? 0) & bit) !== 0) continue;
      this.#held[byte] = (this.#held[byte] ?? 0) | bit;
      this.#mark(byte);
    }
  }

  /** The next run of untold bytes, at most `room`, now told. Null where there is none or no room. */
  take(room: number): HaveItem | null {
    if (this.#untoldBytes === 0 || room < 1) return null;
    const firstByte = this.#untold.indexOf(1);
    const most = Math.min(room, MAX_HAVE_BYTES, this.#untold.length - firstByte);
    let byteCount = 0;
    // Some told bytes between untold ones cost less than another frame.
    for (let i = 0; i < most; i++) if (this.#untold[firstByte + i] === 1) byteCount = i + 1;
    for (let i = 0; i < byteCount; i++) {
      if (this.#untold[firstByte + i] === 1) this.#untoldBytes--;
      this.#untold[firstByte + i] = 0;
    }
    return { kind: 'have', firstByte, byteCount };
  }

  /** P-8.2: what a lost HAVE said is said again, as it stands by then. */
  onLost(firstByte: number, byteCount: number): void {
    for (let byte = firstByte; byte < firstByte + byteCount; byte++) if (this.#held[byte] !== 0) this.#mark(byte);
  }

  bits(firstByte: number, byteCount: number): Uint8Array {
    return this.#held.subarray(firstByte, firstByte + byteCount);
  }

  #mark(byte: number): void {
    if (this.#untold[byte] === 0) this.#untoldBytes++;
    this.#untold[byte] = 1;
  }
}

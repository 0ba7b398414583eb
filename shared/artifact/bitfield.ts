/** Which chunks of an artifact are held: one bit each, most significant bit first, as on the wire (P-4.4, P-7.6). */
export class Bitfield {
  /** Chunks of the artifact. */
  readonly length: number;
  readonly #bytes: Uint8Array;
  #count = 0;

  constructor(length: number) {
    if (!Number.isSafeInteger(length) || length < 0) throw new RangeError(`bitfield length ${length} is not a count`);
    this.length = length;
    this.#bytes = new Uint8Array(Math.ceil(length / 8));
  }

  static full(length: number): Bitfield {
    const field = new Bitfield(length);
    field.#bytes.fill(0xff);
    if (length % 8 !== 0) field.#bytes[field.#bytes.length - 1] = 0xff << (8 - (length % 8));
    field.#count = length;
    return field;
  }

  /** A copy of `bytes`; undefined where their number is not right for `length` or an unused bit is set. */
  static fromBytes(bytes: Uint8Array, length: number): Bitfield | undefined {
    if (bytes.length !== Math.ceil(length / 8)) return undefined;
    const field = new Bitfield(length);
    return field.merge(0, bytes) ? field : undefined;
  }

  /** The bits themselves, to be read only: where many fields are looked at often, the copies cost more than the looks. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** How many bits are set. */
  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count === this.length;
  }

  /** False too for an index outside the artifact. */
  get(index: number): boolean {
    return ((this.#bytes[index >>> 3] ?? 0) & (0x80 >>> (index & 7))) !== 0;
  }

  /** @throws RangeError for an index outside the artifact. */
  set(index: number, value = true): void {
    if (!Number.isInteger(index) || index < 0 || index >= this.length) {
      throw new RangeError(`bit ${index} of a bitfield of ${this.length}`);
    }
    if (this.get(index) === value) return;
    this.#bytes[index >>> 3] = (this.#bytes[index >>> 3] ?? 0) ^ (0x80 >>> (index & 7));
    this.#count += value ? 1 : -1;
  }

  /** Adds the bits of a HAVE frame; false, with nothing changed, if it sets one at or above the length (P-7.6). */
  merge(first: number, bits: Uint8Array): boolean {
    for (let i = Math.max(0, this.length - first); i < bits.length * 8; i++) {
      if (((bits[i >>> 3] ?? 0) & (0x80 >>> (i & 7))) !== 0) return false;
    }
    for (let byte = 0; byte < bits.length; byte++) {
      const value = bits[byte] ?? 0;
      for (let bit = 0; value !== 0 && bit < 8; bit++) {
        if ((value & (0x80 >>> bit)) !== 0) this.set(first + byte * 8 + bit);
      }
    }
    return true;
  }

  /** A copy, all of it or `count` bytes from byte `first`; unused bits are 0. */
  toBytes(first = 0, count = this.#bytes.length - first): Uint8Array {
    return this.#bytes.slice(first, first + count);
  }

  clone(): Bitfield {
    const copy = new Bitfield(this.length);
    copy.#bytes.set(this.#bytes);
    copy.#count = this.#count;
    return copy;
  }

  /** How many bits are set from `from` up to, not including, `to`. */
  countIn(from: number, to: number): number {
    let count = 0;
    for (let i = from; i < to; i++) if (this.get(i)) count++;
    return count;
  }

  /** The first missing chunk at or after `from`, or -1. */
  nextMissing(from = 0): number {
    for (let i = from; i < this.length; i++) {
      // A whole byte of held chunks is stepped over at once: near the end of a transfer nearly all of them are.
      if ((i & 7) === 0 && this.#bytes[i >>> 3] === 0xff) i += 7;
      else if (!this.get(i)) return i;
    }
    return -1;
  }

  /** The missing chunks in order. Chunks that are set or cleared while it runs are seen if they lie ahead. */
  *missing(): Generator<number, void, undefined> {
    for (let i = this.nextMissing(); i >= 0; i = this.nextMissing(i + 1)) yield i;
  }

  /** The held chunks in order. */
  *held(): Generator<number, void, undefined> {
    for (let i = 0; i < this.length; i++) if (this.get(i)) yield i;
  }
}

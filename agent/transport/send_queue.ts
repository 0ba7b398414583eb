import { MAX_SESSION_REQUESTS } from '../../shared/limits.js';
import { SENT_RECORDS } from './sent_packets.js';

/** Bytes given to `serve` and not yet acknowledged: one largest chunk (P-9.3) always fits, whatever else waits. */
export const MAX_PENDING_SERVE_BYTES = 32 * 1024 * 1024;
/**
 * Room for ranges that wait to be sent again: as many as can be in flight. More wait where large ones were lost, sent again in
 * parts, and lost again: then room is made, which ends, since no byte is in two ranges.
 */
const RESENDS = SENT_RECORDS;

/** A request of the peer's that is held: taken, and not yet answered in full. */
export class HeldRequest {
  readonly chunk: number;
  readonly offset: number;
  readonly length: number;
  served = 0;
  acked = 0;
  /** Told once it is over. */
  readonly done: (() => void)[] = [];
  #over = false;

  constructor(chunk: number, offset: number, length: number) {
    this.chunk = chunk;
    this.offset = offset;
    this.length = length;
  }

  /** Answered in full, or dropped: what was to answer it is not looked at any more. */
  get over(): boolean {
    return this.#over;
  }

  end(): void {
    this.#over = true;
    for (const tell of this.done) tell();
  }
}

/** Bytes that answer a request, or a part of one; by reference, until the peer has them all. */
export interface ServePart {
  readonly held: HeldRequest;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** The peer's requests and the bytes that answer them, first come, first served; lost ranges go first. */
export class SendQueue {
  readonly #held = new Map<number, HeldRequest[]>();
  #heldCount = 0;
  #parts: ServePart[] = [];
  #partSent = 0;
  #resendPart: (ServePart | null)[] = new Array<ServePart | null>(RESENDS).fill(null);
  #resendOffset = new Uint32Array(RESENDS);
  #resendLength = new Uint32Array(RESENDS);
  #resendHead = 0;
  #resendCount = 0;
  #pendingBytes = 0;

  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  get heldCount(): number {
    return this.#heldCount;
  }

  /** Takes a request. `full` where as many are held as P-7.4 lets, `known` where it is held already. */
  hold(chunk: number, offset: number, length: number): 'taken' | 'full' | 'known' {
    const others = this.#held.get(chunk);
    if (others?.some((held) => held.offset === offset && held.length === length)) return 'known';
    if (this.#heldCount >= MAX_SESSION_REQUESTS) return 'full';
    const held = new HeldRequest(chunk, offset, length);
    if (others === undefined) this.#held.set(chunk, [held]);
    else others.push(held);
    this.#heldCount++;
    return 'taken';
  }

  /** Those of which requests are held. */
  get chunks(): readonly number[] {
    return [...this.#held.keys()];
  }

  holds(chunk: number): boolean {
    return this.#held.has(chunk);
  }

  /** Drops all requests for a chunk and what was to answer them. */
  drop(chunk: number): boolean {
    const requests = this.#held.get(chunk);
    if (requests === undefined) return false;
    for (const held of requests) {
      held.end();
      this.#pendingBytes -= held.served - held.acked;
    }
    this.#heldCount -= requests.length;
    if (this.#parts[0]?.held.over) this.#partSent = 0;
    this.#parts = this.#parts.filter((part) => !part.held.over);
    return this.#held.delete(chunk);
  }

  /** False where no held request goes on at `offset`, as after a CANCEL, or where too much is pending. */
  serve(chunk: number, offset: number, bytes: Uint8Array, done?: () => void): boolean {
    if (this.#pendingBytes > 0 && this.#pendingBytes + bytes.length > MAX_PENDING_SERVE_BYTES) return false;
    const held = this.#held
      .get(chunk)
      ?.find((one) => one.offset + one.served === offset && one.served + bytes.length <= one.length);
    if (held === undefined || bytes.length === 0) return false;
    if (done !== undefined) held.done.push(done);
    held.served += bytes.length;
    this.#pendingBytes += bytes.length;
    this.#parts.push({ held, offset, bytes });
    return true;
  }

  /** The part that the next bytes to send are of, or null; `nextOffset` and `nextLength` say which of it. */
  peek(): ServePart | null {
    for (; this.#resendCount > 0; this.#popResend()) {
      const part = this.#resendPart[this.#resendHead] ?? null;
      if (part !== null && !part.held.over) return part;
    }
    for (let part = this.#parts[0]; part !== undefined; part = this.#parts[0]) {
      if (!part.held.over && this.#partSent < part.bytes.length) return part;
      this.#parts.shift();
      this.#partSent = 0;
    }
    return null;
  }

  get nextOffset(): number {
    return this.#resendCount > 0 ? (this.#resendOffset[this.#resendHead] ?? 0) : this.#partSent;
  }

  get nextLength(): number {
    if (this.#resendCount > 0) return this.#resendLength[this.#resendHead] ?? 0;
    return (this.#parts[0]?.bytes.length ?? 0) - this.#partSent;
  }

  /** The first `length` of what `peek` found is being sent. */
  advance(length: number): void {
    if (this.#resendCount === 0) {
      this.#partSent += length;
      return;
    }
    const head = this.#resendHead;
    const left = (this.#resendLength[head] ?? 0) - length;
    this.#resendOffset[head] = (this.#resendOffset[head] ?? 0) + length;
    this.#resendLength[head] = left;
    if (left <= 0) this.#popResend();
  }

  /** P-8.2: a range still wanted is sent again. */
  onLost(part: ServePart, offset: number, length: number): void {
    if (part.held.over) return;
    if (this.#resendCount === this.#resendPart.length) this.#makeRoom();
    const slot = (this.#resendHead + this.#resendCount) % this.#resendPart.length;
    this.#resendPart[slot] = part;
    this.#resendOffset[slot] = offset;
    this.#resendLength[slot] = length;
    this.#resendCount++;
  }

  onAcked(part: ServePart, length: number): void {
    const { held } = part;
    if (held.over) return;
    held.acked += length;
    this.#pendingBytes -= length;
    if (held.acked < held.length) return;
    held.end();
    this.#heldCount--;
    const left = (this.#held.get(held.chunk) ?? []).filter((one) => one !== held);
    if (left.length === 0) this.#held.delete(held.chunk);
    else this.#held.set(held.chunk, left);
  }

  #popResend(): void {
    this.#resendPart[this.#resendHead] = null;
    this.#resendHead = (this.#resendHead + 1) % this.#resendPart.length;
    this.#resendCount--;
  }

  /** Twice as much, the oldest first. */
  #makeRoom(): void {
    const count = this.#resendPart.length;
    const head = this.#resendHead;
    const parts = [...this.#resendPart.slice(head), ...this.#resendPart.slice(0, head)];
    this.#resendPart = parts.concat(new Array<ServePart | null>(count).fill(null));
    this.#resendOffset = unrolled(this.#resendOffset, head);
    this.#resendLength = unrolled(this.#resendLength, head);
    this.#resendHead = 0;
  }
}

/** A full ring that begins at `head`, in order, with as much room again behind it. */
function unrolled(ring: Uint32Array, head: number): Uint32Array<ArrayBuffer> {
  const wider = new Uint32Array(2 * ring.length);
  wider.set(ring.subarray(head));
  wider.set(ring.subarray(0, head), ring.length - head);
  return wider;
}

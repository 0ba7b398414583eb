import type { SeededRandom } from './random.js';

/** Loss in bursts (Gilbert-Elliott): two states, each left with a chance per datagram. */
export interface BurstLoss {
  /** From good to bad. */
  readonly enter: number;
  /** From bad to good. */
  readonly leave: number;
  /** The chance of loss while bad; good loses nothing. */
  readonly loss: number;
}

/** One direction of a simulated link. Times in milliseconds. */
export interface LinkOptions {
  /** Bits per second of IP packets; Infinity for a link that is never full. */
  readonly bitsPerSecond?: number;
  readonly delayMs?: number;
  /** Up to so much more delay, at random, without overtaking. */
  readonly jitterMs?: number;
  /** What waits before the link; past it, datagrams are dropped (drop-tail). */
  readonly queueBytes?: number;
  /** 0 to 1, after the queue. */
  readonly loss?: number;
  readonly burstLoss?: BurstLoss;
  /** The share of datagrams that are held back by `reorderMs`. */
  readonly reorder?: number;
  readonly reorderMs?: number;
  readonly duplicate?: number;
  /** IP packets longer than this are dropped, silently. */
  readonly mtuBytes?: number;
  /** Nothing passes from the first to the second. */
  readonly outage?: readonly [fromMs: number, toMs: number];
}

/** UDP and IPv4 headers, which take room on the link too. */
export const HEADER_BYTES = 28;

const UNBOUNDED = Number.POSITIVE_INFINITY;

/** A queue, a rate, a delay, and what goes wrong on the way. */
export class Link<T> {
  dropped = 0;
  /** Dropped because the queue was full. */
  overflowed = 0;
  bytesPassed = 0;
  bitsPerSecond: number;
  readonly #options: LinkOptions;
  readonly #random: SeededRandom;
  readonly #deliver: (at: number, item: T) => void;
  #freeAt = 0;
  #lastAt = 0;
  #inBurst = false;

  constructor(options: LinkOptions, random: SeededRandom, deliver: (at: number, item: T) => void) {
    this.#options = options;
    this.#random = random;
    this.#deliver = deliver;
    this.bitsPerSecond = options.bitsPerSecond ?? UNBOUNDED;
  }

  get duplicates(): boolean {
    return (this.#options.duplicate ?? 0) > 0;
  }

  /** How long what is sent now would wait for what is before it. Milliseconds. */
  queueMs(now: number): number {
    return Math.max(0, this.#freeAt - now);
  }

  /** @param bytes of the IP packet. @returns whether it will arrive. */
  send(now: number, bytes: number, item: T): boolean {
    const {
      reorder = 0,
      reorderMs = 10,
      duplicate = 0,
      delayMs = 0,
      jitterMs = 0,
      mtuBytes = UNBOUNDED,
    } = this.#options;
    const left = bytes > mtuBytes ? -1 : this.#enqueue(now, bytes);
    if (left < 0 || this.#isLost(now)) {
      this.dropped++;
      return false;
    }
    this.bytesPassed += bytes;
    const late = jitterMs > 0 ? jitterMs * this.#random.next() : 0;
    this.#lastAt = Math.max(this.#lastAt, left + delayMs + late);
    const held = this.#random.chance(reorder) ? reorderMs : 0;
    this.#deliver(this.#lastAt + held, item);
    if (this.#random.chance(duplicate)) this.#deliver(this.#lastAt + held + 1, item);
    return true;
  }

  #isLost(now: number): boolean {
    const { loss = 0, burstLoss, outage } = this.#options;
    if (outage !== undefined && now >= outage[0] && now < outage[1]) return true;
    if (burstLoss !== undefined) {
      this.#inBurst = this.#random.chance(this.#inBurst ? 1 - burstLoss.leave : burstLoss.enter);
      if (this.#inBurst && this.#random.chance(burstLoss.loss)) return true;
    }
    return this.#random.chance(loss);
  }

  /** When the datagram has left the link, or -1 where the queue is full. */
  #enqueue(now: number, bytes: number): number {
    const { queueBytes = UNBOUNDED } = this.#options;
    const bytesPerMs = this.bitsPerSecond / 8000;
    const start = Math.max(now, this.#freeAt);
    if ((start - now) * bytesPerMs > queueBytes) {
      this.overflowed++;
      return -1;
    }
    this.#freeAt = start + bytes / bytesPerMs;
    return this.#freeAt;
  }
}

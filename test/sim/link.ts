import type { SeededRandom } from './random.js';

/** One direction of a simulated link. Times in milliseconds. */
export interface LinkOptions {
  /** Bits per second; Infinity for a link that is never full. */
  readonly bitsPerSecond?: number;
  readonly delayMs?: number;
  /** What waits behind the link; past it, datagrams are dropped. */
  readonly queueBytes?: number;
  /** 0 to 1 */
  readonly loss?: number;
  /** The share of datagrams that are held back by `reorderMs`. */
  readonly reorder?: number;
  readonly reorderMs?: number;
  readonly duplicate?: number;
  /** Nothing passes from the first to the second. */
  readonly outage?: readonly [fromMs: number, toMs: number];
}

/** UDP and IPv4 headers, which take room on the link too. */
const HEADER_BYTES = 28;

/** A queue, a rate, a delay, and what goes wrong on the way. */
export class Link {
  dropped = 0;
  readonly #options: LinkOptions;
  readonly #random: SeededRandom;
  readonly #deliver: (at: number, datagram: Buffer) => void;
  #freeAt = 0;

  constructor(options: LinkOptions, random: SeededRandom, deliver: (at: number, datagram: Buffer) => void) {
    this.#options = options;
    this.#random = random;
    this.#deliver = deliver;
  }

  send(now: number, datagram: Buffer): void {
    const { loss = 0, reorder = 0, reorderMs = 10, duplicate = 0, delayMs = 0, outage } = this.#options;
    const left = this.#enqueue(now, datagram.length + HEADER_BYTES);
    const out = outage !== undefined && now >= outage[0] && now < outage[1];
    if (left < 0 || out || this.#random.chance(loss)) {
      this.dropped++;
      return;
    }
    const held = this.#random.chance(reorder) ? reorderMs : 0;
    this.#deliver(left + delayMs + held, datagram);
    if (this.#random.chance(duplicate)) this.#deliver(left + delayMs + held + 1, Buffer.from(datagram));
  }

  /** When the datagram has left the link, or -1 where the queue is full. */
  #enqueue(now: number, bytes: number): number {
    const { bitsPerSecond = Number.POSITIVE_INFINITY, queueBytes = Number.POSITIVE_INFINITY } = this.#options;
    const bytesPerMs = bitsPerSecond / 8000;
    const start = Math.max(now, this.#freeAt);
    if ((start - now) * bytesPerMs > queueBytes) return -1;
    this.#freeAt = start + bytes / bytesPerMs;
    return this.#freeAt;
  }
}

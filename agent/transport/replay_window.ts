import { REPLAY_WINDOW_PACKETS } from '../../shared/limits.js';

const WORD_BITS = 32;

/** Takes each packet number once, and none too far below the highest taken (P-6.5). One bit a packet, in a ring. */
export class ReplayWindow {
  readonly #bits = new Uint32Array(REPLAY_WINDOW_PACKETS / WORD_BITS);
  #highest = -1;

  /** Whether no packet taken yet has a higher number. */
  isNewest(packet: number): boolean {
    return packet > this.#highest;
  }

  /** Whether `packet` may be taken. Changes nothing: ask before the datagram is opened, take after. */
  isFresh(packet: number): boolean {
    if (packet > this.#highest) return true;
    if (packet <= this.#highest - REPLAY_WINDOW_PACKETS) return false;
    return ((this.#bits[this.#word(packet)] ?? 0) & this.#bit(packet)) === 0;
  }

  /** Only what opened is taken, or a forger could use up numbers. */
  take(packet: number): void {
    if (packet > this.#highest) this.#advance(packet);
    const word = this.#word(packet);
    this.#bits[word] = (this.#bits[word] ?? 0) | this.#bit(packet);
  }

  #advance(packet: number): void {
    if (packet - this.#highest >= REPLAY_WINDOW_PACKETS) this.#bits.fill(0);
    else {
      for (let skipped = this.#highest + 1; skipped <= packet; skipped++) {
        const word = this.#word(skipped);
        this.#bits[word] = (this.#bits[word] ?? 0) & ~this.#bit(skipped);
      }
    }
    this.#highest = packet;
  }

  /** Packet numbers pass 2^32, where bit operations on numbers end: hence the remainder first. */
  #word(packet: number): number {
    return (packet % REPLAY_WINDOW_PACKETS) >>> 5;
  }

  #bit(packet: number): number {
    return 1 << (packet % WORD_BITS);
  }
}

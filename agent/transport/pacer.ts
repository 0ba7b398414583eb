/** P-8.4 */
export const MAX_BURST_DATAGRAMS = 16;

/**
 * Spreads sending over the round trip by credit, not by a timer per datagram: timers have a grain of a millisecond, in
 * which a fast path takes many datagrams. Credit grows with time and is capped at one burst.
 */
export class Pacer {
  #credit: number;
  #at: number;
  #datagramBytes: number;

  constructor(now: number, datagramBytes: number) {
    this.#at = now;
    this.#datagramBytes = datagramBytes;
    this.#credit = MAX_BURST_DATAGRAMS * datagramBytes;
  }

  /** @param rate bytes per millisecond. */
  maySend(now: number, rate: number): boolean {
    if (now > this.#at) {
      this.#credit = Math.min(this.#credit + (now - this.#at) * rate, MAX_BURST_DATAGRAMS * this.#datagramBytes);
      this.#at = now;
    }
    return this.#credit >= this.#datagramBytes;
  }

  onSent(bytes: number): void {
    this.#credit -= bytes;
  }

  /** When there is credit for a full datagram. Milliseconds, never earlier than the last look. */
  nextSendAt(rate: number): number {
    // A hair late rather than early: rounding must not make a deadline that comes before its credit.
    return this.#at + Math.max(0, (this.#datagramBytes - this.#credit) / rate) + 1e-6;
  }

  onDatagramBytes(datagramBytes: number): void {
    this.#datagramBytes = datagramBytes;
  }
}

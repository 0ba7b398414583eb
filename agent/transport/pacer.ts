/** P-8.4: what may leave at once on a slow path: RFC 9002 §7.7 lets an initial window, and a little more costs a queue of a few milliseconds. */
export const MIN_BURST_BYTES = 16 * 1200;
/** P-8.4: and never less than this of large datagrams. */
export const MIN_BURST_DATAGRAMS = 2;
/**
 * P-8.4: what the rate gives in this time may leave at once: a timer has a grain of 1 ms, comes up to 1.3 ms late, and finds a
 * process that was busy for as long. Milliseconds.
 */
export const BURST_MS = 4;
/** P-8.4: what 250 MB/s give in that time, and what a receiver's socket keeps that asked for 4 MiB. */
export const MAX_BURST_BYTES = 1024 * 1024;

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
    this.#credit = this.#burstBytes(0);
  }

  /** @param rate bytes per millisecond. */
  maySend(now: number, rate: number): boolean {
    if (now > this.#at) {
      this.#credit = Math.min(this.#credit + (now - this.#at) * rate, this.#burstBytes(rate));
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

  #burstBytes(rate: number): number {
    const least = Math.max(MIN_BURST_BYTES, MIN_BURST_DATAGRAMS * this.#datagramBytes);
    return Math.max(least, Math.min(rate * BURST_MS, MAX_BURST_BYTES));
  }
}

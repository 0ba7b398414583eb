import { MAX_DATAGRAM_BYTES } from '../../shared/limits.js';

/** Credit is kept for this long: a timer that comes late loses nothing, and a cap is exceeded by no more than this at once. */
const MAX_CREDIT_MS = 50;
/** And no more than this is owed: what may not wait, ACKs for one, is charged too, and must not keep all else waiting for ever. */
const MAX_DEBT_MS = 1000;

/**
 * A ceiling on what is sent, as a token bucket: one for an agent, one for a peer, one for what a peer asked for (P-7.12).
 * Whatever leaves is charged; only what may wait is held back. Shared by sessions. Times in milliseconds.
 */
export class RateCap {
  /** Bytes per millisecond. */
  #rate = Number.POSITIVE_INFINITY;
  #credit = 0;
  #at = 0;

  /** @param bytesPerSecond Infinity for no ceiling; 0 lets nothing through. */
  set(now: number, bytesPerSecond: number): void {
    const rate = bytesPerSecond / 1000;
    if (rate === this.#rate) return;
    // What was saved at one rate is not worth the same at another. What is owed stays owed, in bytes: a share of a low rate changes
    // more often than it sends a datagram, and would else begin anew each time.
    this.#refill(now);
    this.#rate = rate;
    this.#credit = Math.max(Math.min(this.#credit, 0), -Math.max(MAX_DATAGRAM_BYTES, rate * MAX_DEBT_MS));
    if (rate === Number.POSITIVE_INFINITY) this.#credit = 0;
    this.#at = now;
  }

  get bytesPerSecond(): number {
    return this.#rate * 1000;
  }

  maySend(now: number): boolean {
    if (this.#rate === Number.POSITIVE_INFINITY) return true;
    if (this.#rate === 0) return false;
    this.#refill(now);
    return this.#credit >= 0;
  }

  onSent(now: number, bytes: number): void {
    if (this.#rate === Number.POSITIVE_INFINITY || this.#rate === 0) return;
    this.#refill(now);
    const most = Math.max(bytes, this.#rate * MAX_DEBT_MS);
    // What a large datagram owes is not forgiven for a small one's sake.
    this.#credit = Math.max(this.#credit - bytes, Math.min(this.#credit, -most));
  }

  /** When `maySend` is true again. */
  get nextSendAt(): number {
    if (this.#rate === Number.POSITIVE_INFINITY) return Number.NEGATIVE_INFINITY;
    if (this.#rate === 0) return Number.POSITIVE_INFINITY;
    // A hair late rather than early: rounding must not make a deadline that comes before its credit.
    return this.#at + Math.max(0, -this.#credit / this.#rate) + 1e-6;
  }

  #refill(now: number): void {
    if (now <= this.#at || this.#rate === Number.POSITIVE_INFINITY) return;
    this.#credit = Math.min(this.#credit + (now - this.#at) * this.#rate, this.#rate * MAX_CREDIT_MS);
    this.#at = now;
  }
}

import { RateCap } from '../../transport/rate_cap.js';

/**
 * What comes from HTTP servers, all of them together, as one peer that can be told how much it may send: by leaving unread what comes
 * sooner, so that TCP holds it back.
 */

/** Between two requests, and a little longer: it is one flow. */
const LINGER_MS = 2_000;

export class HttpFlow {
  readonly stats = { bytesReceived: 0 };
  readonly #cap = new RateCap();
  #active = 0;
  #idleSince = performance.now();

  /** Whether it has ended for good: the next request begins another. */
  get isFinished(): boolean {
    return this.#active === 0 && performance.now() > this.#idleSince + LINGER_MS;
  }

  limitPeer(bytesPerSecond: number): void {
    this.#cap.set(performance.now(), bytesPerSecond);
  }

  begin(): void {
    this.#active++;
  }

  end(): void {
    this.#active--;
    this.#idleSince = performance.now();
  }

  /** Bytes per second. */
  get rate(): number {
    return this.#cap.bytesPerSecond;
  }

  /** @returns ms until more may be read; 0 for at once. */
  get waitMs(): number {
    const now = performance.now();
    if (this.#cap.maySend(now)) return 0;
    // No flow is told 0: it would never be told anything else.
    return Math.max(1, Math.min(this.#cap.nextSendAt - now, MAX_WAIT_MS));
  }

  received(bytes: number): void {
    this.stats.bytesReceived += bytes;
    this.#cap.onSent(performance.now(), bytes);
  }
}

/** By then it may have been told another rate. */
const MAX_WAIT_MS = 250;

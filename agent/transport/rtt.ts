/** RFC 9002 §6.2.2: what is assumed before the first sample. */
export const INITIAL_RTT_MS = 333;
/** RFC 9002 §6.1.2: what timers can tell apart. */
export const GRANULARITY_MS = 1;
/** P-8.3 says 20; a millisecond timer on a busy machine takes some more. */
export const MAX_ACK_DELAY_MS = 25;

/** Round-trip time, as RFC 9002 §5 estimates it. All in milliseconds. */
export class RttEstimator {
  latestMs = 0;
  minMs = Number.POSITIVE_INFINITY;
  smoothedMs = INITIAL_RTT_MS;
  variationMs = INITIAL_RTT_MS / 2;
  /** When the first sample came; Infinity before. Losses from before it say nothing about congestion (RFC 9002 §7.6.2). */
  firstSampleAt = Number.POSITIVE_INFINITY;

  get hasSample(): boolean {
    return this.firstSampleAt !== Number.POSITIVE_INFINITY;
  }

  /** Another path: nothing is known of it. */
  reset(): void {
    this.latestMs = 0;
    this.minMs = Number.POSITIVE_INFINITY;
    this.smoothedMs = INITIAL_RTT_MS;
    this.variationMs = INITIAL_RTT_MS / 2;
    this.firstSampleAt = Number.POSITIVE_INFINITY;
  }

  /** @param ackDelayMs how long the peer says it held the acknowledgement back. */
  onSample(now: number, latestMs: number, ackDelayMs: number): void {
    this.latestMs = latestMs;
    if (!this.hasSample) {
      this.firstSampleAt = now;
      this.minMs = latestMs;
      this.smoothedMs = latestMs;
      this.variationMs = latestMs / 2;
      return;
    }
    // RFC 9002 §5.2 keeps the minimum free of what the peer claims; §5.3 never lets a claim push a sample below it.
    this.minMs = Math.min(this.minMs, latestMs);
    const delay = Math.min(ackDelayMs, MAX_ACK_DELAY_MS);
    const adjusted = latestMs >= this.minMs + delay ? latestMs - delay : latestMs;
    this.variationMs = 0.75 * this.variationMs + 0.25 * Math.abs(this.smoothedMs - adjusted);
    this.smoothedMs = 0.875 * this.smoothedMs + 0.125 * adjusted;
  }

  /** RFC 9002 §6.2.1, without backoff. */
  get probeTimeoutMs(): number {
    return this.smoothedMs + Math.max(4 * this.variationMs, GRANULARITY_MS) + MAX_ACK_DELAY_MS;
  }
}

import type { AckSample } from '../congestion.js';

/** A round whose shortest round trip is longer than an empty path's by this share, and this much, had a queue throughout. */
const QUEUE_SHARE = 0.125;
const QUEUE_MS = 2;

/** What one round trip brought: a round ends when a packet is acknowledged that left after it began. */
export class RoundTally {
  count = 0;
  /** Whether the ACK at hand ended the round. */
  ended = false;
  delivered = 0;
  lost = 0;
  /** The best delivery rate that the round showed. Bytes per millisecond. */
  rate = 0;
  minRttMs = Number.POSITIVE_INFINITY;
  /** In flight when the first packet left that the round lost. */
  inFlightAtLoss = 0;
  #endAt = 0;

  get lossRate(): number {
    return this.lost === 0 ? 0 : this.lost / (this.lost + this.delivered);
  }

  get hasRtt(): boolean {
    return this.minRttMs !== Number.POSITIVE_INFINITY;
  }

  /** Whether something waited all through the round. */
  hasQueue(minRttMs: number): boolean {
    return this.minRttMs > minRttMs * (1 + QUEUE_SHARE) + QUEUE_MS;
  }

  onLost(bytes: number, inFlightAtSend: number): void {
    if (this.lost === 0) this.inFlightAtLoss = inFlightAtSend;
    this.lost += bytes;
  }

  /** What was lost came after all. */
  onFound(bytes: number): void {
    this.lost = Math.max(0, this.lost - bytes);
  }

  /** @param rttMs the sample's, or what the controller makes of it; 0 where the ACK gives none. */
  onAck(sample: AckSample, rttMs = sample.rttMs): void {
    this.delivered += sample.ackedBytes;
    this.rate = Math.max(this.rate, sample.deliveryRate);
    if (rttMs > 0) this.minRttMs = Math.min(this.minRttMs, rttMs);
    this.ended = sample.priorDelivered >= this.#endAt;
    if (this.ended) this.count++;
  }

  begin(sample: AckSample): void {
    this.#endAt = sample.delivered;
    this.delivered = 0;
    this.lost = 0;
    this.rate = 0;
    this.minRttMs = Number.POSITIVE_INFINITY;
  }
}

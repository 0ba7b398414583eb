import { GRANULARITY_MS, type RttEstimator } from './rtt.js';

/** RFC 9002 §6.1.1: packets that overtake before a packet counts as lost, to begin with (P-8.1). */
export const PACKET_THRESHOLD = 3;
/** RFC 9002 §6.1.2: round trips, to begin with (P-8.1). */
export const TIME_THRESHOLD = 9 / 8;
/** No more reordering than this is learned: past it, waiting costs more than sending again. */
export const MAX_PACKET_THRESHOLD = 128;
/** RACK (RFC 8985 §7.2) too lets reordering take up to one more round trip. */
export const MAX_TIME_THRESHOLD = 2;
/** RFC 9002 §7.6.1 */
export const PERSISTENT_CONGESTION_PTOS = 3;
/** The longest backoff: P-8.5 ends the session before more would matter. */
const MAX_BACKOFF = 6;

/** When a packet counts as lost, and when to probe (RFC 9002 §6). Plain numbers: it holds no packets. */
export class LossDetector {
  packetThreshold = PACKET_THRESHOLD;
  timeThreshold = TIME_THRESHOLD;
  /** Probe timeouts in a row without an acknowledgement. */
  probeCount = 0;

  /** RFC 9002 §6.1.2: how long after its sending an overtaken packet is given up. */
  lossDelayMs(rtt: RttEstimator): number {
    return Math.max(this.timeThreshold * Math.max(rtt.smoothedMs, rtt.latestMs), GRANULARITY_MS);
  }

  /** RFC 9002 §6.1 */
  isLost(packet: number, largestAcked: number, sentAt: number, now: number, lossDelayMs: number): boolean {
    return largestAcked - packet >= this.packetThreshold || sentAt + lossDelayMs <= now;
  }

  /** RFC 9002 §6.2.1: the timeout doubles with each in a row. */
  probeDeadline(lastElicitingSentAt: number, rtt: RttEstimator): number {
    return lastElicitingSentAt + rtt.probeTimeoutMs * 2 ** Math.min(this.probeCount, MAX_BACKOFF);
  }

  /** RFC 9002 §7.6.1 */
  persistentCongestionMs(rtt: RttEstimator): number {
    return rtt.probeTimeoutMs * PERSISTENT_CONGESTION_PTOS;
  }

  /**
   * A packet given up for lost was acknowledged after all: the path reorders by more than was allowed for. RFC 9002 §6.1
   * has the thresholds raised then.
   * @param distance how many packets behind the largest acknowledged it came.
   */
  onSpuriousLoss(distance: number): void {
    this.packetThreshold = Math.min(Math.max(this.packetThreshold, distance + 1), MAX_PACKET_THRESHOLD);
    this.timeThreshold = Math.min(this.timeThreshold + 1 / 8, MAX_TIME_THRESHOLD);
  }
}

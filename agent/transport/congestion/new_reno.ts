import type { CongestionController } from '../congestion.js';
import type { RttEstimator } from '../rtt.js';

/** RFC 9002 §7.2 */
const INITIAL_WINDOW_DATAGRAMS = 10;
const INITIAL_WINDOW_BYTES = 14_720;
/** RFC 9002 §7.2 */
const MIN_WINDOW_DATAGRAMS = 2;
/** RFC 9002 §7.3.2 */
const LOSS_REDUCTION = 0.5;
/** P-8.4, RFC 9002 §7.7 */
const PACING_GAIN = 1.25;

/** RFC 9002 §7 and its appendix B. */
export class NewReno implements CongestionController {
  windowBytes: number;
  #slowStartThreshold = Number.POSITIVE_INFINITY;
  #recoveryStartedAt = Number.NEGATIVE_INFINITY;
  #datagramBytes: number;
  readonly #maxWindowBytes: number;
  /** What a reduction took, in case all that caused it was reordering. */
  #priorWindowBytes = 0;
  #priorThreshold = 0;
  #lostInRecovery = 0;

  /** @param maxWindowBytes what the sender can keep records of. */
  constructor(datagramBytes: number, maxWindowBytes: number) {
    this.#datagramBytes = datagramBytes;
    this.#maxWindowBytes = maxWindowBytes;
    const initial = Math.max(INITIAL_WINDOW_BYTES, MIN_WINDOW_DATAGRAMS * datagramBytes);
    this.windowBytes = Math.min(INITIAL_WINDOW_DATAGRAMS * datagramBytes, initial);
  }

  get inSlowStart(): boolean {
    return this.windowBytes < this.#slowStartThreshold;
  }

  pacingRate(rtt: RttEstimator): number {
    return (PACING_GAIN * this.windowBytes) / Math.max(rtt.smoothedMs, Number.MIN_VALUE);
  }

  onPacketSent(): void {
    // A window alone needs no more than what is in flight, which its caller counts.
  }

  onAcked(_now: number, sentAt: number, bytes: number, limited: boolean): void {
    // RFC 9002 §7.3.2: no growth from packets of before the recovery period.
    if (sentAt <= this.#recoveryStartedAt || !limited) return;
    const growth = this.inSlowStart ? bytes : (this.#datagramBytes * bytes) / this.windowBytes;
    this.windowBytes = Math.min(this.windowBytes + growth, this.#maxWindowBytes);
  }

  onLost(now: number, sentAt: number): void {
    if (sentAt <= this.#recoveryStartedAt) {
      this.#lostInRecovery++;
      return;
    }
    this.#priorWindowBytes = this.windowBytes;
    this.#priorThreshold = this.#slowStartThreshold;
    this.#lostInRecovery = 1;
    this.#recoveryStartedAt = now;
    this.#slowStartThreshold = Math.max(this.windowBytes * LOSS_REDUCTION, this.#minWindowBytes);
    this.windowBytes = this.#slowStartThreshold;
  }

  onSpuriousLoss(_now: number, sentAt: number): void {
    if (sentAt > this.#recoveryStartedAt || this.#lostInRecovery === 0) return;
    this.#lostInRecovery--;
    if (this.#lostInRecovery > 0) return;
    this.windowBytes = Math.max(this.windowBytes, this.#priorWindowBytes);
    this.#slowStartThreshold = Math.max(this.#slowStartThreshold, this.#priorThreshold);
    this.#recoveryStartedAt = Number.NEGATIVE_INFINITY;
  }

  onPersistentCongestion(): void {
    this.windowBytes = this.#minWindowBytes;
    this.#recoveryStartedAt = Number.NEGATIVE_INFINITY;
    this.#lostInRecovery = 0;
  }

  onAckDone(): void {
    // Loss is all that this controller listens to.
  }

  onDatagramBytes(datagramBytes: number): void {
    this.#datagramBytes = datagramBytes;
    this.windowBytes = Math.max(this.windowBytes, this.#minWindowBytes);
  }

  get #minWindowBytes(): number {
    return MIN_WINDOW_DATAGRAMS * this.#datagramBytes;
  }
}

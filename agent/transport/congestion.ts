import type { RttEstimator } from './rtt.js';

/** What one ACK told, for controllers that model the path. One is used over and over: copy what must last. */
export interface AckSample {
  now: number;
  ackedBytes: number;
  lostBytes: number;
  /** In flight before this ACK. */
  priorInFlight: number;
  /** In flight after it. */
  inFlight: number;
  /** Bytes acknowledged per millisecond over the newest packet's flight, 0 where unknown (draft-cheng-iccrg-delivery-rate-estimation). */
  deliveryRate: number;
  /** Whether that packet was sent while there was less to send than the window let. */
  appLimited: boolean;
}

/** How much may be in flight and how fast it leaves. Windows in bytes, times in milliseconds, rates in bytes per millisecond. */
export interface CongestionController {
  readonly windowBytes: number;
  /** Bytes per millisecond for the pacer (P-8.4). */
  pacingRate(rtt: RttEstimator): number;
  onPacketSent(now: number, bytes: number, inFlight: number): void;
  /** Each packet newly acknowledged. @param limited whether the window was what held sending back (RFC 9002 §7.8). */
  onAcked(now: number, sentAt: number, bytes: number, limited: boolean): void;
  /** Each packet given up for lost. */
  onLost(now: number, sentAt: number, bytes: number): void;
  /** Each packet given up for lost that came after all. */
  onSpuriousLoss(now: number, sentAt: number, bytes: number): void;
  /** RFC 9002 §7.6 */
  onPersistentCongestion(now: number): void;
  /** Once for each ACK, after its packets. */
  onAckDone(sample: AckSample, rtt: RttEstimator): void;
  /** The size of a full datagram changed. */
  onDatagramBytes(datagramBytes: number): void;
}

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

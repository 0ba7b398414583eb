import { LOSS_ALLOWANCE, type PathModel } from './path_model.js';
import type { RoundTally } from './round_tally.js';

/** draft-ietf-ccwg-bbr-06 §2.8: more loss than this in a round, beyond what the path loses anyway, is congestion. */
const LOSS_THRESHOLD = 0.02;
/** A few packets of a small round tell nothing about a rate. */
const MIN_LOST_DATAGRAMS = 4;
/** §2.8: what is kept of a bound that was too high. */
const BETA = 0.7;
/** §2.8: room left below a bound for others to come in; the draft names the free part, 0.15. */
const HEADROOM = 0.85;
/** A probe for more raises the bound by this in each round, until it binds no more. */
const UP_GROWTH = 1.25;

/** What loss has shown of how much a path takes (draft-ietf-ccwg-bbr-06 §5.5.10). Bytes, and bytes per millisecond. */
export class Bounds {
  /** Most in flight that did without too much loss. */
  highBytes = Number.POSITIVE_INFINITY;
  /** Bounds of the moment, until the next probe for more. */
  lowRate = Number.POSITIVE_INFINITY;
  #lowBytes = Number.POSITIVE_INFINITY;

  /** What is kept in flight below the bound, so that others find room. */
  get roomyBytes(): number {
    return this.highBytes * HEADROOM;
  }

  /** Loss counts only beyond what the path loses when nothing waits in it. */
  isExceeded({ lost, lossRate }: RoundTally, model: PathModel): boolean {
    if (lost < MIN_LOST_DATAGRAMS * model.datagramBytes) return false;
    return lossRate > LOSS_THRESHOLD + LOSS_ALLOWANCE * model.lossRate;
  }

  /** §5.5.10.2: a probe for more lost too much. @param inFlight when it did. @param least what the path is known to hold. */
  onProbeTooHigh(inFlight: number, least: number): void {
    this.highBytes = Math.max(inFlight, least * BETA);
  }

  /** §5.5.10.3: a round that was no probe lost too much. */
  onLossy(round: RoundTally, rate: number, windowBytes: number): void {
    this.lowRate = Math.max(round.rate, orElse(this.lowRate, rate) * BETA);
    this.#lowBytes = Math.max(round.delivered, orElse(this.#lowBytes, windowBytes) * BETA);
  }

  /** What came of a rate that filled a queue, over seconds: far more exact than the best of what was measured meanwhile. */
  onQueue(rate: number): void {
    this.lowRate = rate;
  }

  /** The bound held back what might have gone well. */
  raise(): void {
    this.highBytes *= UP_GROWTH;
  }

  forgetLow(): void {
    this.#lowBytes = Number.POSITIVE_INFINITY;
    this.lowRate = Number.POSITIVE_INFINITY;
  }

  /** §5.6.4.7 @param roomy whether room is to be left. */
  most(roomy: boolean): number {
    return Math.min(roomy ? this.roomyBytes : this.highBytes, this.#lowBytes);
  }
}

function orElse(bound: number, otherwise: number): number {
  return bound === Number.POSITIVE_INFINITY ? otherwise : bound;
}

import type { AckSample } from '../congestion.js';
import type { RoundTally } from './round_tally.js';

/** draft-ietf-ccwg-bbr-06 §2.16.1, §2.16.2: how long a shortest round trip is believed... */
const MIN_RTT_WINDOW_MS = 10_000;
/** ...and after how long without seeing one like it the sender makes room to see one. */
const PROBE_RTT_AFTER_MS = 5000;
/** A round trip within this of the shortest shows that it still holds, and spares a pause to look. */
const MIN_RTT_SEEN_SHARE = 1 / 32;
const MIN_RTT_SEEN_MS = 0.25;
/** Chance comes in runs: so many times what the path loses by itself is still chance. */
export const LOSS_ALLOWANCE = 1.5;
/** draft-ietf-ccwg-bbr-06 §2.12: rounds for which what ACKs brought beyond the model is remembered. */
const EXTRA_ACKED_ROUNDS = 10;
/**
 * What a process sends or reads between two turns of its timers, twice over: on a path shorter than that the window must
 * hold it. Milliseconds of the path's rate.
 */
const TURN_MS = 8;
const MIN_DATAGRAMS = 4;
/** The share that a new round has in the loss that the path is known for. */
const LOSS_MEMORY = 1 / 8;
/** More than this is no path that one can plan with. */
const MAX_LOSS_RATE = 0.2;

/** What is believed of a path: how fast it delivers, how long an empty one takes, what it loses by itself. */
export class PathModel {
  datagramBytes: number;
  minRttMs = Number.POSITIVE_INFINITY;
  /** The share lost in rounds that ended with no queue. */
  lossRate = 0;
  /** Most bytes that ACKs brought beyond the model of late: ACKs come bunched (draft-ietf-ccwg-bbr-06 §5.5.9). */
  extraAcked = 0;
  /** The best rate of this cycle of probing, and of the one before. */
  #rate = 0;
  #lastRate = 0;
  #minRttAt = 0;
  #bunchAt = 0;
  #bunchBytes = 0;
  #extraNow = 0;
  #extraRounds = 0;

  constructor(datagramBytes: number) {
    this.datagramBytes = datagramBytes;
  }

  /** Bytes per millisecond, 0 while nothing is known. */
  get rate(): number {
    return Math.max(this.#rate, this.#lastRate);
  }

  /** Bytes that fill the path `gain` times, and never less than processes need to keep it busy. */
  inFlight(gain: number, rate = this.rate): number {
    if (this.minRttMs === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY;
    return Math.max(gain * rate * this.minRttMs, rate * TURN_MS, MIN_DATAGRAMS * this.datagramBytes);
  }

  /** How long a flight takes that fills the path once. */
  get flightMs(): number {
    return this.rate === 0 ? this.minRttMs : Math.max(this.minRttMs, this.inFlight(1) / this.rate);
  }

  onAck(sample: AckSample): void {
    if (sample.deliveryRate >= this.rate || !sample.appLimited) this.#rate = Math.max(this.#rate, sample.deliveryRate);
    this.#onRtt(sample);
    this.#onBunch(sample);
  }

  onRound(round: RoundTally): void {
    // Lost packets of a path without a queue are the path's own.
    if (!round.hasQueue(this.minRttMs) && round.delivered > 0) {
      const share = Math.min(round.lossRate, MAX_LOSS_RATE);
      this.lossRate += LOSS_MEMORY * (share - this.lossRate);
    }
    this.#extraRounds++;
    if (this.#extraRounds < EXTRA_ACKED_ROUNDS) return;
    this.#extraRounds = 0;
    this.extraAcked = this.#extraNow;
    this.#extraNow = 0;
  }

  /** One cycle of probing is over: what the one before it showed is forgotten. */
  onCycle(): void {
    this.#lastRate = this.#rate;
    this.#rate = 0;
  }

  slowTo(rate: number): void {
    this.#rate = rate;
    this.#lastRate = rate;
    this.#bunchBytes = 0;
  }

  wantsProbeRtt(now: number): boolean {
    return now - this.#minRttAt > PROBE_RTT_AFTER_MS;
  }

  onProbeRttDone(now: number): void {
    this.#minRttAt = now;
  }

  /** Nothing was in flight: whatever the next round trip is, no queue of ours is in it. */
  onIdleRestart(now: number): void {
    this.#bunchAt = now;
    this.#bunchBytes = 0;
  }

  #onRtt({ now, rttMs }: AckSample): void {
    if (rttMs <= 0) return;
    const expired = now - this.#minRttAt > MIN_RTT_WINDOW_MS;
    if (rttMs < this.minRttMs || expired) {
      this.minRttMs = rttMs;
      this.#minRttAt = now;
    } else if (rttMs <= this.minRttMs * (1 + MIN_RTT_SEEN_SHARE) + MIN_RTT_SEEN_MS) this.#minRttAt = now;
  }

  #onBunch(sample: AckSample): void {
    const expected = this.rate * (sample.now - this.#bunchAt);
    if (this.#bunchBytes <= expected) {
      this.#bunchAt = sample.now;
      this.#bunchBytes = 0;
    }
    this.#bunchBytes += sample.ackedBytes;
    const extra = this.#bunchBytes - this.rate * (sample.now - this.#bunchAt);
    this.#extraNow = Math.max(this.#extraNow, Math.min(extra, this.inFlight(1)));
    this.extraAcked = Math.max(this.extraAcked, this.#extraNow);
  }
}

import type { AckSample } from '../congestion.js';
import { Cubic } from './cubic.js';
import { LOSS_ALLOWANCE, type PathModel } from './path_model.js';

/** How long to compete before the queue is tried again for whose it is. */
const COMPETE_MS = 10_000;
/** Each time that it is found to be others', the next try waits twice as long, up to this: a try gives way. */
const MAX_COMPETE_MS = 40_000;
/** So many rounds in a row without a queue, and there is nobody to compete with. */
const EMPTY_ROUNDS = 64;
/** Who comes to a path that is full finds less of it than is fair: twice as much is where CUBIC's plateau is put. */
const LATECOMER_GROWTH = 2;
/**
 * A queue longer than this share of an empty path's round trip, and this much, that stays while the sender keeps to the
 * model is not its own...
 */
const SHARED_SHARE = 1 / 16;
const SHARED_MS = 1;
/** ...looked at over this many rounds, and up to as many before: probes and pauses empty a queue for a moment. */
const SHARED_ROUNDS = 4;

/**
 * What to do beside others that fill queues, as TCP does: a model of the path alone takes all or nothing there, by who came
 * first and how deep the queue is. Taking what TCP would take is fair by construction.
 */
export class Competition {
  readonly #cubic: Cubic;
  /** The shortest round trips of the last rounds, and of those before them. */
  #lateMinRttMs = Number.POSITIVE_INFINITY;
  #earlyMinRttMs = Number.POSITIVE_INFINITY;
  #emptyRounds = 0;
  #startedAt = 0;
  #waitMs = COMPETE_MS;
  #recoveryAt = Number.NEGATIVE_INFINITY;
  /** Bytes lost beyond what the path loses by itself. */
  #excessLost = 0;

  constructor(datagramBytes: number) {
    this.#cubic = new Cubic(datagramBytes);
  }

  get windowBytes(): number {
    return this.#cubic.windowBytes;
  }

  onRtt(rttMs: number): void {
    if (rttMs > 0) this.#lateMinRttMs = Math.min(this.#lateMinRttMs, rttMs);
  }

  onRound(round: number, hasQueue: boolean): void {
    this.#emptyRounds = hasQueue ? 0 : this.#emptyRounds + 1;
    if (round % SHARED_ROUNDS !== 0) return;
    this.#earlyMinRttMs = this.#lateMinRttMs;
    this.#lateMinRttMs = Number.POSITIVE_INFINITY;
  }

  /** Whether somebody else keeps a queue filled. @param noiseMs how much round trips vary by themselves. */
  isShared(flightMs: number, noiseMs: number): boolean {
    const shortest = Math.min(this.#lateMinRttMs, this.#earlyMinRttMs);
    return shortest > flightMs * (1 + SHARED_SHARE) + Math.max(SHARED_MS, noiseMs);
  }

  /** Begins at what is in flight. @param alone whether it had the path to itself: then it has the more to give. */
  begin(now: number, inFlight: number, alone: boolean): void {
    this.#startedAt = now;
    this.#emptyRounds = 0;
    this.#waitMs = COMPETE_MS;
    this.#cubic.begin(inFlight, LATECOMER_GROWTH * inFlight);
    if (alone) this.#cubic.onCongestion();
  }

  /** Goes on where it was before a try. */
  resume(now: number): void {
    this.#startedAt = now;
    this.#emptyRounds = 0;
    this.#waitMs = Math.min(2 * this.#waitMs, MAX_COMPETE_MS);
  }

  isTimeToTry(now: number): boolean {
    return now - this.#startedAt >= this.#waitMs || this.#emptyRounds >= EMPTY_ROUNDS;
  }

  onLost(now: number, sentAt: number, bytes: number): void {
    this.#excessLost += bytes;
    if (this.#excessLost < bytes) return;
    this.#excessLost = 0;
    if (sentAt <= this.#recoveryAt) {
      this.#cubic.onFurtherLoss();
      return;
    }
    this.#recoveryAt = now;
    this.#cubic.onCongestion();
  }

  onAck({ now, ackedBytes, appLimited }: AckSample, model: PathModel, rttMs: number): void {
    this.#excessLost = Math.max(0, this.#excessLost - LOSS_ALLOWANCE * model.lossRate * ackedBytes);
    if (!appLimited && now > this.#recoveryAt) this.#cubic.onAcked(now, ackedBytes, rttMs);
  }

  onDatagramBytes(datagramBytes: number): void {
    this.#cubic.onDatagramBytes(datagramBytes);
  }
}

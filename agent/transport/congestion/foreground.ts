import { type AckSample, type CongestionController, initialWindow } from '../congestion.js';
import type { RttEstimator } from '../rtt.js';
import { Bounds } from './bounds.js';
import { Competition } from './competition.js';
import { PACING_GAIN, type State, WINDOW_GAIN } from './foreground_states.js';
import { OwnQueue } from './own_queue.js';
import { PathModel } from './path_model.js';
import { FLAT_ROUNDS, Plateau } from './plateau.js';
import { ProbeClock } from './probe_clock.js';
import { RoundTally } from './round_tally.js';
import { Silence } from './silence.js';
import { SlowedPath } from './slowed_path.js';

/** draft-ietf-ccwg-bbr-06 §2.5: paced a little below the model, so that a queue in which all is as modelled still drains. */
const PACING_MARGIN = 0.01;
/** §2.16.2 */
const PROBE_RTT_MS = 200;
/** §2.8 */
const MIN_WINDOW_DATAGRAMS = 4;
/** A queue that outlasts so many rounds of draining is not one's own: as many as what is known of it goes back. */
const DRAIN_ROUNDS = 8;
/** Rounds in which a sender that competed keeps to the model, to see whether the queue comes back without it. */
const TRIAL_ROUNDS = 12;
/**
 * The foreground controller: a model of the path (how fast it delivers, how long an empty one takes) and probes around it,
 * after BBRv3 (draft-ietf-ccwg-bbr-06). Where it differs, docs/TRANSPORT.md says why: loss counts only beyond what the path
 * loses without a queue, nothing is forgotten at a timeout, and a path that slows down is followed in a few round trips.
 */
export class Foreground implements CongestionController {
  windowBytes: number;
  #state: State = 'startup';
  readonly #model: PathModel;
  readonly #round = new RoundTally();
  #datagramBytes: number;
  readonly #maxWindowBytes: number;
  #rate: number;
  /** Startup is over: the path is full. */
  #full = false;
  readonly #plateau = new Plateau();
  readonly #bounds = new Bounds();
  readonly #clock = new ProbeClock();
  #stateRound = 0;
  #probeRttUntil = Number.POSITIVE_INFINITY;
  readonly #slowed = new SlowedPath();
  readonly #competition: Competition;
  #smoothedMs = 0;
  #variationMs = 0;
  readonly #silence = new Silence();
  /** Whether the pause to look for a shortest round trip came while competing, and what follows it is a trial. */
  #competed = false;
  #onTrial = false;
  /** The last cycle of probing found nobody else. */
  #alone = false;
  readonly #ownQueue = new OwnQueue();

  constructor(datagramBytes: number, maxWindowBytes: number) {
    this.#datagramBytes = datagramBytes;
    this.#maxWindowBytes = maxWindowBytes;
    this.#model = new PathModel(datagramBytes);
    this.#competition = new Competition(datagramBytes);
    this.windowBytes = Math.max(initialWindow(datagramBytes), MIN_WINDOW_DATAGRAMS * datagramBytes);
    this.#rate = 0;
  }

  get state(): State {
    return this.#state;
  }

  get model(): PathModel {
    return this.#model;
  }

  get inFlightBound(): number {
    return this.#bounds.highBytes;
  }

  /** What the path is believed to deliver. Bytes per millisecond. */
  get bandwidth(): number {
    return Math.min(this.#model.rate, this.#bounds.lowRate);
  }

  pacingRate(rtt: RttEstimator): number {
    if (this.#rate > 0) return this.#rate;
    // §5.6.2: before there is a model, the first window over the first round trip.
    return (PACING_GAIN.startup * this.windowBytes) / Math.max(rtt.smoothedMs, 1);
  }

  onPacketSent(now: number, bytes: number, inFlight: number): void {
    if (inFlight === bytes) this.#model.onIdleRestart(now);
  }

  onAcked(): void {
    // One look for each ACK is enough.
  }

  onLost(now: number, sentAt: number, bytes: number, inFlightAtSend: number): void {
    this.#round.onLost(bytes, inFlightAtSend);
    if (this.#state === 'compete') this.#competition.onLost(now, sentAt, bytes);
  }

  onSpuriousLoss(_now: number, _sentAt: number, bytes: number): void {
    this.#round.onFound(bytes);
  }

  onPersistentCongestion(): void {
    // An outage says nothing about what the path carries when it is back.
  }

  onDatagramBytes(datagramBytes: number): void {
    this.#datagramBytes = datagramBytes;
    this.#model.datagramBytes = datagramBytes;
    this.#competition.onDatagramBytes(datagramBytes);
  }

  onAckDone(sample: AckSample, rtt: RttEstimator): void {
    this.#smoothedMs = rtt.smoothedMs;
    this.#variationMs = rtt.variationMs;
    this.#silence.onAck(sample.now, this.#round.count, rtt.smoothedMs);
    const model = this.#model;
    this.#round.onAck(sample);
    model.onAck(sample);
    this.#competition.onRtt(sample.rttMs);
    const isRound = this.#round.ended;
    if (isRound) this.#onRound(sample);
    this.#step(sample, isRound);
    this.#apply(sample);
    if (isRound) this.#round.begin(sample);
  }

  #onRound(sample: AckSample): void {
    const round = this.#round;
    const model = this.#model;
    model.onRound(round);
    this.#competition.onRound(round.count, round.hasQueue(model.minRttMs));
    if (!this.#full) this.#checkFull(sample);
    if (this.#full && this.#state !== 'compete') this.#followSlowed(sample);
    if (this.#silence.forgives(round.count) || !this.#bounds.isExceeded(this.#round, this.#model)) return;
    if (this.#state === 'up' || this.#state === 'refill') {
      this.#bounds.onProbeTooHigh(round.inFlightAtLoss, model.inFlight(1));
      this.#enter('down', sample);
    } else if (this.#state !== 'startup' && this.#state !== 'probeRtt' && this.#state !== 'compete') {
      this.#bounds.onLossy(round, model.rate, this.windowBytes);
    }
  }

  /** §5.3.1.2, §5.3.1.3 */
  #checkFull(sample: AckSample): void {
    if (this.#bounds.isExceeded(this.#round, this.#model) && this.#round.hasQueue(this.#model.minRttMs)) {
      this.#full = true;
      this.#bounds.highBytes = Math.max(this.#round.delivered, this.#model.inFlight(1));
      return;
    }
    // A round throughout which something waited was the path's to limit, whatever there was to send.
    if (sample.appLimited && !this.#round.hasQueue(this.#model.minRttMs)) return;
    this.#full = this.#plateau.isReached(this.#model.rate);
  }

  #followSlowed(sample: AckSample): void {
    const what = this.#slowed.onRound(sample, this.#round, this.#model);
    if (what === 'as modelled') return;
    if (what === 'slowed') this.#model.slowTo(this.#round.rate);
    this.#enter(what === 'slowed' ? 'drain' : 'compete', sample);
  }

  #step(sample: AckSample, isRound: boolean): void {
    const { now, inFlight } = sample;
    const model = this.#model;
    switch (this.#state) {
      case 'startup':
        if (this.#full) this.#enter('drain', sample);
        break;
      case 'drain':
        if (inFlight <= model.inFlight(1)) this.#enter('down', sample);
        else if (isRound && this.#round.count - this.#stateRound >= DRAIN_ROUNDS && this.#isShared)
          this.#enter('compete', sample);
        break;
      case 'down':
        if (this.#clock.isDue(now, model)) this.#onCycleOver(sample);
        else if (inFlight <= Math.min(model.inFlight(1), this.#bounds.roomyBytes)) this.#enter('cruise', sample);
        break;
      case 'cruise':
        if (this.#onTrial) this.#stepTrial(sample, isRound);
        else if (this.#clock.isDue(now, model)) this.#onCycleOver(sample);
        break;
      case 'refill':
        if (isRound && this.#round.count > this.#stateRound) this.#enter('up', sample);
        break;
      case 'up':
        this.#stepUp(sample, isRound);
        break;
      case 'compete':
        if (this.#competition.isTimeToTry(now)) this.#enter('probeRtt', sample);
        return;
      case 'probeRtt':
        this.#stepProbeRtt(sample);
        return;
    }
    if (this.#full && model.wantsProbeRtt(now)) this.#enter('probeRtt', sample);
  }

  /** §5.3.3.7: up until the path shows that there is no more: a queue of a quarter of it, or loss (`#onRound`). */
  #stepUp(sample: AckSample, isRound: boolean): void {
    const model = this.#model;
    if (isRound && sample.priorInFlight + 2 * this.#datagramBytes >= this.#bounds.highBytes) this.#bounds.raise();
    if (isRound && this.#plateau.grew(model.rate)) this.#stateRound = this.#round.count;
    const rounds = this.#round.count - this.#stateRound;
    if (rounds < 1) return;
    const done = sample.inFlight >= model.inFlight(PACING_GAIN.up) || rounds >= FLAT_ROUNDS;
    if (done || sample.appLimited) this.#enter('down', sample);
  }

  #stepProbeRtt(sample: AckSample): void {
    const { now } = sample;
    if (this.#probeRttUntil === Number.POSITIVE_INFINITY) {
      if (sample.inFlight <= this.#model.inFlight(WINDOW_GAIN.probeRtt)) this.#probeRttUntil = now + PROBE_RTT_MS;
      return;
    }
    if (now < this.#probeRttUntil) return;
    this.#model.onProbeRttDone(now);
    this.#enter('cruise', sample);
  }

  get #isShared(): boolean {
    return this.#competition.isShared(this.#model.flightMs, this.#variationMs);
  }

  /** Alone, a sender that keeps to the model leaves no queue; beside others that fill it, it is back in a few rounds. */
  #stepTrial(sample: AckSample, isRound: boolean): void {
    if (!isRound) return;
    const rounds = this.#round.count - this.#stateRound;
    if (rounds < TRIAL_ROUNDS) return;
    if (this.#isShared) this.#onShared(sample);
    else this.#onTrial = false;
  }

  #onCycleOver(sample: AckSample): void {
    if (!this.#isShared) {
      this.#ownQueue.onNone(sample);
      this.#enter('refill', sample);
    } else this.#onShared(sample);
  }

  /** A queue stays. */
  #onShared(sample: AckSample): void {
    const came = this.#ownQueue.rateToDrainAt(sample, this.bandwidth);
    if (came !== null) this.#bounds.onQueue(came);
    this.#enter(came === null ? 'compete' : 'drain', sample);
  }

  #beginCycle(sample: AckSample): void {
    this.#clock.begin(sample);
    this.#ownQueue.begin(sample);
  }

  #enter(state: State, sample: AckSample): void {
    const from = this.#state;
    this.#state = state;
    this.#stateRound = this.#round.count;
    switch (state) {
      case 'down':
        this.#model.onCycle();
        this.#beginCycle(sample);
        break;
      case 'cruise':
        if (from !== 'probeRtt') break;
        this.#beginCycle(sample);
        this.#onTrial = this.#competed;
        break;
      case 'drain':
        this.#onTrial = false;
        break;
      case 'refill':
        this.#alone = true;
        this.#bounds.forgetLow();
        this.#plateau.begin(this.#model.rate);
        break;
      case 'probeRtt':
        this.#probeRttUntil = Number.POSITIVE_INFINITY;
        this.#competed = from === 'compete';
        break;
      case 'compete':
        if (this.#onTrial) this.#competition.resume(sample.now);
        else this.#competition.begin(sample.now, sample.priorInFlight, this.#alone);
        this.#alone = false;
        this.#onTrial = false;
        this.#ownQueue.forget();
        this.#bounds.forgetLow();
        break;
    }
  }

  #apply(sample: AckSample): void {
    const model = this.#model;
    if (model.rate === 0) return;
    if (this.#state === 'compete') {
      this.#applyCompetition(sample);
      return;
    }
    const rate = PACING_GAIN[this.#state] * this.bandwidth * (1 - PACING_MARGIN);
    // §5.6.2: in startup a dip of the measure does not slow the search.
    if (this.#full || rate > this.#rate) this.#rate = rate;
    const most = model.inFlight(WINDOW_GAIN[this.#state], this.bandwidth);
    const target = this.#state === 'probeRtt' ? most : most + model.extraAcked;
    if (this.#full) this.windowBytes = Math.min(this.windowBytes + sample.ackedBytes, target);
    else if (this.windowBytes < target || sample.delivered < this.windowBytes) this.windowBytes += sample.ackedBytes;
    this.windowBytes = Math.min(this.windowBytes, this.#bound);
    this.windowBytes = Math.max(this.windowBytes, MIN_WINDOW_DATAGRAMS * this.#datagramBytes);
  }

  #applyCompetition(sample: AckSample): void {
    const rttMs = Math.max(this.#smoothedMs, this.#model.minRttMs);
    this.#competition.onAck(sample, this.#model, rttMs);
    const least = MIN_WINDOW_DATAGRAMS * this.#datagramBytes;
    this.windowBytes = Math.min(Math.max(this.#competition.windowBytes, least), this.#maxWindowBytes);
    this.#rate = (PACING_GAIN.compete * this.windowBytes) / rttMs;
  }

  /** §5.6.4.7 */
  get #bound(): number {
    const state = this.#state;
    if (state === 'startup' || state === 'drain') return this.#maxWindowBytes;
    const roomy = state === 'cruise' || state === 'probeRtt';
    return Math.min(this.#bounds.most(roomy), this.#maxWindowBytes);
  }
}

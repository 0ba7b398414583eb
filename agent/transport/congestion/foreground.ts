import { type AckSample, type CongestionController, initialWindow } from '../congestion.js';
import type { RttEstimator } from '../rtt.js';
import { Competition } from './competition.js';
import { PathModel } from './path_model.js';
import { RoundTally } from './round_tally.js';

/** What the sender is about (draft-ietf-ccwg-bbr §4.3). */
type State = 'startup' | 'drain' | 'down' | 'cruise' | 'refill' | 'up' | 'probeRtt' | 'compete';

/** draft-ietf-ccwg-bbr §2.4 and §4.6.1: how much faster than the model each state sends. */
const PACING_GAIN: Readonly<Record<State, number>> = {
  startup: 2.77,
  drain: 0.5,
  down: 0.9,
  cruise: 1,
  refill: 1,
  up: 1.25,
  probeRtt: 1,
  compete: 1.2,
};
/** §4.6.2: flights of the model's path that each state lets be in flight. */
const WINDOW_GAIN: Readonly<Record<State, number>> = {
  startup: 2,
  drain: 2,
  down: 2,
  cruise: 2,
  refill: 2,
  up: 2.25,
  probeRtt: 0.5,
  compete: 1,
};
/** §2.5: paced a little below the model, so that a queue in which all is as modelled still drains. */
const PACING_MARGIN = 0.01;
/** §2.6: more loss than this in a round, beyond what the path loses anyway, is congestion. */
const LOSS_THRESHOLD = 0.02;
/** A few packets of a small round tell nothing about a rate. */
const MIN_LOST_DATAGRAMS = 4;
/** §2.6: what is kept of a bound that was too high. */
const BETA = 0.7;
/** §2.6: room left below a bound for others to come in. */
const HEADROOM = 0.85;
/** §4.3.1.2: startup, and a probe for more, end when rounds bring less growth than this... */
const GROWTH = 1.25;
/** ...so many times in a row. */
const FLAT_ROUNDS = 3;
/** §4.3.3.5.3: between probes for more; the rest of the wait is up to a second at random. */
const PROBE_WAIT_MS = 2000;
const PROBE_WAIT_SPREAD_MS = 1000;
/** §4.3.3.5.3: and no longer than Reno takes to grow by as much, at most these round trips. */
const MAX_PROBE_ROUNDS = 63;
/** A probe for more raises the bound by this in each round, until it binds no more. */
const UP_GROWTH = 1.25;
/** §4.3.4 */
const PROBE_RTT_MS = 200;
/** §2.7 */
const MIN_WINDOW_DATAGRAMS = 4;
/** A round that brings less than this of the model, while a queue grows, is of a path or a receiver that has slowed down... */
const SLOWED_SHARE = 0.5;
/** ...when so many follow each other. */
const SLOWED_ROUNDS = 3;
/** No ACK for so many round trips, and this much, is an outage, or a process that stood still... */
const SILENCE_RTTS = 1.5;
const SILENCE_MS = 50;
/** ...and what was in flight then is lost within so many rounds. */
const FORGIVEN_ROUNDS = 2;
/** Rounds in which a sender that competed keeps to the model, to see whether the queue comes back without it. */
const TRIAL_ROUNDS = 12;
/**
 * The foreground controller: a model of the path (how fast it delivers, how long an empty one takes) and probes around it,
 * after BBRv3 (draft-ietf-ccwg-bbr). Where it differs, docs/TRANSPORT.md says why: loss counts only beyond what the path
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
  #fullRate = 0;
  #flatRounds = 0;
  /** Most in flight that did without too much loss, and the bounds of the moment (§4.5.10). */
  #highBytes = Number.POSITIVE_INFINITY;
  #lowBytes = Number.POSITIVE_INFINITY;
  #lowRate = Number.POSITIVE_INFINITY;
  #stateAt = 0;
  #stateRound = 0;
  #probeAfter = 0;
  #probeRttUntil = Number.POSITIVE_INFINITY;
  #slowRounds = 0;
  #followed = false;
  readonly #competition: Competition;
  #smoothedMs = 0;
  #variationMs = 0;
  #heardAt = 0;
  /** Losses of rounds up to this are an outage's. */
  #forgivenRound = 0;
  /** Whether the pause to look for a shortest round trip came while competing, and what follows it is a trial. */
  #competed = false;
  #onTrial = false;
  /** The last cycle of probing found nobody else. */
  #alone = false;

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
    return this.#highBytes;
  }

  /** What the path is believed to deliver. Bytes per millisecond. */
  get bandwidth(): number {
    return Math.min(this.#model.rate, this.#lowRate);
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
    this.#hear(sample.now);
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

  /** After a silence longer than a path with a full queue makes, what was in flight says nothing about what it carries now. */
  #hear(now: number): void {
    if (now - this.#heardAt > SILENCE_RTTS * this.#smoothedMs + SILENCE_MS) {
      this.#forgivenRound = this.#round.count + FORGIVEN_ROUNDS;
    }
    this.#heardAt = now;
  }

  #onRound(sample: AckSample): void {
    const round = this.#round;
    const model = this.#model;
    model.onRound(round);
    this.#competition.onRound(round.count);
    if (!this.#full) this.#checkFull(sample);
    if (this.#full && this.#state !== 'compete') this.#followSlowed(sample);
    if (round.count <= this.#forgivenRound || !this.#isTooMuchLoss()) return;
    if (this.#state === 'up' || this.#state === 'refill') {
      this.#highBytes = Math.max(round.inFlightAtLoss, model.inFlight(1) * BETA);
      this.#enter('down', sample);
    } else if (this.#state !== 'startup' && this.#state !== 'probeRtt' && this.#state !== 'compete') {
      // §4.5.10.3: bounds of the moment, until the next probe.
      const rate = this.#lowRate === Number.POSITIVE_INFINITY ? model.rate : this.#lowRate;
      this.#lowRate = Math.max(round.rate, rate * BETA);
      const bytes = this.#lowBytes === Number.POSITIVE_INFINITY ? this.windowBytes : this.#lowBytes;
      this.#lowBytes = Math.max(round.delivered, bytes * BETA);
    }
  }

  /** §4.3.1.2 */
  #checkFull(sample: AckSample): void {
    if (this.#isTooMuchLoss() && this.#round.hasQueue(this.#model.minRttMs)) {
      this.#full = true;
      this.#highBytes = Math.max(this.#round.delivered, this.#model.inFlight(1));
      return;
    }
    if (sample.appLimited) return;
    this.#flatRounds = this.#grew() ? 0 : this.#flatRounds + 1;
    this.#full = this.#flatRounds >= FLAT_ROUNDS;
  }

  /** Whether the path has shown a good deal more than when this was last true. */
  #grew(): boolean {
    const { rate } = this.#model;
    if (rate < this.#fullRate * GROWTH) return false;
    this.#fullRate = rate;
    return true;
  }

  /** A maximum remembers for seconds what was true before; a queue that grows while less comes through says otherwise. */
  #followSlowed(sample: AckSample): void {
    const model = this.#model;
    const round = this.#round;
    if (!round.hasQueue(model.minRttMs)) {
      this.#slowRounds = 0;
      this.#followed = false;
      return;
    }
    if (sample.appLimited || round.rate >= SLOWED_SHARE * model.rate) return;
    this.#slowRounds++;
    if (this.#slowRounds < SLOWED_ROUNDS) return;
    this.#slowRounds = 0;
    if (this.#followed) {
      // The queue outlasted a drain: it is not that the path slowed down, somebody else takes of it.
      this.#enter('compete', sample);
      return;
    }
    this.#followed = true;
    model.slowTo(round.rate);
    this.#enter('drain', sample);
  }

  /** §4.5.10.2, but loss counts only beyond what the path loses when nothing waits in it. */
  #isTooMuchLoss(): boolean {
    const { lost, lossRate } = this.#round;
    return lost >= MIN_LOST_DATAGRAMS * this.#datagramBytes && lossRate > LOSS_THRESHOLD + 1.5 * this.#model.lossRate;
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
        break;
      case 'down':
        if (this.#isTimeToProbe(now)) this.#enter(this.#isShared ? 'compete' : 'refill', sample);
        else if (inFlight <= Math.min(model.inFlight(1), this.#highBytes * HEADROOM)) this.#enter('cruise', sample);
        break;
      case 'cruise':
        if (this.#onTrial) this.#stepTrial(sample, isRound);
        else if (this.#isTimeToProbe(now)) this.#enter(this.#isShared ? 'compete' : 'refill', sample);
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

  /** §4.3.3.6: up until the path shows that there is no more: a queue of a quarter of it, or loss (`#onRound`). */
  #stepUp(sample: AckSample, isRound: boolean): void {
    const model = this.#model;
    // The bound held back what might have gone well.
    if (isRound && sample.priorInFlight + 2 * this.#datagramBytes >= this.#highBytes) this.#highBytes *= UP_GROWTH;
    if (isRound && this.#grew()) this.#stateRound = this.#round.count;
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
    if (this.#isShared) this.#enter('compete', sample);
    this.#onTrial = false;
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
      case 'refill':
        this.#alone = true;
        this.#lowBytes = Number.POSITIVE_INFINITY;
        this.#lowRate = Number.POSITIVE_INFINITY;
        this.#fullRate = this.#model.rate;
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
        break;
    }
  }

  #beginCycle({ now, delivered }: AckSample): void {
    this.#stateAt = now;
    // Odd bytes are as good as random here: two flows must only not keep step.
    this.#probeAfter = PROBE_WAIT_MS + (PROBE_WAIT_SPREAD_MS * ((delivered * 0.618_034) % 1000)) / 1000;
  }

  #isTimeToProbe(now: number): boolean {
    if (now - this.#stateAt >= this.#probeAfter) return true;
    const rounds = Math.min(this.#model.inFlight(1) / this.#datagramBytes, MAX_PROBE_ROUNDS);
    return now - this.#stateAt >= rounds * this.#model.minRttMs && now - this.#stateAt >= PROBE_WAIT_MS / 8;
  }

  #apply(sample: AckSample): void {
    const model = this.#model;
    if (model.rate === 0) return;
    if (this.#state === 'compete') {
      this.#applyCompetition(sample);
      return;
    }
    const rate = PACING_GAIN[this.#state] * this.bandwidth * (1 - PACING_MARGIN);
    // §4.6.2: in startup a dip of the measure does not slow the search.
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

  /** §4.6.4.4 */
  get #bound(): number {
    const state = this.#state;
    if (state === 'startup' || state === 'drain') return this.#maxWindowBytes;
    const free = state === 'cruise' || state === 'probeRtt' ? HEADROOM : 1;
    const high = state === 'refill' || state === 'up' ? this.#highBytes : this.#highBytes * free;
    return Math.min(high, this.#lowBytes, this.#maxWindowBytes);
  }
}

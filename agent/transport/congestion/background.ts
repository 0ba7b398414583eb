import { type AckSample, type CongestionController, initialWindow } from '../congestion.js';
import type { RttEstimator } from '../rtt.js';
import { QueueDelay } from './queue_delay.js';
import { RoundTally } from './round_tally.js';
import { type Member, MIN_TARGET_MS, type Scavenger, TARGET_MS } from './scavenger.js';

/** From this window on the target falls as the window grows: the bytes that one flow keeps queued stay the same. */
const SCALE_DATAGRAMS = 128;
/** §4.1: slow start ends at this part of the target. */
const SLOW_START_SHARE = 0.75;
/** Fast growth leaves in bursts: less queue than this share of this much is no end. Milliseconds. */
const MIN_SLOW_START_TARGET_MS = 8;
/** §4.2: a path with a short round trip grows a queue in fewer of them. */
const MAX_GAIN_DIVISOR = 16;
/** §4.4: round trips from the end of the slow start to the slowdown, and round trips of it. */
const SLOWDOWN_ROUNDS = 2;
/** §4.3: what one flow keeps in flight at least. Datagrams. */
const MIN_WINDOW_DATAGRAMS = 2;
/** A window that is stretched far makes a queue here as soon as the one on the way back is gone. */
const MAX_STRETCH = 2;
/** RFC 9002 §7.7 */
const PACING_GAIN = 1.25;
const SLOW_START_PACING_GAIN = 2;
/** So many rounds with next to no queue are a path that has room. */
const ROOMY_ROUNDS = 16;
const ROOMY_SHARE = 0.5;
/** A round trip to grow by, and one to see what became of it. */
const ROOMY_PAUSE = 2;
/** A path that loses more than this without a queue drops what is too much instead of queueing it. */
const MAX_RANDOM_LOSS = 0.05;

/** `ramp`: back up after a slowdown. `still`: the slowdown. */
type State = 'slowStart' | 'ramp' | 'steady' | 'still';

/**
 * The background controller: LEDBAT++ (draft-irtf-iccrg-ledbat-plus-plus-01), which takes what others leave and gives way to
 * them. Where it differs, docs/TRANSPORT.md says why: a loss without a queue is not congestion, one with a queue lowers the
 * target, and the sessions of an agent are one flow.
 */
export class Background implements CongestionController, Member {
  lastSentAt = 0;
  readonly delay = new QueueDelay();
  #state: State = 'slowStart';
  #window: number;
  /** Keeps the rate of the window where ACKs wait on their way back: a queue there that comes and goes is none to fill here. */
  #stretch = 1;
  #threshold = Number.POSITIVE_INFINITY;
  #stillUntil = Number.NEGATIVE_INFINITY;
  #slowdowns: number;
  #roomyRounds = 0;
  #limited = false;
  /** The part of one flow that this session is. */
  #share = 1;
  #lossAt = Number.NEGATIVE_INFINITY;
  #overflowed = false;
  /** When what was lost in a full queue had left. */
  #overflowSentAt = Number.NaN;
  /** Whether it has seen the path without itself: who begins in the midst of others may take a full queue for an empty one. */
  #knowsBase = false;
  /** Until then, the round trip at which the queue overflowed: how deep that is it knows when it knows the base. */
  #overflowRttMs = 0;
  readonly #round = new RoundTally();
  readonly #scavenger: Scavenger;
  #datagramBytes: number;
  readonly #maxWindowBytes: number;

  constructor(datagramBytes: number, maxWindowBytes: number, scavenger: Scavenger) {
    this.#datagramBytes = datagramBytes;
    this.#maxWindowBytes = maxWindowBytes;
    this.#scavenger = scavenger;
    this.#slowdowns = scavenger.slowdowns;
    this.#window = initialWindow(datagramBytes) * scavenger.shareOfNext;
  }

  get state(): State {
    return this.#state;
  }

  /** A flow that has much aims at less, so that one that has little finds room to grow beside it. */
  get targetMs(): number {
    const scaled =
      this.#scavenger.targetMs * Math.min(1, (SCALE_DATAGRAMS * this.#datagramBytes * this.#share) / this.#window);
    return Math.min(TARGET_MS, Math.max(scaled, MIN_TARGET_MS, 2 * this.delay.spreadMs));
  }

  /** A share of less than one flow's least is a matter of pacing: a datagram that is alone in flight is acknowledged late (P-8.3). */
  get windowBytes(): number {
    const least = this.#state === 'still' ? 1 : MIN_WINDOW_DATAGRAMS;
    return Math.min(Math.max(this.#window * this.#stretch, least * this.#datagramBytes), this.#maxWindowBytes);
  }

  pacingRate(rtt: RttEstimator): number {
    const gain = this.#state === 'slowStart' || this.#state === 'ramp' ? SLOW_START_PACING_GAIN : PACING_GAIN;
    return (gain * (this.#window * this.#stretch)) / Math.max(rtt.smoothedMs, Number.MIN_VALUE);
  }

  onPacketSent(now: number): void {
    this.#scavenger.onSent(now, this);
  }

  onAcked(_now: number, _sentAt: number, _bytes: number, limited: boolean): void {
    this.#limited = limited;
  }

  onLost(now: number, sentAt: number, bytes: number, inFlightAtSend: number): void {
    this.#round.onLost(bytes, inFlightAtSend);
    const { queueMs } = this.delay;
    // What waits in an empty queue is not lost in it.
    if (queueMs <= MIN_TARGET_MS || sentAt <= this.#lossAt) return;
    this.#lossAt = now;
    this.#overflowed = true;
    this.#overflowSentAt = sentAt;
    if (this.#state === 'slowStart') this.#endSlowStart(now);
    else if (this.#state === 'ramp') this.#recover(now);
  }

  onSpuriousLoss(_now: number, sentAt: number, bytes: number): void {
    this.#round.onFound(bytes);
    if (sentAt !== this.#overflowSentAt) return;
    this.#overflowed = false;
    this.#overflowRttMs = 0;
    this.#scavenger.undoOverflow();
  }

  onPersistentCongestion(): void {
    // After an outage: up again as after a slowdown.
    this.#threshold = Math.max(this.#window, this.#minWindow);
    this.#window = this.#minWindow;
    this.#state = 'ramp';
  }

  onDatagramBytes(datagramBytes: number): void {
    this.#datagramBytes = datagramBytes;
  }

  onAckDone(sample: AckSample): void {
    const { now, rttMs, forwardMs } = sample;
    const seenMs = rttMs > 0 ? this.delay.onSample(now, rttMs, forwardMs) : 0;
    this.#share = this.#scavenger.share(now);
    this.#checkOverflow(now);
    this.#round.onAck(sample, seenMs);
    this.#checkSlowdown(now);
    this.#grow(sample);
    if (this.#round.ended) {
      this.#onRound();
      this.#round.begin(sample);
    }
    this.#window = Math.min(Math.max(this.#window, this.#minWindow), this.#maxWindowBytes);
    const { backMs, baseMs, queueMs } = this.delay;
    this.#stretch = backMs === 0 ? 1 : Math.min(1 + backMs / (baseMs + queueMs), MAX_STRETCH);
  }

  /** How deep the queue is the packets know that came after what was lost: those before saw it fill up. */
  #checkOverflow(now: number): void {
    if (!this.#overflowed) return;
    this.#overflowed = false;
    const { peakMs, baseMs } = this.delay;
    this.#overflowRttMs = this.#knowsBase ? 0 : baseMs + peakMs;
    this.#scavenger.onOverflow(now, peakMs, this.#knowsBase);
  }

  /** §4.2 */
  get #gain(): number {
    return 1 / Math.min(MAX_GAIN_DIVISOR, Math.max(1, Math.ceil((2 * TARGET_MS) / this.delay.baseMs)));
  }

  get #minWindow(): number {
    return MIN_WINDOW_DATAGRAMS * this.#datagramBytes * this.#share;
  }

  #grow(sample: AckSample): void {
    if (!this.#limited || this.#state === 'still') return;
    const { queueMs } = this.delay;
    if (this.#state === 'slowStart' || this.#state === 'ramp') {
      if (queueMs >= SLOW_START_SHARE * Math.max(this.targetMs, MIN_SLOW_START_TARGET_MS)) {
        if (this.#state === 'slowStart') this.#endSlowStart(sample.now);
        else this.#recover(sample.now);
        return;
      }
      this.#window += sample.ackedBytes * (this.#state === 'ramp' ? 1 : this.#gain);
      if (this.#state === 'ramp' && this.#window >= this.#threshold) this.#recover(sample.now);
    } else if (queueMs <= this.targetMs) {
      this.#window += (this.#share * this.#gain * this.#datagramBytes * sample.ackedBytes) / this.#window;
    }
  }

  /** §4.3: once a round trip, for it takes one to see what a change did. */
  #onRound(): void {
    if (this.#state !== 'steady') return;
    const { baseMs } = this.delay;
    // What waited all through the round: a process that stands still for some milliseconds delays a few ACKs, and is no queue.
    const queueMs = this.#round.hasRtt ? Math.max(0, this.#round.minRttMs - baseMs) : 0;
    const over = queueMs / this.targetMs - 1;
    // Never by more than empties a queue that is all its own: below that the path would stand idle.
    if (over > 0) this.#window *= 1 - Math.min(over, queueMs / (baseMs + queueMs), 0.5);
    const { lossRate, lost } = this.#round;
    if (lossRate > MAX_RANDOM_LOSS && lost > MIN_WINDOW_DATAGRAMS * this.#datagramBytes)
      this.#window *= 1 - lossRate / 2;
    // Without a round trip nothing is known of room.
    if (!this.#round.hasRtt) return;
    this.#roomyRounds = this.#limited && queueMs < ROOMY_SHARE * this.targetMs ? this.#roomyRounds + 1 : 0;
    if (this.#roomyRounds < ROOMY_ROUNDS) return;
    this.#roomyRounds -= ROOMY_PAUSE;
    this.#window *= 1 + this.#gain / 2;
  }

  #endSlowStart(now: number): void {
    this.#state = 'steady';
    const { baseMs, queueMs, backMs } = this.delay;
    this.#scavenger.askSlowdown(now + SLOWDOWN_ROUNDS * (baseMs + queueMs + backMs));
  }

  #recover(now: number): void {
    this.#state = 'steady';
    this.#scavenger.onRecovered(now);
    if (this.#overflowRttMs === 0 || !this.#knowsBase) return;
    this.#scavenger.onOverflow(now, Math.max(0, this.#overflowRttMs - this.delay.baseMs), true);
    this.#overflowRttMs = 0;
  }

  #checkSlowdown(now: number): void {
    if (this.#state === 'still') {
      if (now < this.#stillUntil) return;
      this.#state = 'ramp';
      this.#knowsBase = true;
      this.delay.forgetRecent();
      return;
    }
    // After a long rest one is due at once: who has just begun would begin it with nothing, and be held to that.
    if (this.#state !== 'slowStart' && this.#scavenger.isSlowdownDue(now)) this.#scavenger.beginSlowdown(now);
    if (this.#slowdowns === this.#scavenger.slowdowns) return;
    this.#slowdowns = this.#scavenger.slowdowns;
    this.#state = 'still';
    this.#threshold = this.#window;
    this.#window = this.#minWindow;
    const { currentMs, backMs } = this.delay;
    const roundMs = currentMs === Number.POSITIVE_INFINITY ? 0 : currentMs + backMs;
    this.#stillUntil = now + SLOWDOWN_ROUNDS * roundMs;
  }
}

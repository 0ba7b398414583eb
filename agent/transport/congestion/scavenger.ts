import type { CongestionController, MakeController } from '../congestion.js';
import { Background } from './background.js';

/** draft-irtf-iccrg-ledbat-plus-plus-01 §4.5: the queueing delay that is aimed at, at most. */
export const TARGET_MS = 60;
/** And at least, where the path's own unrest is less. */
export const MIN_TARGET_MS = 2;
/** Of the delay at which a queue overflows, what is aimed at from then on. */
const OVERFLOW_SHARE = 0.4;
/** How slowly a target that was lowered rises again: queues of a path change over days, not minutes. Milliseconds a second. */
const TARGET_RISE = 0.25;
/** A session that sent nothing for this long takes no part. */
const ACTIVE_MS = 2000;
/** draft-irtf-iccrg-ledbat-plus-plus-01 §4.4: between slowdowns, times as long as one takes... */
const SLOWDOWN_INTERVAL = 9;
/** ...and no less than this. */
const MIN_SLOWDOWN_INTERVAL_MS = 8000;
/** And no more, though no member ever gets back to what it had. */
const MAX_SLOWDOWN_INTERVAL_MS = 60_000;

/** What a session's controller tells the others of its agent. */
export interface Member {
  lastSentAt: number;
}

/**
 * All background sessions of one agent together are one flow to the rest of the world: they share what one may take, and
 * make room at one time, so that each sees what the path is like without any of them.
 */
export class Scavenger {
  /** Counts slowdowns; a member that has seen fewer joins the one at hand. */
  slowdowns = 0;
  readonly #members = new Set<Member>();
  #slowdownAt = 0;
  #nextSlowdownAt = Number.POSITIVE_INFINITY;
  #active = 1;
  #targetMs = TARGET_MS;
  /** Of those who may have taken a full queue for an empty one. */
  #guessMs = TARGET_MS;
  #targetAt = 0;
  #priorTargetMs = TARGET_MS;
  #countedAt = Number.NEGATIVE_INFINITY;

  /** For SessionOptions: makes the controller of one more session. */
  readonly controller: MakeController = (datagramBytes, maxWindowBytes): CongestionController =>
    new Background(datagramBytes, maxWindowBytes, this);

  /** The queueing delay that is aimed at, as far as the queues that were met are deep. */
  get targetMs(): number {
    return Math.min(this.#targetMs, this.#guessMs);
  }

  /**
   * A queue overflowed that packets waited in for so long.
   * @param known whether the session has seen the path without itself: what others say holds until the end of the next slowdown.
   */
  onOverflow(now: number, queueMs: number, known: boolean): void {
    const targetMs = Math.max(queueMs * OVERFLOW_SHARE, MIN_TARGET_MS);
    if (!known) {
      this.#guessMs = Math.min(this.#guessMs, targetMs);
      return;
    }
    this.#priorTargetMs = this.#targetMs;
    this.#targetMs = Math.min(this.#targetMs, targetMs);
    this.#targetAt = now;
  }

  /** What seemed lost had only been overtaken. */
  undoOverflow(): void {
    this.#targetMs = Math.max(this.#targetMs, this.#priorTargetMs);
  }

  get shareOfNext(): number {
    return 1 / (this.#members.size + 1);
  }

  /** The part of one flow that each session is. */
  share(now: number): number {
    if (now - this.#countedAt > ACTIVE_MS / 8) this.#count(now);
    return 1 / this.#active;
  }

  /** Called for each packet that a member sends. */
  onSent(now: number, member: Member): void {
    member.lastSentAt = now;
    if (this.#members.has(member)) return;
    this.#members.add(member);
    this.#count(now);
  }

  /** Whether it is time that all make room. */
  isSlowdownDue(now: number): boolean {
    return now >= this.#nextSlowdownAt;
  }

  beginSlowdown(now: number): void {
    this.slowdowns++;
    this.#slowdownAt = now;
    this.#nextSlowdownAt = now + MAX_SLOWDOWN_INTERVAL_MS;
  }

  /** The end of a slow start asks for the first slowdown of all; sessions that come later wait for the next. */
  askSlowdown(at: number): void {
    if (this.slowdowns === 0) this.#nextSlowdownAt = Math.min(this.#nextSlowdownAt, at);
  }

  /** A member is back at what it had before the slowdown. */
  onRecovered(now: number): void {
    this.#guessMs = TARGET_MS;
    const interval = Math.max(SLOWDOWN_INTERVAL * (now - this.#slowdownAt), MIN_SLOWDOWN_INTERVAL_MS);
    // Who comes back late puts nothing off: what all know of the path's queues rests on slowdowns.
    this.#nextSlowdownAt = Math.min(this.#nextSlowdownAt, now + Math.min(interval, MAX_SLOWDOWN_INTERVAL_MS));
  }

  #count(now: number): void {
    if (this.#countedAt > this.#targetAt) {
      const seconds = (now - this.#countedAt) / 1000;
      this.#targetMs = Math.min(TARGET_MS, this.#targetMs + seconds * TARGET_RISE);
    }
    this.#countedAt = now;
    for (const member of this.#members) if (now - member.lastSentAt > ACTIVE_MS) this.#members.delete(member);
    this.#active = Math.max(1, this.#members.size);
  }
}

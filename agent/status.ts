import type { RolloutProgress, StatusMessage, WrongChunkReport } from '../shared/control/messages.js';
import { MAX_ROLLOUTS } from '../shared/limits.js';

/** When a status is due: soon after a change, of the clock too, never more often than the interval, and now and then although nothing moves. */

/** So that "last seen" means something on a quiet fleet; a thousand devices cost the broker 17 messages a second. */
const HEARTBEAT_MS = 60_000;
/** A clock that drifts by so much between two statuses was set: what was said and heard by the old time is to be said and asked anew. */
const CLOCK_STEP_MS = 2_000;

const wallAhead = (): number => Date.now() - performance.now();

export class StatusClock {
  readonly #intervalMs: number;
  readonly #wallAhead: () => number;
  #changed = true;
  #last = Number.NEGATIVE_INFINITY;
  #aheadAtLast: number;
  readonly #mostMs: number;
  /** Of the last one that was published, and when the next is though it says no more than progress. */
  #states: string | undefined;
  #publishMs: number;
  #publishDue = Number.NEGATIVE_INFINITY;
  #publishedAt = Number.NEGATIVE_INFINITY;
  /** When rollouts are joined that were heard of. */
  readonly #joins = new Set<number>();

  /**
   * @param mostMs what the interval grows to, doubled each time, for what is published while nothing but progress moves
   * @param ahead how far the wall clock is ahead of the monotonic one, ms.
   */
  constructor(intervalMs: number, mostMs = intervalMs, ahead: () => number = wallAhead) {
    this.#intervalMs = intervalMs;
    this.#mostMs = mostMs;
    this.#publishMs = intervalMs;
    this.#wallAhead = ahead;
    this.#aheadAtLast = ahead();
  }

  changed(): void {
    this.#changed = true;
  }

  get due(): number {
    if (this.#changed || this.#wasSet) return this.#last + this.#intervalMs;
    const beat = this.#publishedAt + HEARTBEAT_MS;
    return Math.min(beat, ...this.#joins);
  }

  /**
   * P-10.1: until it joins a rollout that every device has just heard of, this one has nothing to say of it: all would say it in the same
   * moment.
   */
  quiet(until: number): void {
    this.#joins.add(until);
    const [oldest] = this.#joins;
    if (this.#joins.size > MAX_ROLLOUTS && oldest !== undefined) this.#joins.delete(oldest);
  }

  /**
   * P-4.7: whether the status that is due goes to the broker. A state that is new does; progress ever more seldom, lest a long transfer cost
   * more in statuses than in all else. Before `said`. @param states all that an operator is to see soon
   */
  publishes(now: number, states: string): boolean {
    const news = states !== this.#states || this.#wasSet;
    const beat = now >= this.#publishedAt + HEARTBEAT_MS;
    if (!news && !beat && (now < this.#publishDue || this.#waitsToJoin(now))) return false;
    this.#publishMs = news ? this.#intervalMs : Math.min(this.#mostMs, this.#publishMs * 2);
    this.#publishDue = now + this.#publishMs;
    this.#publishedAt = now;
    this.#states = states;
    return true;
  }

  /** What was published is not what the broker holds any more. */
  forget(): void {
    this.#states = undefined;
  }

  /** @param published whether it went to the broker: the next one goes a minute later at the latest, whatever is said here meanwhile. */
  said(now: number, published = true): void {
    this.#changed = false;
    this.#last = now;
    for (const at of this.#joins) if (at <= now) this.#joins.delete(at);
    if (published) this.#publishedAt = now;
    this.#aheadAtLast = this.#wallAhead();
  }

  #waitsToJoin(now: number): boolean {
    return [...this.#joins].some((at) => now < at);
  }

  get #wasSet(): boolean {
    return Math.abs(this.#wallAhead() - this.#aheadAtLast) >= CLOCK_STEP_MS;
  }
}

export interface StatusParts {
  /** Seconds since the epoch. */
  readonly at: number;
  readonly online: boolean;
  readonly agent: string;
  readonly peers: number;
  readonly metered?: StatusMessage['metered'];
  readonly rollouts: readonly RolloutProgress[];
  /** P-15.2 */
  readonly reports?: readonly WrongChunkReport[];
  readonly integrity?: StatusMessage['integrity'];
  readonly alerts?: StatusMessage['alerts'];
  readonly moreAlerts?: StatusMessage['moreAlerts'];
}

/** P-4.7: what an operator is to see soon. @param joining hex of artifacts whose rollouts wait to be joined (P-10.1): nothing of these */
export function statesOf(
  { online, metered, rollouts, integrity = [], alerts = [], reports = [] }: StatusMessage,
  joining: ReadonlySet<string>,
): string {
  const told = rollouts.filter(({ artifact }) => !joining.has(Buffer.from(artifact).toString('hex')));
  return JSON.stringify([
    online,
    metered,
    // When it was looked at last is no news.
    integrity.map(({ at: _, ...row }) => row),
    alerts.map(({ n }) => n),
    told.map(({ name, version, state, hold, error }) => [name, version, state, hold, error]),
    reports.map(({ device, at, count }) => [device, at, count]),
  ]);
}

/** P-4.7 */
export function statusMessage({ rollouts, reports = [], ...parts }: StatusParts): StatusMessage {
  const kept = { rollouts: rollouts.slice(0, MAX_ROLLOUTS), ...(reports.length > 0 && { reports: [...reports] }) };
  return { t: 'status', ...parts, ...kept };
}

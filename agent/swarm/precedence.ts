import { DEFAULT_PRIORITY, MAX_PRIORITY } from '../../shared/limits.js';
import { STALL_BYTES, STALL_MS } from './limits.js';
import { Yielding } from './yielding.js';

/**
 * Which of a device's transfers may ask for how much (P-10.12): of two that differ in rank, the lower one yields while the higher one is brought
 * anything; those of one rank share. Pure: time comes in.
 */

const RANKS = MAX_PRIORITY + 1;

/** P-12.3: an emergency before whatever is urgent, that before all that is not, and the higher priority first. */
export function rankOf({ urgent = false, emergency = false, priority = DEFAULT_PRIORITY }: RankedRollout): number {
  return (emergency ? 2 * RANKS : urgent ? RANKS : 0) + priority;
}

export interface RankedRollout {
  readonly urgent?: boolean | undefined;
  readonly emergency?: boolean | undefined;
  readonly priority?: number | undefined;
}

/** A transfer, as it stands. */
export interface Contender {
  readonly rank: number;
  /** Whether chunks are missing that it may ask for: no full disk, no hours. */
  readonly wants: boolean;
  /** Bytes that came for it over the network since it began. */
  readonly received: number;
  /** Bytes that it asked for and that are not here yet. */
  readonly outstanding: number;
}

export class Precedence {
  #known = new Map<string, Known>();

  /** Bytes that the transfer may have asked for at a time; Infinity where none comes before it. */
  allowance(key: string): number {
    return this.#known.get(key)?.yielding?.allowance ?? Number.POSITIVE_INFINITY;
  }

  /**
   * Call about each second, and when any of them ends.
   * @param now monotonic ms; @param contenders all there are, by any key
   * @returns the keys of those that may ask for more than before, or for less
   */
  look(now: number, contenders: ReadonlyMap<string, Contender>): string[] {
    const before = this.#known;
    this.#known = new Map();
    for (const [key, contender] of contenders) {
      const known = before.get(key) ?? new Known();
      known.look(now, contender);
      this.#known.set(key, known);
    }
    return [...contenders].filter(([key, contender]) => this.#place(key, contender, now)).map(([key]) => key);
  }

  #place(key: string, { rank, outstanding }: Contender, now: number): boolean {
    const known = this.#known.get(key);
    if (known === undefined) return false;
    const before = this.allowance(key);
    const first = [...this.#known.values()].filter((other) => other.rank > rank);
    if (!first.some((other) => other.isFed(now))) {
      known.yielding = null;
    } else {
      known.yielding ??= new Yielding(now);
      known.yielding.look(
        now,
        outstanding,
        first.reduce((sum, { came }) => sum + came, 0),
      );
    }
    return this.allowance(key) !== before;
  }
}

/** What is known of one transfer. */
class Known {
  rank = 0;
  /** Bytes that came between the last two looks. */
  came = 0;
  /** Null where none comes before it. */
  yielding: Yielding | null = null;
  #wants = false;
  #received: number | undefined;
  /** Since #fedAt. */
  #progress = 0;
  #fedAt = Number.NEGATIVE_INFINITY;
  #hasAsked = false;

  look(now: number, { rank, wants, received, outstanding }: Contender): void {
    this.rank = rank;
    this.#wants = wants;
    // Nothing to compare with the first time, for the transfer may be far older than this; nor where one is begun anew.
    this.came = Math.max(0, received - (this.#received ?? received));
    this.#received = received;
    this.#progress += this.came;
    // The first that it asks for has as long to come as any other.
    const begins = !this.#hasAsked && outstanding > 0;
    this.#hasAsked ||= begins;
    if (this.#progress < STALL_BYTES && !begins) return;
    this.#progress = 0;
    this.#fedAt = now;
  }

  /** A byte now and then is nothing, as of a peer (STALL_BYTES). */
  isFed(now: number): boolean {
    return this.#wants && now < this.#fedAt + STALL_MS;
  }
}

import { z } from 'zod';

/** Whose chunks are looked at again next, and where that stands. Pure: what there is and the time come in. */

/** Of subjects that are not there now, a rollout that was withdrawn say, so many more are remembered: 16 rollouts for each of four groups. */
const MAX_REMEMBERED = 64;

const mark = z.object({ doneAt: z.number(), next: z.int().min(0) });
export const recheckMemorySchema = z.record(z.string(), mark);
/**
 * By subject: when it was looked at to its end, or first seen, which is as good, for it was verified then; seconds since the epoch. And
 * the chunk to go on at, 0 where it is not begun.
 */
export type RecheckMemory = z.infer<typeof recheckMemorySchema>;

/** Something with chunks. */
export interface RecheckSubject {
  /** The same across restarts. */
  readonly key: string;
}

export class RecheckPlan {
  readonly #intervalSeconds: number;
  #memory: RecheckMemory;

  constructor(intervalSeconds: number, memory: RecheckMemory = {}) {
    this.#intervalSeconds = intervalSeconds;
    this.#memory = memory;
  }

  get memory(): RecheckMemory {
    return this.#memory;
  }

  /**
   * What was begun before what is due, and what waits longest first.
   * @param at seconds since the epoch
   * @returns null where nothing is due
   */
  choose<T extends RecheckSubject>(subjects: readonly T[], at: number): { subject: T; next: number } | null {
    this.#meet(subjects, at);
    let chosen: { subject: T; next: number } | null = null;
    let rank = Number.POSITIVE_INFINITY;
    for (const subject of subjects) {
      const { doneAt, next } = this.#memory[subject.key] ?? { doneAt: at, next: 0 };
      if (next === 0 && !this.#isDue(doneAt, at)) continue;
      const own = next > 0 ? Number.NEGATIVE_INFINITY : doneAt;
      if (chosen !== null && own >= rank) continue;
      chosen = { subject, next };
      rank = own;
    }
    return chosen;
  }

  /** Chunks up to, not including, `next` were looked at. @param chunks how many there are */
  reached({ key }: RecheckSubject, next: number, chunks: number, at: number): void {
    const doneAt = this.#memory[key]?.doneAt ?? at;
    this.#memory = { ...this.#memory, [key]: next < chunks ? { doneAt, next } : { doneAt: at, next: 0 } };
  }

  /** A clock that went back by more than a whole interval says nothing of when. */
  #isDue(doneAt: number, at: number): boolean {
    return Math.abs(at - doneAt) >= this.#intervalSeconds;
  }

  #meet(subjects: readonly RecheckSubject[], at: number): void {
    const fresh = subjects.filter(({ key }) => !Object.hasOwn(this.#memory, key));
    if (fresh.length === 0) return;
    const present = new Set(subjects.map(({ key }) => key));
    const absent = Object.entries(this.#memory).filter(([key]) => !present.has(key));
    absent.sort(([, a], [, b]) => b.doneAt - a.doneAt);
    this.#memory = Object.fromEntries([
      ...absent.slice(0, MAX_REMEMBERED),
      ...Object.entries(this.#memory).filter(([key]) => present.has(key)),
      ...fresh.map(({ key }) => [key, { doneAt: at, next: 0 }] as const),
    ]);
  }
}

import type { Entry, IntegrityMemory } from './memory.js';

/** Which installed artifact is looked at next (P-15.5). Pure: what is remembered and the time come in. */

/** Of the interval: a first look is so soon after the start, drawn, lest a fleet that was switched on together reads together. */
const FIRST_PART = 1 / 10;
export const MAX_FIRST_SECONDS = 60;
/** Of the interval: what is to be replaced by the version in force is looked at sooner, so that the installed version shows in the day. */
const OTHER_PART = 1 / 8;

export interface PlanOptions {
  /** Name to path. */
  readonly installed: Readonly<Record<string, string>>;
  readonly intervalSeconds: number;
  /** As it was saved. */
  readonly memory: IntegrityMemory;
  /** When the agent started, monotonic ms: the system clock may be set meanwhile, by years. */
  readonly startedAt: number;
  /** From 0 to 1, what part of the first wait is waited for. */
  readonly jitter: number;
}

export class IntegrityPlan {
  readonly #intervalSeconds: number;
  /** Monotonic ms. */
  readonly #firstAt: number;
  /** To be looked at whatever the schedule says. */
  readonly #asked = new Set<string>();
  #memory: IntegrityMemory;

  constructor({ installed, intervalSeconds, memory, startedAt, jitter }: PlanOptions) {
    this.#intervalSeconds = intervalSeconds;
    this.#firstAt = startedAt + jitter * Math.min(MAX_FIRST_SECONDS, intervalSeconds * FIRST_PART) * 1000;
    this.#memory = Object.fromEntries(
      Object.entries(installed).map(([name, path]) => {
        const known = Object.hasOwn(memory, name) ? memory[name] : undefined;
        // At another path is another thing: what is known of the one before says nothing of it.
        return [name, known?.path === path ? known : { path, repaired: 0 }];
      }),
    );
  }

  get memory(): IntegrityMemory {
    return this.#memory;
  }

  entry(name: string): Entry | undefined {
    return this.#memory[name];
  }

  set(name: string, entry: Entry): void {
    this.#memory = { ...this.#memory, [name]: entry };
  }

  /** Look at it, whatever the schedule says. */
  ask(name: string): void {
    if (Object.hasOwn(this.#memory, name)) this.#asked.add(name);
  }

  /** The look that was asked for begins. */
  begins(name: string): void {
    this.#asked.delete(name);
  }

  /**
   * What was begun before what is due, and what waits longest first.
   * @param at seconds since the epoch @param now monotonic ms @param isOther what is not the version in force
   */
  choose(at: number, now: number, isOther: (name: string) => boolean): string | null {
    let chosen: string | null = null;
    let least = Number.POSITIVE_INFINITY;
    for (const [name, entry] of Object.entries(this.#memory)) {
      const isFirst = entry.doneAt === undefined && now >= this.#firstAt;
      if (entry.look === undefined && !isFirst && !this.#isDue(name, entry, at, isOther)) continue;
      const rank = entry.look !== undefined ? Number.NEGATIVE_INFINITY : (entry.doneAt ?? 0);
      if (chosen !== null && rank >= least) continue;
      [chosen, least] = [name, rank];
    }
    return chosen;
  }

  #isDue(name: string, { doneAt, verdict }: Entry, at: number, isOther: (name: string) => boolean): boolean {
    if (this.#asked.has(name)) return true;
    if (doneAt === undefined) return false;
    const soon = verdict !== undefined && isOther(name);
    const interval = soon ? this.#intervalSeconds * OTHER_PART : this.#intervalSeconds;
    // A clock that was set back by more than that says nothing of when.
    return Math.abs(at - doneAt) >= interval;
  }
}

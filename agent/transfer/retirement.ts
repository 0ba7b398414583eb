/** When a device that holds everything has served long enough (P-10.8). Pure. */

/** A year, and a thousand copies: more is no limit. */
export const MAX_SEED_SECONDS = 31_536_000;
export const MAX_SEED_RATIO = 1_000;

export interface SeedingLimits {
  /** Seconds since it was complete. */
  readonly seconds?: number | undefined;
  /** Bytes that it served, in copies of the artifact. */
  readonly ratio?: number | undefined;
}

export class Retirement {
  readonly #afterMs: number;
  readonly #afterBytes: number;
  #completeAt = Number.POSITIVE_INFINITY;

  /** @param size of the artifact, bytes */
  constructor({ seconds, ratio }: SeedingLimits, size: number) {
    this.#afterMs = seconds === undefined ? Number.POSITIVE_INFINITY : seconds * 1000;
    this.#afterBytes = ratio === undefined ? Number.POSITIVE_INFINITY : ratio * size;
  }

  /** @param now monotonic ms */
  complete(now: number): void {
    this.#completeAt = Math.min(this.#completeAt, now);
  }

  /** It is not complete any more. */
  undo(): void {
    this.#completeAt = Number.POSITIVE_INFINITY;
  }

  /** Whichever limit comes first. @param servedBytes that arrived */
  isDue(servedBytes: number, now: number): boolean {
    return now >= this.deadline || (this.#completeAt < Number.POSITIVE_INFINITY && servedBytes >= this.#afterBytes);
  }

  /** When the time is over. Monotonic ms. */
  get deadline(): number {
    return this.#completeAt + this.#afterMs;
  }
}

/** How often each may ask, and all together: what asks more is not looked at (P-13.11). Pure. */

export interface PaceLimits {
  /** Between two questions of one, ms. */
  readonly eachMs: number;
  /** Of all, a second. */
  readonly perSecond: number;
  /** Who is remembered; past it, the one that asked longest ago is not. */
  readonly remembered: number;
}

export class Pace {
  readonly #limits: PaceLimits;
  readonly #last = new Map<string, number>();
  #left: number;
  #at = Number.NEGATIVE_INFINITY;

  constructor(limits: PaceLimits) {
    this.#limits = limits;
    this.#left = limits.perSecond;
  }

  /** @param now monotonic ms @returns whether it is looked at; then it counts */
  take(who: string, now: number): boolean {
    const { eachMs, perSecond, remembered } = this.#limits;
    if (now - (this.#last.get(who) ?? Number.NEGATIVE_INFINITY) < eachMs) return false;
    this.#left = Math.min(perSecond, this.#left + ((now - this.#at) / 1000) * perSecond);
    this.#at = now;
    if (this.#left < 1) return false;
    this.#left--;
    // Set anew, so that the first of the map is the one that asked longest ago.
    this.#last.delete(who);
    const oldest = this.#last.keys().next();
    if (this.#last.size >= remembered && !oldest.done) this.#last.delete(oldest.value);
    this.#last.set(who, now);
    return true;
  }
}

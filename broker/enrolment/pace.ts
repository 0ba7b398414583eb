/** How often each may ask, and all together: what asks more is not looked at (P-13.11). Pure. */

/** Of what is looked at of all, for who was not looked at for a while: many that ask as often as they may leave it to the others. */
const KEPT_PART = 1 / 2;
/** For so many gaps. Who has nothing to gain asks less often than that. */
const QUIET_GAPS = 8;

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
    const quiet = now - (this.#last.get(who) ?? Number.NEGATIVE_INFINITY);
    if (quiet < eachMs) return false;
    this.#left = Math.min(perSecond, this.#left + ((now - this.#at) / 1000) * perSecond);
    this.#at = now;
    const kept = quiet < QUIET_GAPS * eachMs ? perSecond * KEPT_PART : 0;
    if (this.#left - kept < 1) return false;
    this.#left--;
    // Set anew, so that the first of the map is the one that asked longest ago.
    this.#last.delete(who);
    const oldest = this.#last.keys().next();
    if (this.#last.size >= remembered && !oldest.done) this.#last.delete(oldest.value);
    this.#last.set(who, now);
    return true;
  }
}

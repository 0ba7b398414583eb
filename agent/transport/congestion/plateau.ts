/** draft-ietf-ccwg-bbr-06 §5.3.1.2: startup, and a probe for more, end when rounds bring less growth than this... */
const GROWTH = 1.25;
/** ...so many times in a row. */
export const FLAT_ROUNDS = 3;

/** Whether a path shows ever more. Bytes per millisecond. */
export class Plateau {
  #rate = 0;
  #flatRounds = 0;

  /** From here on growth is counted. */
  begin(rate: number): void {
    this.#rate = rate;
  }

  /** Whether the path has shown a good deal more than when this was last true. */
  grew(rate: number): boolean {
    if (rate < this.#rate * GROWTH) return false;
    this.#rate = rate;
    return true;
  }

  /** @returns whether enough rounds in a row have shown no more. */
  isReached(rate: number): boolean {
    this.#flatRounds = this.grew(rate) ? 0 : this.#flatRounds + 1;
    return this.#flatRounds >= FLAT_ROUNDS;
  }
}

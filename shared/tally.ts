/** Counting what may come in floods, so that it is told often enough to be seen and never often enough to do harm. Pure. */

/** Of things counted apart: about 200 KB. What comes when so many are known is counted together. */
const MAX_COUNTED = 1_024;
/** What did not come for so long begins anew, and is told at once when it comes. */
const FORGET_AFTER_MS = 3_600_000;
const THE_REST = '';

/** Whether the first, second, fourth, eighth, ... of a kind; after 2^32 from the first again. */
export function isTold(count: number): boolean {
  return count > 0 && (count & (count - 1)) === 0;
}

interface Count {
  count: number;
  last: number;
}

export class Tally {
  readonly #counts = new Map<string, Count>();

  get size(): number {
    return this.#counts.size;
  }

  /** One more of `what`. @param now monotonic ms @returns how many there were, where that is to be told; else null */
  add(what: string, now: number): number | null {
    const key = this.#counts.has(what) || this.#hasRoom(now) ? what : THE_REST;
    const { count, last } = this.#counts.get(key) ?? { count: 0, last: now };
    const sum = now - last >= FORGET_AFTER_MS ? 1 : count + 1;
    // The quietest first.
    this.#counts.delete(key);
    this.#counts.set(key, { count: sum, last: now });
    return isTold(sum) ? sum : null;
  }

  /** Of everything whose name begins so: the next of it is the first. */
  forget(beginning: string): void {
    for (const what of [...this.#counts.keys()]) if (what.startsWith(beginning)) this.#counts.delete(what);
  }

  #hasRoom(now: number): boolean {
    if (this.#counts.size < MAX_COUNTED) return true;
    const [quietest] = this.#counts;
    return quietest !== undefined && now - quietest[1].last >= FORGET_AFTER_MS && this.#counts.delete(quietest[0]);
  }
}

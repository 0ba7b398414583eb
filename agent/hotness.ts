/** Whether a transfer is under way that the disk and the processor are for. Pure: time and counts come in. */

/**
 * More datagrams a second than this, both ways, is one: some 200 kB/s. All that idle sessions send to stay alive is less.
 */
const HOT_DATAGRAMS = 200;
/** How long they are counted for. */
export const MEASURE_MS = 1_000;
/** Meanwhile one chunk is read in so long, so that a seed which never rests is looked at too: 16,384 chunks in two days. */
export const HOT_STEP_MS = 10_000;

export class Hotness {
  #counted: { readonly at: number; readonly datagrams: number };
  #hot = false;

  /** @param now monotonic ms; @param datagrams sent and received so far */
  constructor(now: number, datagrams: number) {
    this.#counted = { at: now, datagrams };
  }

  /** @returns as of the last second */
  measure(now: number, datagrams: () => number): boolean {
    const elapsedMs = now - this.#counted.at;
    if (elapsedMs < MEASURE_MS) return this.#hot;
    const count = datagrams();
    this.#hot = ((count - this.#counted.datagrams) * 1000) / elapsedMs > HOT_DATAGRAMS;
    this.#counted = { at: now, datagrams: count };
    return this.#hot;
  }
}

/** setTimeout's grain, and what a loop of deadlines just passed may cost. */
const MIN_SLEEP_MS = 5;

/** One timer for many deadlines: it rings at the earliest asked for since it rang last. */
export class Alarm {
  readonly #ring: () => void;
  #timer: NodeJS.Timeout | undefined;
  #at = Number.POSITIVE_INFINITY;

  constructor(ring: () => void) {
    this.#ring = ring;
  }

  /** @param deadline of `performance.now()`, ms */
  by(deadline: number): void {
    if (deadline >= this.#at) return;
    this.#at = deadline;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.now(), Math.max(MIN_SLEEP_MS, deadline - performance.now()));
  }

  now(): void {
    this.clear();
    this.#ring();
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#at = Number.POSITIVE_INFINITY;
  }
}

import { ChunkmeshError } from '../../shared/errors.js';

/** A step that the world may refuse for now (a full disk, say): run once at a time, and again later where that can help. */

/** Long enough for a person or a clean-up to make room, short enough that nobody waits for it afterwards. */
const RETRY_MS = 5_000;

export class Attempt {
  readonly #step: () => Promise<void>;
  readonly #now: () => number;
  readonly #refused: (error: ChunkmeshError) => void;
  #wanted = false;
  #running: Promise<void> | null = null;
  #again = Number.POSITIVE_INFINITY;
  #stopped = false;

  /** @param refused is told of every failure; what is not retryable is not tried again. */
  constructor(step: () => Promise<void>, now: () => number, refused: (error: ChunkmeshError) => void) {
    this.#step = step;
    this.#now = now;
    this.#refused = refused;
  }

  /** When `tick` is due. Monotonic ms. */
  get deadline(): number {
    return this.#again;
  }

  async tick(): Promise<void> {
    if (this.#now() >= this.#again) await this.run();
  }

  /** Where the step is under way, it is run once more after that: what it began with is not what it was asked for now. */
  run(): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    this.#wanted = true;
    this.#running ??= this.#runWhileWanted();
    return this.#running;
  }

  /** As if the step had been refused just now. */
  later(): void {
    if (!this.#stopped) this.#again = Math.min(this.#again, this.#now() + RETRY_MS);
  }

  /** Nothing is tried any more, nor told. Waits for what is under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#again = Number.POSITIVE_INFINITY;
    await this.#running;
  }

  async #runWhileWanted(): Promise<void> {
    try {
      while (this.#wanted && !this.#stopped) await this.#runOnce();
    } finally {
      this.#running = null;
    }
  }

  async #runOnce(): Promise<void> {
    this.#wanted = false;
    this.#again = Number.POSITIVE_INFINITY;
    try {
      await this.#step();
    } catch (error) {
      if (!this.#stopped) this.#onFailure(error);
    }
  }

  #onFailure(cause: unknown): void {
    const error =
      cause instanceof ChunkmeshError ? cause : new ChunkmeshError('E_STORE_IO', 'the store failed', { cause });
    if (error.retryable) this.later();
    this.#refused(error);
  }
}

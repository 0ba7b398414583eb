import { ChunkmeshError } from '../../shared/errors.js';

/** A step that the world may refuse for now (a full disk, say): run once at a time, and again later where that can help. */

/** Long enough for a person or a clean-up to make room, short enough that nobody waits for it afterwards. */
const RETRY_MS = 5_000;

export class Attempt {
  readonly #step: () => Promise<void>;
  readonly #now: () => number;
  readonly #refused: (error: ChunkmeshError) => void;
  #running = false;
  #again = Number.POSITIVE_INFINITY;

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

  async run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    this.#again = Number.POSITIVE_INFINITY;
    try {
      await this.#step();
    } catch (cause) {
      const error =
        cause instanceof ChunkmeshError ? cause : new ChunkmeshError('E_STORE_IO', 'the store failed', { cause });
      if (error.retryable) this.#again = this.#now() + RETRY_MS;
      this.#refused(error);
    } finally {
      this.#running = false;
    }
  }
}

import { HOT_STEP_MS, Hotness, MEASURE_MS } from './hotness.js';

/** Reading that nobody waits for: step by step, slowly, and next to not at all while transfers need the disk and the processor. */

/** Read by so much at a time, in one step. Half a millisecond of hashing; a few on a small device. */
export const STEP_BYTES = 262_144;
/** What a kill costs: so much is read once more. */
const SAVE_MS = 60_000;
/** With nothing due, and after what cannot be read. */
const IDLE_MS = 1_000;

export interface BackgroundHost<Memory> {
  /** Monotonic, ms. */
  now(): number;
  /** Datagrams sent and received so far. */
  datagrams(): number;
  save(memory: Memory): Promise<void>;
  /** A step is done, and `deadline` is another. */
  stepped(): void;
}

export interface BackgroundWork<Memory> {
  readonly bytesPerSecond: number;
  /** Another object whenever there is something to save. */
  memory(): Memory;
  /** @returns bytes read or written, about `budget` of them; 0 where there was nothing to do, or it cannot be done */
  step(budget: number): Promise<number>;
}

export class Background<Memory> {
  readonly #host: BackgroundHost<Memory>;
  readonly #work: BackgroundWork<Memory>;
  readonly #hotness: Hotness;
  #running: Promise<void> | null = null;
  #deadline: number;
  #steppedAt = Number.NEGATIVE_INFINITY;
  #savedAt: number;
  #saved: Memory;
  #stopped = false;

  /** @param saved what `memory` was when it was saved */
  constructor(host: BackgroundHost<Memory>, work: BackgroundWork<Memory>, saved: Memory) {
    this.#host = host;
    this.#work = work;
    this.#hotness = new Hotness(host.now(), host.datagrams());
    [this.#saved, this.#savedAt, this.#deadline] = [saved, host.now(), host.now()];
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** When `tick` is due. Monotonic ms. */
  get deadline(): number {
    return this.#running === null && !this.#stopped ? this.#deadline : Number.POSITIVE_INFINITY;
  }

  /** There is something to do now. */
  hasten(): void {
    this.#deadline = Math.min(this.#deadline, this.#host.now());
  }

  /** Begins a step where one is due. */
  tick(): void {
    const now = this.#host.now();
    const hot = this.#hotness.measure(now, () => this.#host.datagrams());
    if (now < this.deadline) return;
    if (hot && now < this.#steppedAt + HOT_STEP_MS) {
      this.#deadline = now + MEASURE_MS;
      return;
    }
    this.#running = this.#step(hot ? 1 : STEP_BYTES).finally(() => {
      this.#running = null;
      if (!this.#stopped) this.#host.stepped();
    });
  }

  /** Waits for what is being read, and saves where it stands. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
    await this.save();
  }

  /** Where it cannot be saved now, it is later; what that costs is reading. */
  async save(): Promise<void> {
    this.#savedAt = this.#host.now();
    const memory = this.#work.memory();
    if (memory === this.#saved) return;
    await this.#host.save(memory).then(
      () => {
        this.#saved = memory;
      },
      () => {},
    );
  }

  async #step(budget: number): Promise<void> {
    const began = this.#host.now();
    this.#steppedAt = began;
    const bytes = await this.#work.step(budget);
    this.#deadline = began + (bytes === 0 ? IDLE_MS : (bytes * 1000) / this.#work.bytesPerSecond);
    if (this.#host.now() >= this.#savedAt + SAVE_MS) await this.save();
  }
}

import { HOT_STEP_MS, Hotness, MEASURE_MS } from './hotness.js';
import type { RecheckedSource } from './io/store/chunk_source.js';
import { type RecheckMemory, RecheckPlan } from './store/recheck_plan.js';

/**
 * Looks at held chunks again though nobody asks for them, a few at a time and slowly, so that bit rot is found while there are peers to
 * mend it. Everything has its turn once an interval, however often the agent is restarted meanwhile.
 */

/** Read by so much at a time, in one step. Half a millisecond of hashing; a few on a small device. */
const STEP_BYTES = 262_144;
/** What a kill costs: so much is read once more. */
const SAVE_MS = 60_000;
/** With nothing due, and after a source that cannot be read. */
const IDLE_MS = 1_000;

export interface RecheckTurn {
  readonly key: string;
  readonly source: RecheckedSource;
}

export interface RecheckOptions {
  /** Between two looks at one thing. */
  readonly intervalSeconds: number;
  readonly bytesPerSecond: number;
  /** As it was saved. */
  readonly memory: RecheckMemory;
}

export interface RecheckHost {
  /** Monotonic, ms. */
  now(): number;
  /** Since the epoch, s. */
  seconds(): number;
  /** Whatever is held now. */
  sources(): readonly RecheckTurn[];
  /** Datagrams sent and received so far. */
  datagrams(): number;
  save(memory: RecheckMemory): Promise<void>;
  /** The chunk is not held any more. */
  rotten(source: RecheckedSource, chunk: number): void;
  /** A step is done, and `deadline` is another. */
  stepped(): void;
}

export class Recheck {
  readonly #plan: RecheckPlan;
  readonly #host: RecheckHost;
  readonly #bytesPerSecond: number;
  #slice: Buffer | null = null;
  #running: Promise<void> | null = null;
  #deadline: number;
  #steppedAt = Number.NEGATIVE_INFINITY;
  #savedAt: number;
  #saved: RecheckMemory;
  readonly #hotness: Hotness;
  #stopped = false;

  constructor({ intervalSeconds, bytesPerSecond, memory }: RecheckOptions, host: RecheckHost) {
    this.#plan = new RecheckPlan(intervalSeconds, memory);
    this.#host = host;
    this.#bytesPerSecond = bytesPerSecond;
    this.#saved = memory;
    this.#savedAt = host.now();
    this.#deadline = host.now();
    this.#hotness = new Hotness(host.now(), host.datagrams());
  }

  /** When `tick` is due. Monotonic ms. */
  get deadline(): number {
    return this.#running === null && !this.#stopped ? this.#deadline : Number.POSITIVE_INFINITY;
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
    await this.#save();
  }

  async #step(budget: number): Promise<void> {
    const { now, seconds, sources } = this.#host;
    const began = now();
    this.#steppedAt = began;
    const chosen = this.#plan.choose(sources(), seconds());
    if (chosen === null) {
      this.#slice = null;
      this.#deadline = began + IDLE_MS;
    } else {
      const bytes = await this.#look(chosen.subject, chosen.next, budget);
      this.#deadline = began + Math.max((bytes * 1000) / this.#bytesPerSecond, bytes === 0 ? IDLE_MS : 0);
    }
    if (now() >= this.#savedAt + SAVE_MS) await this.#save();
  }

  /** @returns bytes read */
  async #look(turn: RecheckTurn, from: number, budget: number): Promise<number> {
    const { index, held } = turn.source;
    const chunks = index?.chunkCount ?? 0;
    let [chunk, bytes] = [from, 0];
    for (; index !== undefined && chunk < chunks && bytes < budget && !this.#stopped; chunk++) {
      if (!held.get(chunk)) continue;
      await this.#lookAt(turn.source, chunk);
      bytes += index.chunkLength(chunk);
    }
    this.#plan.reached(turn, chunk, chunks, this.#host.seconds());
    return bytes;
  }

  async #lookAt(source: RecheckedSource, chunk: number): Promise<void> {
    this.#slice ??= Buffer.allocUnsafe(STEP_BYTES);
    // A file that cannot be read at all is found out by who needs it.
    const right = await source.recheckChunk(chunk, this.#slice).catch(() => true);
    // One that was closed meanwhile says nothing.
    if (!right && !source.held.get(chunk)) this.#host.rotten(source, chunk);
  }

  /** Where it cannot be saved now, it is later; what that costs is reading. */
  async #save(): Promise<void> {
    this.#savedAt = this.#host.now();
    const { memory } = this.#plan;
    if (memory === this.#saved) return;
    await this.#host.save(memory).then(
      () => {
        this.#saved = memory;
      },
      () => {},
    );
  }
}

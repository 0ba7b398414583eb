import { Background, type BackgroundHost, STEP_BYTES } from './background.js';
import type { RecheckedSource } from './io/store/chunk_source.js';
import { type RecheckMemory, RecheckPlan } from './store/recheck_plan.js';

/**
 * Looks at held chunks again though nobody asks for them, a few at a time and slowly, so that bit rot is found while there are peers to
 * mend it. Everything has its turn once an interval, however often the agent is restarted meanwhile.
 */

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

export interface RecheckHost extends BackgroundHost<RecheckMemory> {
  /** Since the epoch, s. */
  seconds(): number;
  /** Whatever is held now. */
  sources(): readonly RecheckTurn[];
  /** The chunk is not held any more. */
  rotten(source: RecheckedSource, chunk: number): void;
}

export class Recheck {
  readonly #plan: RecheckPlan;
  readonly #host: RecheckHost;
  readonly #background: Background<RecheckMemory>;
  #slice: Buffer | null = null;

  constructor({ intervalSeconds, bytesPerSecond, memory }: RecheckOptions, host: RecheckHost) {
    this.#plan = new RecheckPlan(intervalSeconds, memory);
    this.#host = host;
    const work = { bytesPerSecond, memory: () => this.#plan.memory, step: (budget: number) => this.#step(budget) };
    this.#background = new Background(host, work, memory);
  }

  /** When `tick` is due. Monotonic ms. */
  get deadline(): number {
    return this.#background.deadline;
  }

  /** Begins a step where one is due. */
  tick(): void {
    this.#background.tick();
  }

  /** Waits for what is being read, and saves where it stands. */
  stop(): Promise<void> {
    return this.#background.stop();
  }

  /** @returns bytes read */
  async #step(budget: number): Promise<number> {
    const chosen = this.#plan.choose(this.#host.sources(), this.#host.seconds());
    if (chosen !== null) return this.#look(chosen.subject, chosen.next, budget);
    this.#slice = null;
    return 0;
  }

  /** @returns bytes read */
  async #look(turn: RecheckTurn, from: number, budget: number): Promise<number> {
    const { index, held } = turn.source;
    const chunks = index?.chunkCount ?? 0;
    let [chunk, bytes] = [from, 0];
    for (; index !== undefined && chunk < chunks && bytes < budget && !this.#background.stopped; chunk++) {
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
}

import type { ArtifactIndex } from '../../shared/artifact/index.js';
import type { IntegrityRow } from '../../shared/control/messages.js';
import { asError } from '../../shared/errors.js';
import { MAX_INTEGRITY_RANGES } from '../../shared/limits.js';
import { Background, STEP_BYTES } from '../background.js';
import { begun, inOrder, nextCandidate, passOf, saw, verdictOf, withCandidate } from './look.js';
import type { Entry, IntegrityMemory, Known, Look, Verdict } from './memory.js';
import { IntegrityPlan, type PlanOptions } from './plan.js';
import { rowOf } from './row.js';
import { rangesOf } from './runs.js';
import type { InstalledFile, WatchHost } from './watch_host.js';

/**
 * P-15.5: reads what is installed on the device, a little at a time and slowly, and says whether it still is what was published. As
 * Recheck does for what the store holds; here nothing is the agent's own, and what is there may be replaced at any moment.
 */

/** How often it is looked whether a file is another by now, which costs one system call. */
const POLL_MS = 60_000;
/** A file that is written to while it is read is read from the start so often: who writes to it for ever is not to keep it unread. */
const MAX_RESTARTS = 3;

export interface WatchOptions extends Omit<PlanOptions, 'startedAt'> {
  readonly bytesPerSecond: number;
}

export class IntegrityWatch {
  readonly #plan: IntegrityPlan;
  readonly #host: WatchHost;
  readonly #background: Background<IntegrityMemory>;
  #slice: Buffer | null = null;
  #index: ArtifactIndex | null = null;
  #polledAt: number;
  readonly #pollMs: number;

  constructor(options: WatchOptions, host: WatchHost) {
    this.#plan = new IntegrityPlan({ ...options, startedAt: host.now() });
    this.#host = host;
    const { bytesPerSecond, memory } = options;
    const work = { bytesPerSecond, memory: () => this.#plan.memory, step: (budget: number) => this.#step(budget) };
    this.#background = new Background(host, work, memory);
    this.#polledAt = host.now();
    this.#pollMs = Math.min(POLL_MS, (options.intervalSeconds * 1000) / 10);
  }

  /** When `tick` is due. Monotonic ms. */
  get deadline(): number {
    return this.#background.deadline;
  }

  /** P-4.7, by name. */
  rows(): IntegrityRow[] {
    return Object.keys(this.#plan.memory).flatMap((name) => this.#row(name) ?? []);
  }

  /** Where what was found whole there last lies: by now it may be another. */
  installed(name: string): { readonly path: string; readonly of: Known } | undefined {
    const { path, installed: of } = this.#plan.entry(name) ?? {};
    return path === undefined || of === undefined ? undefined : { path, of };
  }

  /** A version is there to be installed: who installs may be at work, where it is not what was found there. */
  completed(name: string, artifact: string): void {
    const verdict = this.#plan.entry(name)?.verdict;
    if (verdict !== undefined && verdict.of?.artifact !== artifact) this.ask(name);
  }

  /** There is reason to look at it now. */
  ask(name: string): void {
    this.#plan.ask(name);
    this.#background.hasten();
  }

  /** Begins a step where one is due. */
  tick(): void {
    this.#background.tick();
  }

  /** Waits for what is being read, and saves where it stands. */
  stop(): Promise<void> {
    return this.#background.stop();
  }

  #row(name: string): IntegrityRow | undefined {
    const entry = this.#plan.entry(name);
    return entry === undefined ? undefined : rowOf(name, entry, this.#host.inForce(name));
  }

  async #step(budget: number): Promise<number> {
    try {
      return await this.#work(budget);
    } catch (error) {
      // Want of handles or memory, a disk that fails: the schedule goes on.
      this.#host.warn(asError(error, 'a look at what is installed'));
      return 0;
    }
  }

  /** @returns bytes read or written; 0 where there was nothing to do */
  async #work(budget: number): Promise<number> {
    const name = this.#plan.choose(this.#host.seconds(), this.#host.now(), (one) => this.#row(one)?.state === 'other');
    if (name !== null) return this.#look(name, budget);
    const bytes = await this.#mend();
    if (bytes > 0) return bytes;
    [this.#slice, this.#index] = [null, null];
    await this.#poll();
    return 0;
  }

  /** @returns bytes read and written */
  async #mend(): Promise<number> {
    for (const [name, entry] of Object.entries(this.#plan.memory)) {
      const step = await this.#host.mend(name, entry);
      if (step === null) continue;
      if (step.repaired > 0) this.#plan.set(name, { ...entry, repaired: entry.repaired + step.repaired });
      // Whether it helped is for a look to say.
      if (step.over) this.#plan.ask(name);
      return step.bytes;
    }
    return 0;
  }

  async #poll(): Promise<void> {
    const now = this.#host.now();
    if (now < this.#polledAt + this.#pollMs) return;
    this.#polledAt = now;
    for (const [name, { path, identity }] of Object.entries(this.#plan.memory)) {
      if (identity !== undefined && (await this.#host.identity(path)) !== identity) this.#plan.ask(name);
    }
  }

  /** @returns bytes read */
  async #look(name: string, budget: number): Promise<number> {
    this.#plan.begins(name);
    const entry = this.#plan.entry(name);
    const file = entry === undefined ? null : await this.#host.open(entry.path);
    if (entry === undefined) return 0;
    if (file === null) {
      await this.#conclude(name, '', {
        kind: 'unreadable',
        at: this.#host.seconds(),
        wrong: [],
        more: false,
        ranges: [],
      });
      return 0;
    }
    try {
      return await this.#read(name, entry, file, budget);
    } finally {
      await file.close();
    }
  }

  async #read(name: string, entry: Entry, file: InstalledFile, budget: number): Promise<number> {
    let look = begunOn(entry.look, file.identity);
    if (passOf(look) === undefined) {
      const next = await this.#candidate(name, entry, look);
      if (next === undefined) {
        await this.#conclude(name, file.identity, verdictOf(look, entry, this.#host.seconds()));
        return 0;
      }
      look = withCandidate(look, next);
    }
    const of = passOf(look);
    const index = of === undefined ? undefined : await this.#indexOf(of);
    // Its index went meanwhile: what is left is begun anew.
    if (index === undefined) look = begun(file.identity);
    let bytes = 0;
    for (let pass = passOf(look); pass !== undefined && index !== undefined && bytes < budget; pass = passOf(look)) {
      if (this.#background.stopped) break;
      this.#slice ??= Buffer.allocUnsafe(STEP_BYTES);
      const length = index.chunkLength(pass.next);
      look = saw(look, await file.verify(index, pass.next, this.#slice), length);
      bytes += length;
    }
    this.#plan.set(name, { ...entry, look });
    return bytes;
  }

  async #candidate(name: string, entry: Entry, look: Look): Promise<Known | undefined> {
    const [inForce, known] = [this.#host.inForce(name), await this.#host.known(name)];
    for (const one of inOrder(inForce, entry.installed, known)) {
      if (nextCandidate(look, [one]) === undefined) continue;
      const index = await this.#indexOf(one);
      if (index !== undefined) return { ...one, size: index.size, chunks: index.chunkCount };
    }
    return undefined;
  }

  /** One at a time is held in memory: 36 bytes for each chunk. */
  async #indexOf(of: Known): Promise<ArtifactIndex | undefined> {
    if (this.#index?.artifact !== of.artifact) this.#index = (await this.#host.index(of)) ?? null;
    return this.#index ?? undefined;
  }

  async #conclude(name: string, identity: string, verdict: Verdict): Promise<void> {
    const entry = this.#plan.entry(name);
    if (entry === undefined) return;
    const before = this.#row(name);
    const index = verdict.of === undefined ? undefined : await this.#indexOf(verdict.of);
    const { look: _, ...rest } = entry;
    this.#plan.set(name, {
      ...rest,
      ...{ identity, doneAt: verdict.at },
      verdict:
        index === undefined
          ? verdict
          : {
              ...verdict,
              ranges: rangesOf(verdict.wrong, index, MAX_INTEGRITY_RANGES),
              more: verdict.more || verdict.wrong.length > MAX_INTEGRITY_RANGES,
            },
      ...(verdict.kind === 'whole' && { installed: verdict.of }),
    });
    // First the index, then what needs it: a kill in between costs a look.
    if (verdict.kind === 'whole' && index !== undefined) await this.#host.keep(index, this.#installed());
    await this.#background.save();
    const row = this.#row(name);
    if (row !== undefined) this.#host.looked(row, !isSame(before, row));
  }

  #installed(): string[] {
    return Object.values(this.#plan.memory).flatMap(({ installed }) => installed?.artifact ?? []);
  }
}

/** What is being read is another thing by now: from the start, where that was not so too often. */
function begunOn(look: Look | undefined, identity: string): Look {
  if (look === undefined) return begun(identity);
  if (look.identity === identity) return look;
  return look.restarts < MAX_RESTARTS ? begun(identity, look.restarts + 1) : { ...look, identity };
}

/** Save for when it was found. */
function isSame(before: IntegrityRow | undefined, row: IntegrityRow): boolean {
  return before !== undefined && JSON.stringify({ ...before, at: 0 }) === JSON.stringify({ ...row, at: 0 });
}

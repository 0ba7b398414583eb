import type { ArtifactIndex } from '../../shared/artifact/index.js';
import { asError, type ChunkmeshError } from '../../shared/errors.js';
import type { Entry, Known, Verdict } from './memory.js';
import { chunksOf } from './runs.js';

/**
 * P-15.7: what was found wrong is looked for in the store, asked of peers where it is not there, and where the owner wants it, written back in
 * place. A chunk at a time; a kill at any moment leaves chunks that are right and chunks that the next look finds.
 */

/** What is done about a mismatch: nothing, the store is to have what is right, or what is installed is. */
export const REPAIRS = ['never', 'store', 'installed'] as const;
export type Repairs = (typeof REPAIRS)[number];

/** One look names 1,024 places of the 8,192 that may be wrong: as many rounds, and one more. A disk that keeps nothing is left alone then. */
const MAX_ROUNDS = 9;

/** What is found wrong so much later is another fault. */
const ROUND_SECONDS = 3_600;

/** Verified chunks of an artifact whose rollout is in force. */
export interface HeldChunks {
  readonly held: { get(i: number): boolean };
  readChunk(i: number, into: Buffer): Promise<boolean>;
}

/** What is installed, open for writing. */
export interface Mended {
  verify(index: ArtifactIndex, i: number, slice: Buffer): Promise<boolean>;
  write(index: ArtifactIndex, i: number, bytes: Uint8Array, slice: Buffer): Promise<void>;
  close(): Promise<void>;
}

export interface Repaired extends Pick<Known, 'version' | 'artifact'> {
  readonly name: string;
  /** Chunks that were wrong and have been mended, or that the store has. */
  readonly chunks: number;
  readonly where: Exclude<Repairs, 'never'>;
}

export interface RepairHost {
  /** Null where no rollout in force names the artifact, or nothing of it is open. */
  source(artifact: string): HeldChunks | null;
  /** It lacks chunks, which peers may have. */
  ask(artifact: string): void;
  index(of: Known): Promise<ArtifactIndex | undefined>;
  /** As InstalledFile.identity. */
  identity(path: string): Promise<string>;
  /** @throws E_REPAIR */
  open(path: string, identity: string): Promise<Mended>;
  done(repaired: Repaired): void;
  warn(error: ChunkmeshError): void;
}

interface Job {
  readonly verdict: Verdict;
  readonly round: number;
  readonly left: Set<number>;
  file?: Mended;
  mended: number;
  over: boolean;
}

/** What one step did. */
export interface Step {
  /** Read and written. */
  readonly bytes: number;
  /** Chunks that were written back. */
  readonly repaired: number;
  /** Nothing of this verdict is left to do: a look is due. */
  readonly over: boolean;
}

export class Repair {
  readonly #where: Exclude<Repairs, 'never'>;
  readonly #host: RepairHost;
  readonly #jobs = new Map<string, Job>();
  readonly #slice = Buffer.allocUnsafe(65_536);

  constructor(where: Exclude<Repairs, 'never'>, host: RepairHost) {
    this.#where = where;
    this.#host = host;
  }

  /** @returns null where there is nothing to do now: nothing is wrong, it was tried, or the chunks have yet to come */
  async step(name: string, { path, identity = '', verdict }: Entry): Promise<Step | null> {
    if (verdict?.kind !== 'wrong' || verdict.of === undefined) {
      await this.#forget(name);
      return null;
    }
    const { of } = verdict;
    const source = this.#host.source(of.artifact);
    const job = await this.#job(name, verdict);
    const index = source === null || job.over ? undefined : await this.#host.index(of);
    if (source === null || index === undefined || job.over) return null;
    const chunk = [...job.left].find((i) => source.held.get(i));
    if (chunk === undefined) {
      this.#host.ask(of.artifact);
      return null;
    }
    try {
      // Written to since, by an installer or by this before it was killed: it is looked at anew first.
      if (this.#where === 'installed' && job.file === undefined && (await this.#host.identity(path)) !== identity) {
        await this.#end(job);
        return { bytes: 1, repaired: 0, over: true };
      }
      return await this.#mend(name, job, chunk, { source, index, open: () => this.#host.open(path, identity) });
    } catch (error) {
      this.#host.warn(asError(error, `the repair of ${name}`));
      await this.#end(job);
      return { bytes: 1, repaired: 0, over: false };
    }
  }

  async close(): Promise<void> {
    for (const job of this.#jobs.values()) await this.#end(job);
  }

  async #mend(
    name: string,
    job: Job,
    chunk: number,
    { source, index, open }: { source: HeldChunks; index: ArtifactIndex; open: () => Promise<Mended> },
  ): Promise<Step> {
    const length = index.chunkLength(chunk);
    const writes = this.#where === 'installed';
    if (writes) job.file ??= await open();
    let repaired = 0;
    // It may be right by now: the last run was killed, or an installer was at work.
    if (!(await job.file?.verify(index, chunk, this.#slice))) {
      const bytes = Buffer.allocUnsafe(length);
      if (!(await source.readChunk(chunk, bytes))) {
        this.#host.ask(index.artifact);
        return { bytes: length, repaired: 0, over: false };
      }
      await job.file?.write(index, chunk, bytes, this.#slice);
      if (writes) repaired = 1;
      job.mended++;
    }
    job.left.delete(chunk);
    if (job.left.size === 0) await this.#finish(name, job);
    return { bytes: length, repaired, over: job.over && writes };
  }

  async #finish(name: string, job: Job): Promise<void> {
    await this.#end(job);
    const { version, artifact } = job.verdict.of ?? { version: '', artifact: '' };
    if (job.mended > 0) this.#host.done({ name, version, artifact, chunks: job.mended, where: this.#where });
  }

  async #job(name: string, verdict: Verdict): Promise<Job> {
    const known = this.#jobs.get(name);
    if (known?.verdict === verdict) return known;
    if (known !== undefined) await this.#end(known);
    const isNext = known !== undefined && verdict.at - known.verdict.at < ROUND_SECONDS;
    const round = isNext ? known.round + 1 : 1;
    const left = new Set(chunksOf(verdict.wrong));
    const job: Job = { verdict, round, left, mended: 0, over: left.size === 0 || round > MAX_ROUNDS };
    this.#jobs.set(name, job);
    return job;
  }

  async #forget(name: string): Promise<void> {
    const job = this.#jobs.get(name);
    this.#jobs.delete(name);
    if (job !== undefined) await this.#end(job);
  }

  async #end(job: Job): Promise<void> {
    job.over = true;
    const { file } = job;
    delete job.file;
    await file?.close();
  }
}

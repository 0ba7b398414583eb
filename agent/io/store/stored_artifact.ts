import { join } from 'node:path';
import { type ArtifactIndex, Bitfield, decodeIndex, type ExpectedArtifact } from '../../../shared/artifact/index.js';
import { ChunkmeshError, systemCode } from '../../../shared/errors.js';
import {
  type ArtifactFiles,
  type ArtifactPlace,
  closeFiles,
  journalClaims,
  openFiles,
  reclaimPart,
} from './artifact_files.js';
import type { RecheckedSource } from './chunk_source.js';
import { makeDirectory, removeTemporaries, touch } from './disk.js';
import { handOver } from './hand_over.js';
import { readIndex, writeIndex } from './index_file.js';
import { type ReadyName, readNote, readyPath } from './ready.js';
import { storing } from './store_error.js';
import { Syncer } from './syncer.js';
import { Unsynced } from './unsynced.js';
import { isChunk, readVerified, verifyOnDisk } from './verify.js';
import { writeTogether } from './write_together.js';
import { areZerosThere } from './zeros.js';

/**
 * One artifact in the store:
 *
 *     artifacts/<hex>/index       as it was verified
 *     artifacts/<hex>/data.part   the artifact at its full length, until it is complete
 *     artifacts/<hex>/journal     which chunks were written
 *     artifacts/<hex>/ready.json  under which names it was handed over
 *     artifacts/<hex>/wanted.json for which rollouts it was opened, see Store
 *     ready/<name>/<version>      the complete artifact, once for each name
 *
 * Nothing on disk is believed: what the journal claims is hashed again whenever the artifact is opened. Any number of
 * calls may run at once.
 */
export class StoredArtifact implements RecheckedSource {
  readonly held: Bitfield;
  readonly #expected: ExpectedArtifact;
  readonly #place: ArtifactPlace;
  readonly #syncer: Syncer;
  readonly #partPath: string;
  readonly #onClose: () => void;
  readonly #busy = new Set<Promise<unknown>>();
  readonly #unsynced = new Unsynced();
  #index: ArtifactIndex | undefined;
  #files: ArtifactFiles | undefined;
  /** Final paths at which the artifact may lie. */
  #ready: readonly string[];
  #installing: Promise<void> | undefined;
  /** What moves or replaces the data file, one after the other. */
  #moving: Promise<unknown> = Promise.resolve();
  #reopening: Promise<number> | undefined;
  #closing: Promise<void> | undefined;

  private constructor(place: ArtifactPlace, expected: ExpectedArtifact, ready: string, onClose: () => void) {
    this.#place = place;
    this.#expected = expected;
    this.#ready = [ready];
    this.#onClose = onClose;
    this.held = new Bitfield(expected.chunks);
    this.#partPath = join(place.folder, 'data.part');
    this.#syncer = new Syncer(this.#partPath, () => this.#sync());
  }

  /**
   * Use `Store.openArtifact`. @param ready a final path at which it may lie. @param onClose is called once, when the artifact
   * is closed.
   * @throws ChunkmeshError E_DISK_FULL, E_STORE_IO
   */
  static async open(
    place: ArtifactPlace,
    expected: ExpectedArtifact,
    ready: string,
    onClose: () => void,
  ): Promise<StoredArtifact> {
    const stored = new StoredArtifact(place, expected, ready, onClose);
    const { folder } = place;
    await storing(folder, async () => {
      await makeDirectory(folder);
      await removeTemporaries(folder);
      await touch(folder);
      const known = (await readNote(folder))?.names.map((as) => readyPath(place.ready, as)) ?? [];
      stored.#ready = [...new Set([ready, ...known])];
      const index = await readIndex(folder, expected);
      if (index !== undefined) await stored.#load(index);
    });
    return stored;
  }

  /** Undefined until it is installed. */
  get index(): ArtifactIndex | undefined {
    return this.#index;
  }

  /** Of its data: handed over, or growing. */
  get path(): string {
    return this.#files?.ready ?? this.#partPath;
  }

  /** Whether the disk failed in a way that only `reopen` gets over: until then every write fails. */
  get isBroken(): boolean {
    return this.#syncer.isBroken;
  }

  /**
   * Verifies the index (P-9.7), keeps it, and makes room for the artifact. Does nothing where there is one.
   * @throws ChunkmeshError E_INDEX_INVALID; E_DISK_FULL and E_STORE_IO, after which it can be tried again.
   */
  installIndex(bytes: Uint8Array): Promise<void> {
    this.#installing ??= this.#run(join(this.#place.folder, 'index'), async () => {
      if (this.#index !== undefined) return;
      const index = decodeIndex(bytes, this.#expected);
      await writeIndex(this.#place.folder, index);
      await this.#load(index);
    }).finally(() => {
      this.#installing = undefined;
    });
    return this.#installing;
  }

  /**
   * P-9.8: verifies and writes chunk `i`; does nothing where it is held.
   * @param bytes not to be changed until the promise settles.
   * @throws ChunkmeshError E_CHUNK_WRONG, with nothing written; E_DISK_FULL and E_STORE_IO, with the chunk not held.
   */
  writeChunk(i: number, bytes: Uint8Array): Promise<void> {
    return this.#run(this.#partPath, async () => {
      const { index, files } = this.#opened();
      if (this.held.get(i)) return;
      this.#syncer.check();
      if (!(await isChunk(index, i, bytes)))
        throw new ChunkmeshError('E_CHUNK_WRONG', `chunk ${i} is not what it should be`);
      while (files.ready !== undefined) await this.#reclaim(index, files);
      const offset = index.chunkOffset(i);
      if (!(await areZerosThere(files.data, bytes, offset))) await writeTogether(files.data, bytes, offset);
      if (this.held.get(i)) return;
      await files.journal.append(i);
      this.held.set(i);
      this.#unsynced.wrote(i);
      this.#syncer.wrote(bytes.length);
    });
  }

  async readChunk(i: number, into: Buffer): Promise<boolean> {
    if (this.#closing !== undefined || !this.held.get(i)) return false;
    return this.#run(this.path, async () => {
      const { index, files } = this.#opened();
      if (!this.held.get(i)) return false;
      try {
        if (await readVerified(files.data, index, i, into)) return true;
      } catch (error) {
        // A sector that cannot be read is a chunk that is not held: fetched again, it is written over.
        if (systemCode(error) !== undefined) this.held.set(i, false);
        throw error;
      }
      this.held.set(i, false);
      return false;
    });
  }

  async recheckChunk(i: number, slice: Buffer): Promise<boolean> {
    if (this.#closing !== undefined || !this.held.get(i)) return false;
    return this.#run(this.path, async () => {
      const { index, files } = this.#opened();
      const { data } = files;
      if (await verifyOnDisk(data, index, i, slice)) return true;
      // Where the file was replaced meanwhile, the new one was verified then.
      if (data === files.data) this.held.set(i, false);
      return false;
    });
  }

  /**
   * Verifies the whole artifact once more and hands it over under the name, at the path that it gives: moved there the first
   * time, linked or copied the next. Call when every chunk is held. After a crash at any point of it, opening the artifact and
   * calling it again ends in the same state.
   * @throws ChunkmeshError E_ID; E_INDEX_INVALID where the chunks are right and the whole is not; E_STORE_ROT where chunks rotted
   *   on disk, which are then no longer held; E_STORE_IO, E_DISK_FULL.
   */
  async finish(as: ReadyName): Promise<string> {
    if (!this.held.isFull) throw new ChunkmeshError('E_INTERNAL', 'finish was called with chunks missing');
    return this.#run(this.#partPath, () =>
      this.#inTurn(async () => {
        const flush = (): Promise<void> => this.#syncer.flush();
        const path = await handOver({ place: this.#place, held: this.held, ...this.#opened(), flush }, as);
        this.#ready = [...new Set([...this.#ready, path])];
        return path;
      }),
    );
  }

  /**
   * After a failure that stays: opens the files anew and finds out what is truly held. What a sync failed on may lie in memory
   * only, where it reads well, and counts as lost. Other calls wait meanwhile.
   * @returns bytes of chunks that were held and no longer are.
   * @throws ChunkmeshError E_STORE_IO, E_DISK_FULL, after which it can be tried again.
   */
  reopen(): Promise<number> {
    this.#reopening ??= storing(this.#place.folder, () => this.#reopen()).finally(() => {
      this.#reopening = undefined;
    });
    return this.#reopening;
  }

  /** Waits for what is under way, brings it to the disk, and closes. @throws ChunkmeshError E_DISK_FULL, E_STORE_IO */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #reopen(): Promise<number> {
    await Promise.allSettled(this.#busy);
    if (this.#closing !== undefined) throw this.#closed();
    const { index, files } = this.#opened();
    const held = new Bitfield(index.chunkCount);
    await this.#syncer.mend(async () => {
      const claims = [...this.held.held()].filter((i) => !this.#unsynced.has(i));
      const next = await openFiles(this.#place, index, held, claims, this.#ready);
      this.#files = next;
      // A disk that still fails says so here, before anything more is fetched.
      await this.#sync().catch(async (error: unknown) => {
        this.#files = files;
        await closeFiles(next);
        throw error;
      });
      await closeFiles(files);
    });
    this.#unsynced.clear();
    let lost = 0;
    for (const i of this.held.held()) {
      if (held.get(i)) continue;
      this.held.set(i, false);
      lost += index.chunkLength(i);
    }
    for (const i of held.held()) this.held.set(i);
    return lost;
  }

  #sync(): Promise<void> {
    return this.#unsynced.during(async () => {
      await this.#files?.data.datasync();
      await this.#files?.journal.sync();
    });
  }

  async #close(): Promise<void> {
    await Promise.allSettled([...this.#busy, this.#reopening]);
    try {
      if (this.#files !== undefined) await this.#syncer.flush();
    } finally {
      if (this.#files !== undefined) await closeFiles(this.#files);
      await touch(this.#place.folder);
      this.#onClose();
    }
  }

  #opened(): { index: ArtifactIndex; files: ArtifactFiles } {
    const index = this.#index;
    const files = this.#files;
    if (index === undefined || files === undefined)
      throw new ChunkmeshError('E_INTERNAL', 'the artifact has no index yet');
    return { index, files };
  }

  /** @param path of the file that errors name. */
  async #run<T>(path: string, work: () => Promise<T>): Promise<T> {
    while (this.#reopening !== undefined) await this.#reopening.catch(() => undefined);
    if (this.#closing !== undefined) throw this.#closed();
    const running = storing(path, work);
    this.#busy.add(running);
    try {
      return await running;
    } finally {
      this.#busy.delete(running);
    }
  }

  #closed(): ChunkmeshError {
    return new ChunkmeshError('E_STORE_IO', `${this.#place.folder} is closed`);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#moving.then(work);
    this.#moving = turn.catch(() => undefined);
    return turn;
  }

  /** Opens the files and finds out what is truly held (P-9.8). */
  async #load(index: ArtifactIndex): Promise<void> {
    try {
      const claims = await journalClaims(this.#place, index);
      this.#files = await openFiles(this.#place, index, this.held, claims, this.#ready);
      this.#index = index;
    } catch (error) {
      // Without an index nothing may seem held; it is found out anew at the next try.
      for (const i of this.held.held()) this.held.set(i, false);
      throw error;
    }
  }

  /** `finish` then replaces the file at the final path whole. */
  #reclaim(index: ArtifactIndex, files: ArtifactFiles): Promise<void> {
    return this.#inTurn(async () => {
      if (files.ready !== undefined) await reclaimPart(this.#place, index, this.held, files);
    });
  }
}

import { rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type ArtifactIndex, Bitfield, decodeIndex, type ExpectedArtifact } from '../../../shared/artifact/index.js';
import { ChunkmeshError, systemCode } from '../../../shared/errors.js';
import { type ArtifactFiles, type ArtifactPlace, openFiles, partPath, reclaimPart } from './artifact_files.js';
import type { ChunkSource } from './chunk_source.js';
import { proveWhole } from './data_file.js';
import { makeDirectory, readIfThere, removeTemporaries, replaceFile, syncDirectory, writeAt } from './disk.js';
import { storing } from './store_error.js';
import { Syncer } from './syncer.js';
import { isChunk, readVerified } from './verify.js';

/**
 * One artifact in the store:
 *
 *     artifacts/<hex>/index       as it was verified
 *     artifacts/<hex>/data.part   the artifact at its full length, until it is complete
 *     artifacts/<hex>/journal     which chunks were written
 *     ready/<name>/<version>      the complete artifact
 *
 * Nothing on disk is believed: what the journal claims is hashed again whenever the artifact is opened. Any number of
 * calls may run at once.
 */
export class StoredArtifact implements ChunkSource {
  readonly held: Bitfield;
  /** Where the complete artifact will be, or is. */
  readonly readyPath: string;
  readonly #expected: ExpectedArtifact;
  readonly #place: ArtifactPlace;
  readonly #syncer: Syncer;
  readonly #onClose: () => void;
  readonly #busy = new Set<Promise<unknown>>();
  #index: ArtifactIndex | undefined;
  #files: ArtifactFiles | undefined;
  #installing: Promise<void> | undefined;
  #reclaiming: Promise<void> | undefined;
  #finishing: Promise<string> | undefined;
  #closing: Promise<void> | undefined;

  private constructor(place: ArtifactPlace, expected: ExpectedArtifact, onClose: () => void) {
    this.#place = place;
    this.readyPath = place.readyPath;
    this.#expected = expected;
    this.#onClose = onClose;
    this.held = new Bitfield(expected.chunks);
    this.#syncer = new Syncer(this.#path('data.part'), async () => {
      await this.#files?.data.datasync();
      await this.#files?.journal.sync();
    });
  }

  /**
   * Use `Store.openArtifact`. @param onClose is called once, when the artifact is closed.
   * @throws ChunkmeshError E_DISK_FULL, E_STORE_IO
   */
  static async open(place: ArtifactPlace, expected: ExpectedArtifact, onClose: () => void): Promise<StoredArtifact> {
    const stored = new StoredArtifact(place, expected, onClose);
    const { folder } = place;
    await storing(folder, async () => {
      await makeDirectory(folder);
      await removeTemporaries(folder);
      const bytes = await readIfThere(stored.#path('index'));
      if (bytes !== undefined) await stored.#adopt(bytes);
    });
    return stored;
  }

  /** Undefined until it is installed. */
  get index(): ArtifactIndex | undefined {
    return this.#index;
  }

  /**
   * Verifies the index (P-9.7), keeps it, and makes room for the artifact. Does nothing where there is one.
   * @throws ChunkmeshError E_INDEX_INVALID; E_DISK_FULL and E_STORE_IO, after which it can be tried again.
   */
  installIndex(bytes: Uint8Array): Promise<void> {
    this.#installing ??= this.#run('index', async () => {
      if (this.#index !== undefined) return;
      const index = decodeIndex(bytes, this.#expected);
      await replaceFile(this.#path('index'), index.bytes);
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
    return this.#run('data.part', async () => {
      const { index, files } = this.#opened();
      if (this.held.get(i)) return;
      this.#syncer.check();
      if (!(await isChunk(index, i, bytes)))
        throw new ChunkmeshError('E_CHUNK_WRONG', `chunk ${i} is not what it should be`);
      while (files.ready) await this.#reclaim(index, files);
      await writeAt(files.data, bytes, index.chunkOffset(i));
      if (this.held.get(i)) return;
      await files.journal.append(i);
      this.held.set(i);
      this.#syncer.wrote(bytes.length);
    });
  }

  readChunk(i: number, into: Buffer): Promise<boolean> {
    if (this.#closing !== undefined || !this.held.get(i)) return Promise.resolve(false);
    return this.#run('data', async () => {
      const { index, files } = this.#opened();
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

  /**
   * Verifies the whole artifact once more and moves it to its final path, which it gives. Call when every chunk is held. After
   * a crash at any point of it, opening the artifact and calling it again ends in the same state.
   * @throws ChunkmeshError E_INDEX_INVALID where the chunks are right and the whole is not; E_STORE_IO where chunks rotted
   *   on disk, which are then no longer held; E_DISK_FULL.
   */
  finish(): Promise<string> {
    if (!this.held.isFull)
      return Promise.reject(new ChunkmeshError('E_INTERNAL', 'finish was called with chunks missing'));
    this.#finishing ??= this.#run('data.part', () => this.#handOver()).catch((error: unknown) => {
      this.#finishing = undefined;
      throw error;
    });
    return this.#finishing;
  }

  /** Waits for what is under way, brings it to the disk, and closes. @throws ChunkmeshError E_DISK_FULL, E_STORE_IO */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #handOver(): Promise<string> {
    const { index, files } = this.#opened();
    const shelf = dirname(this.readyPath);
    if (!files.ready) {
      await this.#syncer.flush();
      await files.data.sync();
      this.#checkWhole(await proveWhole(files.data, index, this.held));
      await makeDirectory(shelf);
      await rename(partPath(this.#place), this.readyPath);
      files.ready = true;
    }
    // Also where the file was there already: a crash may have come between the rename and this.
    await syncDirectory(shelf);
    await syncDirectory(this.#place.folder);
    return this.readyPath;
  }

  #checkWhole(right: boolean): void {
    if (right) return;
    if (this.held.isFull) {
      throw new ChunkmeshError('E_INDEX_INVALID', 'index breaks P-9.6: its chunks are right and the whole is not');
    }
    const rotten = this.held.length - this.held.count;
    throw new ChunkmeshError(
      'E_STORE_IO',
      `${this.#place.folder}: ${rotten} chunks, the first ${this.held.nextMissing()}, rotted on disk`,
    );
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#busy);
    try {
      if (this.#files !== undefined) await this.#syncer.flush();
    } finally {
      const files = this.#files;
      await Promise.allSettled([
        files?.data.close(),
        files?.journal.close(),
        ...(files?.retired ?? []).map((old) => old.close()),
      ]);
      this.#onClose();
    }
  }

  #path(name: string): string {
    return join(this.#place.folder, name);
  }

  #opened(): { index: ArtifactIndex; files: ArtifactFiles } {
    const index = this.#index;
    const files = this.#files;
    if (index === undefined || files === undefined)
      throw new ChunkmeshError('E_INTERNAL', 'the artifact has no index yet');
    return { index, files };
  }

  async #run<T>(name: string, work: () => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) throw new ChunkmeshError('E_STORE_IO', `${this.#place.folder} is closed`);
    const running = storing(this.#path(name), work);
    this.#busy.add(running);
    try {
      return await running;
    } finally {
      this.#busy.delete(running);
    }
  }

  /** Takes the index that lies in the folder, or removes it where it rotted: it is then fetched again. */
  async #adopt(bytes: Buffer): Promise<void> {
    let index: ArtifactIndex;
    try {
      index = decodeIndex(bytes, this.#expected);
    } catch {
      return rm(this.#path('index'), { force: true });
    }
    await this.#load(index);
  }

  /** Opens the files and finds out what is truly held (P-9.8). */
  async #load(index: ArtifactIndex): Promise<void> {
    try {
      this.#files = await openFiles(this.#place, index, this.held);
      this.#index = index;
    } catch (error) {
      // Without an index nothing may seem held; it is found out anew at the next try.
      for (const i of this.held.held()) this.held.set(i, false);
      throw error;
    }
  }

  /**
   * A chunk was lost after the artifact was handed over. The file at the final path belongs to whoever installs it and is
   * not written to: the artifact goes on as a part, and `finish` replaces that file whole.
   */
  async #reclaim(index: ArtifactIndex, files: ArtifactFiles): Promise<void> {
    this.#reclaiming ??= reclaimPart(this.#place, index, this.held, files)
      .then(() => {
        this.#finishing = undefined;
      })
      .finally(() => {
        this.#reclaiming = undefined;
      });
    await this.#reclaiming;
  }
}

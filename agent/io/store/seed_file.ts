import type { FileHandle } from 'node:fs/promises';
import { type ArtifactIndex, Bitfield } from '../../../shared/artifact/index.js';
import { openIndexed } from '../../../shared/artifact_file.js';
import type { RecheckedSource } from './chunk_source.js';
import { openHint } from './disk.js';
import { storeError, storing } from './store_error.js';
import { readVerified, verifyOnDisk } from './verify.js';

/** A file that is somebody else's, read where it lies: the operator's own, or one that was handed over. The store keeps no copy of it. */
export class SeedFile implements RecheckedSource {
  readonly index: ArtifactIndex;
  readonly held: Bitfield;
  readonly path: string;
  readonly #handle: FileHandle;
  #closed = false;

  private constructor(path: string, index: ArtifactIndex, handle: FileHandle, held = Bitfield.full(index.chunkCount)) {
    this.path = path;
    this.index = index;
    this.held = held;
    this.#handle = handle;
  }

  /**
   * Opens and indexes a file or a block device (P-9); the event loop keeps turning meanwhile.
   * @throws ChunkmeshError E_FILE_UNREADABLE, also for what is neither; E_FILE_EMPTY; E_FILE_TOO_LARGE; E_FILE_CHANGED.
   */
  static async index(path: string): Promise<SeedFile> {
    const { index, handle } = await openIndexed(path);
    return new SeedFile(path, index, handle);
  }

  /** A file whose index is known; what it truly holds shows as it is read. @param held what it is said to hold, where that is not all. @returns undefined where no file that can be read is there. @throws ChunkmeshError E_STORE_IO */
  static async at(path: string, index: ArtifactIndex, held?: Bitfield): Promise<SeedFile | undefined> {
    const handle = await storing(path, () => openHint(path));
    return handle && new SeedFile(path, index, handle, held);
  }

  /** As `at`, of what an installer put in place: a block device too. */
  static async installed(path: string, index: ArtifactIndex): Promise<SeedFile | undefined> {
    const handle = await storing(path, () => openHint(path, true));
    return handle && new SeedFile(path, index, handle);
  }

  /** P-9.8: a file that was changed since is never served wrong; the chunks that changed are no longer held. */
  readChunk(i: number, into: Buffer): Promise<boolean> {
    return this.#verify(i, () => readVerified(this.#handle, this.index, i, into));
  }

  recheckChunk(i: number, slice: Buffer): Promise<boolean> {
    return this.#verify(i, () => verifyOnDisk(this.#handle, this.index, i, slice));
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#handle.close();
  }

  async #verify(i: number, verified: () => Promise<boolean>): Promise<boolean> {
    if (this.#closed || !this.held.get(i)) return false;
    try {
      if (await verified()) return true;
    } catch (error) {
      if (this.#closed) return false;
      throw storeError(error, this.path);
    }
    this.held.set(i, false);
    return false;
  }
}

import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type ArtifactIndex, decodeIndex, indexByteLength } from '../../../shared/artifact/index.js';
import { ChunkmeshError } from '../../../shared/errors.js';
import { makeDirectory, readIfThere, removeTemporaries, replaceFile } from '../store/disk.js';
import { checkPrivate } from '../store/private_folder.js';
import { storing } from '../store/store_error.js';

/**
 * Indexes of what is installed, `<store>/installed/<hex>`: kept though the store removed the artifact for the room of another, for what is
 * installed is to be known for as long as it is there.
 */

/** P-9.6 */
const AT_SIZE = 8;
const AT_COUNT = 48;
const HEX = /^[0-9a-f]{64}$/;

export class KeptIndexes {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** @throws E_STORE_MODE, E_STORE_IO, E_DISK_FULL */
  static async open(store: string): Promise<KeptIndexes> {
    const folder = join(store, 'installed');
    await storing(folder, async () => {
      await makeDirectory(folder);
      await checkPrivate(folder);
      await removeTemporaries(folder);
    });
    return new KeptIndexes(folder);
  }

  /** P-9.7: what rotted is not there. @throws E_STORE_IO */
  async read(artifact: string): Promise<ArtifactIndex | undefined> {
    const path = join(this.#folder, artifact);
    const bytes = await storing(path, () => readIfThere(path));
    if (bytes === undefined || bytes.length < indexByteLength(0)) return undefined;
    try {
      // The hash vouches for what it says of itself.
      return decodeIndex(bytes, {
        artifact,
        size: Number(bytes.readBigUInt64BE(AT_SIZE)),
        chunks: bytes.readUInt32BE(AT_COUNT),
      });
    } catch (error) {
      if (error instanceof ChunkmeshError) return undefined;
      throw error;
    }
  }

  /** Durably; all but those of `names` go. @throws E_STORE_IO, E_DISK_FULL */
  async keep(index: ArtifactIndex, names: readonly string[]): Promise<void> {
    await storing(this.#folder, async () => {
      if ((await this.read(index.artifact)) === undefined)
        await replaceFile(join(this.#folder, index.artifact), index.bytes);
      for (const name of await readdir(this.#folder)) {
        if (HEX.test(name) && name !== index.artifact && !names.includes(name))
          await rm(join(this.#folder, name), { force: true });
      }
    });
  }
}

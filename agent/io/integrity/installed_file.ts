import type { BigIntStats } from 'node:fs';
import { constants, type FileHandle, open, realpath, stat } from 'node:fs/promises';
import { sep } from 'node:path';
import type { ArtifactIndex } from '../../../shared/artifact/index.js';
import { ChunkmeshError, systemCode } from '../../../shared/errors.js';
import type { InstalledFile } from '../../integrity/watch_host.js';
import { closingOnError, writeAt } from '../store/disk.js';
import { forgetCached } from '../store/page_cache.js';
import { verifyOnDisk } from '../store/verify.js';

/** What an installer put in place: a regular file or a block device, which is the device's and not the store's. */

/** Of a file: another once it was written to. Of a device: which it is, for nothing says when it was written to. */
function identityOf(stats: BigIntStats): string {
  if (stats.isBlockDevice()) return `device ${stats.rdev}`;
  return `file ${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeNs}`;
}

/** Where it is, whatever is written to it. */
const placeOf = (stats: BigIntStats): string =>
  stats.isBlockDevice() ? `device ${stats.rdev}` : `file ${stats.dev}:${stats.ino}`;

const isInstalled = (stats: BigIntStats): boolean => stats.isFile() || stats.isBlockDevice();

/** Empty where there is nothing that could be installed. */
export async function installedIdentity(path: string): Promise<string> {
  const stats = await stat(path, { bigint: true }).catch(() => undefined);
  return stats !== undefined && isInstalled(stats) ? identityOf(stats) : '';
}

/** Want of these is the agent's own, and says nothing of the file. */
const OWN_WANT = ['EMFILE', 'ENFILE', 'ENOMEM'];

/** @returns null where there is no file or device that can be read. @throws what is the agent's own want */
export async function openInstalled(path: string): Promise<InstalledFile | null> {
  // Without O_NONBLOCK, the opening of a named pipe would wait for its writer.
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: unknown) => {
    if (OWN_WANT.includes(systemCode(error) ?? '')) throw error;
    return null;
  });
  if (handle === null) return null;
  return closingOnError(handle, async () => {
    const stats = await handle.stat({ bigint: true });
    if (!isInstalled(stats)) {
      await handle.close();
      return null;
    }
    return {
      identity: identityOf(stats),
      verify: (index, i, slice) => verifyOnDisk(handle, index, i, slice),
      close: () => handle.close(),
    };
  });
}

/** Installed, and open to be mended in place (P-15.7). */
export class MendedFile {
  readonly #handle: FileHandle;

  private constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /**
   * @param path a symbolic link is followed once, as `/dev/disk/by-partlabel/root` is; what it led to is opened as itself.
   * @param store the folder of the store, whose files are mended by peers and by nobody else
   * @throws E_REPAIR where it is not what was looked at, lies in the store, or may not be written to
   */
  static async open(path: string, identity: string, store: string): Promise<MendedFile> {
    const refuse = (why: string, cause?: unknown): ChunkmeshError =>
      new ChunkmeshError('E_REPAIR', `${path} ${why}`, { cause });
    const seen = await stat(path, { bigint: true }).catch((cause: unknown) => {
      throw refuse('is not there', cause);
    });
    const [real, folder] = [await realpath(path), await realpath(store)];
    if (real === folder || real.startsWith(`${folder}${sep}`)) throw refuse('lies in the store');
    const flags = constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const handle = await open(real, flags).catch((cause: unknown) => {
      throw refuse(`cannot be written to: ${systemCode(cause) ?? 'it failed'}`, cause);
    });
    return closingOnError(handle, async () => {
      const stats = await handle.stat({ bigint: true });
      if (!isInstalled(stats)) throw refuse('is neither a file nor a block device');
      if (placeOf(stats) !== placeOf(seen) || identityOf(stats) !== identity) throw refuse('is not what was looked at');
      return new MendedFile(handle);
    });
  }

  verify(index: ArtifactIndex, i: number, slice: Buffer): Promise<boolean> {
    return verifyOnDisk(this.#handle, index, i, slice);
  }

  /**
   * Writes a chunk where it belongs, and has it on the disk before it is read again.
   * @param bytes of a chunk that was verified @throws E_REPAIR where it cannot be written, or is not there afterwards
   */
  async write(index: ArtifactIndex, i: number, bytes: Uint8Array, slice: Buffer): Promise<void> {
    const offset = index.chunkOffset(i);
    try {
      await writeAt(this.#handle, bytes, offset);
      await this.#handle.datasync();
    } catch (cause) {
      throw new ChunkmeshError('E_REPAIR', `chunk ${i} cannot be written: ${systemCode(cause) ?? 'it failed'}`, {
        cause,
      });
    }
    forgetCached(this.#handle.fd, offset, bytes.length);
    if (await this.verify(index, i, slice)) return;
    throw new ChunkmeshError('E_REPAIR', `chunk ${i} was written and is not there: look at the disk`);
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

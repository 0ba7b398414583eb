import type { Stats } from 'node:fs';
import {
  constants,
  type FileHandle,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  utimes,
} from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { systemCode } from '../../../shared/errors.js';

/** Distinguishes the temporary files of one process; those of another cannot be there, by the store's lock. */
let temporaries = 0;

/** A suffix that marks a file that was never finished. */
const TEMPORARY = '.tmp';

/** A name beside `path` that nothing has, and that `removeTemporaries` sweeps away after a crash. */
export const temporaryPath = (path: string): string => `${path}.${temporaries++}${TEMPORARY}`;

/** Replaces the file at `path` whole: after a crash at any moment it has the old bytes or the new. */
export async function replaceFile(path: string, bytes: Uint8Array | string): Promise<void> {
  const temporary = temporaryPath(path);
  try {
    const handle = await open(temporary, 'w', 0o600);
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** A rename is only as durable as the directory that it changed. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes the directory and those above it, durably. Not by Node's `recursive`, which never ends where a folder takes none, as /proc. */
export async function makeDirectory(folder: string): Promise<void> {
  const path = resolve(folder);
  if (await isDirectory(path)) return;
  const above = dirname(path);
  await makeDirectory(above);
  await mkdir(path, 0o700).catch(async (error: unknown) => {
    // Another may have made it meanwhile.
    if (systemCode(error) !== 'EEXIST' || !(await isDirectory(path))) throw error;
  });
  await syncDirectory(above);
}

async function isDirectory(path: string): Promise<boolean> {
  const stats = await stat(path).catch((error: unknown) => absent(error));
  return stats?.isDirectory() ?? false;
}

/** The bytes of a file, or undefined where there is none. */
export async function readIfThere(path: string): Promise<Buffer | undefined> {
  return readFile(path).catch((error: unknown) => absent(error));
}

/** The file opened, or undefined where there is none. */
export async function openIfThere(path: string, flags: string): Promise<FileHandle | undefined> {
  return open(path, flags).catch((error: unknown) => absent(error));
}

/** Why a path that is not the store's own to keep in order leads to nothing that can be read. Want of handles or memory is none of them. */
const NO_HINT = new Set(['ENOENT', 'EACCES', 'EPERM', 'EISDIR', 'ENOTDIR', 'ELOOP', 'ENXIO', 'EIO']);

/**
 * Opens for reading what others may have put at `path`: undefined unless it is a regular file, since what lies there is a hint, and no
 * reason to fail or to wait. @param devices whether a block device will do too
 */
export async function openHint(path: string, devices = false): Promise<FileHandle | undefined> {
  // Without O_NONBLOCK, the opening of a named pipe would wait for its writer.
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: unknown) => {
    if (NO_HINT.has(systemCode(error) ?? '')) return undefined;
    throw error;
  });
  if (handle === undefined) return undefined;
  return closingOnError(handle, async () => {
    const stats = await handle.stat();
    if (stats.isFile() || (devices && stats.isBlockDevice())) return handle;
    await handle.close();
    return undefined;
  });
}

/** What lies at a path where others may put what they like, links not followed; undefined where `openHint` would find nothing. */
export async function statHint(path: string): Promise<Stats | undefined> {
  return lstat(path).catch((error: unknown) => {
    if (NO_HINT.has(systemCode(error) ?? '')) return undefined;
    throw error;
  });
}

/** Notes, as its time of change, that the folder was used now: nothing but an order depends on it. */
export async function touch(folder: string): Promise<void> {
  const now = new Date();
  await utimes(folder, now, now).catch(() => undefined);
}

/** What is in a folder; nothing where there is none. */
export async function listIfThere(path: string): Promise<string[]> {
  return (await readdir(path).catch((error: unknown) => absent(error))) ?? [];
}

function absent(error: unknown): undefined {
  if (systemCode(error) === 'ENOENT') return undefined;
  throw error;
}

/** Writes all of `bytes` at `position`: one write may take only a part of them. */
export async function writeAt(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

/** Reads until `into` is full or the file ends; how many bytes there were. */
export async function readAt(handle: FileHandle, into: Uint8Array, position: number): Promise<number> {
  let done = 0;
  while (done < into.length) {
    const { bytesRead } = await handle.read(into, done, into.length - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

/** Removes what a crash left unfinished. */
export async function removeTemporaries(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name.endsWith(TEMPORARY)) await rm(join(folder, name), { force: true });
  }
}

/** Runs `work` on an open file, which stays open unless that fails. */
export async function closingOnError<T>(handle: FileHandle, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    await handle.close().catch(() => undefined);
    throw error;
  }
}

import { randomBytes } from 'node:crypto';
import { lstat, open, readdir, realpath, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { ChunkmeshError, systemCode } from '../../shared/errors.js';
import { makeDirectory, readIfThere, replaceFile, syncDirectory, writeAt } from './store/disk.js';
import { storing } from './store/store_error.js';

/** Taking everything from a device that its operator wipes (P-14.8). A note comes first, so that what is cut short is ended at the next start. */

const NOTE_FILE = 'wipe.json';
/** All that a store has: files handed over, what was fetched, what it remembers, bytes that were wrong, indexes of what is installed. */
const FOLDERS = ['ready', 'artifacts', 'state', 'evidence', 'installed'] as const;
/** A key or a bundle has less; what is more is no such file, and is not written over. */
const MAX_OVERWRITTEN_BYTES = 65_536;

const schema = z.object({
  v: z.literal(1),
  /** The public key that was wiped, hex, and from when on its certificate was valid: a store may be used again by who is enrolled anew. */
  key: z.string().regex(/^[0-9a-f]{64}$/),
  notBefore: z.int().min(0),
  /** Nothing is left, neither data nor key, but what `left` names. */
  done: z.boolean(),
  /** Files with a key that could not be taken away: tried again at each start. */
  left: z.array(z.string()).default([]),
});
export type WipeNote = z.infer<typeof schema>;

/** @returns undefined where this store was never wiped. @throws E_STORE_IO; E_STORE_CORRUPT for a note that cannot be read */
export async function readWipeNote(store: string): Promise<WipeNote | undefined> {
  const path = join(store, NOTE_FILE);
  const bytes = await storing(path, () => readIfThere(path));
  if (bytes === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(bytes.toString('utf8')));
  } catch (cause) {
    throw new ChunkmeshError('E_STORE_CORRUPT', `${path} is not what a wipe wrote`, { cause });
  }
}

/** Durable when it resolves. @throws E_STORE_IO, E_DISK_FULL */
export async function writeWipeNote(store: string, note: Omit<z.input<typeof schema>, 'v'>): Promise<void> {
  const path = join(store, NOTE_FILE);
  await storing(path, async () => {
    await makeDirectory(store);
    await replaceFile(path, `${JSON.stringify({ ...note, v: 1 })}\n`);
  });
}

/** For who is enrolled anew. @throws E_STORE_IO */
export async function removeWipeNote(store: string): Promise<void> {
  await storing(store, () => rm(join(store, NOTE_FILE), { force: true }));
}

/** Artifacts, files that were handed over, and what was remembered. Again and again is as good as once. @throws E_STORE_IO */
export async function wipeData(store: string): Promise<void> {
  await storing(store, async () => {
    for (const folder of FOLDERS) {
      const path = join(store, folder);
      // By what is in it: the folder itself may be where a file system is mounted, or a link to one.
      for (const entry of await entriesOf(path)) await rm(join(path, entry), { recursive: true, force: true });
    }
    await syncDirectory(store);
  });
}

/** A file with a key, and a link that leads to it: written over, for what that is worth on flash, and gone. @throws E_STORE_IO */
export async function destroyFile(path: string): Promise<void> {
  await storing(path, async () => {
    if (!(await isThere(path))) return;
    const file = await realpath(path).catch(() => path);
    // One that its owner may not write is still one that can be taken away.
    await overwrite(file).catch(() => {});
    for (const one of new Set([file, path])) {
      await rm(one, { force: true });
      await syncDirectory(dirname(one));
    }
  });
}

async function overwrite(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    const stats = await file.stat();
    if (!stats.isFile() || stats.size > MAX_OVERWRITTEN_BYTES) return;
    await writeAt(file, randomBytes(stats.size), 0);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
}

async function entriesOf(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}

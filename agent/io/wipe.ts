import { randomBytes } from 'node:crypto';
import { open, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { ChunkmeshError, systemCode } from '../../shared/errors.js';
import { makeDirectory, readIfThere, replaceFile, syncDirectory } from './store/disk.js';
import { storing } from './store/store_error.js';

/** Taking everything from a device that its operator wipes (P-14.8). A note comes first, so that what is cut short is ended at the next start. */

const NOTE_FILE = 'wipe.json';
/** What a store has, the files handed over among it. */
const FOLDERS = ['ready', 'artifacts', 'state'] as const;

const schema = z.object({
  v: z.literal(1),
  /** SHA-256 of the certificate that was wiped, hex: a store may be used again by who is enrolled anew. */
  certificate: z.string().regex(/^[0-9a-f]{64}$/),
  /** Nothing is left: neither data nor key. */
  done: z.boolean(),
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
export async function writeWipeNote(store: string, note: Omit<WipeNote, 'v'>): Promise<void> {
  const path = join(store, NOTE_FILE);
  await storing(path, async () => {
    await makeDirectory(store);
    await replaceFile(path, `${JSON.stringify({ v: 1, ...note })}\n`);
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

/** A file with a key: written over, for what that is worth on flash, and gone. @throws E_STORE_IO */
export async function destroyFile(path: string): Promise<void> {
  await storing(path, async () => {
    try {
      const file = await open(path, 'r+');
      try {
        const { size } = await file.stat();
        await file.write(randomBytes(size), 0, size, 0);
        await file.sync();
      } finally {
        await file.close();
      }
    } catch (error) {
      // One that its owner may not write is still one that can be taken away.
      if (systemCode(error) === 'ENOENT') return;
    }
    await rm(path, { force: true });
    await syncDirectory(dirname(path));
  });
}

async function entriesOf(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}

import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Writes `path` whole or not at all, readable by its owner alone, and on the disk when this resolves. */
export async function writePrivateFile(path: string, bytes: string | Uint8Array): Promise<void> {
  const draft = join(dirname(path), `.draft-${randomBytes(8).toString('hex')}`);
  try {
    await writeDraft(draft, bytes);
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

/** A new file, readable by its owner alone, whose bytes are on the disk when this resolves; its name is when its folder is. */
export async function writeDraft(path: string, bytes: string | Uint8Array): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A rename is on the disk when its folder is. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

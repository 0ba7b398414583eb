import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ChunkmeshError, systemCode } from '../../shared/errors.js';

/**
 * Makes `folder`, mode 0700, with what `build` writes into a draft beside it: whole or not at all.
 * @param first an entry of the draft that is a folder with something in it, @param last one without which nothing counts
 * @throws E_FLEET_EXISTS where the folder is there and not empty, E_FILE_UNREADABLE where it cannot be made
 */
export async function buildFolder(
  folder: string,
  first: string,
  last: string,
  build: (draft: string) => Promise<void>,
): Promise<void> {
  const there = await isThere(folder);
  const draft = join(dirname(folder), `.${basename(folder)}-${randomBytes(8).toString('hex')}`);
  try {
    await mkdir(dirname(folder), { recursive: true });
    await mkdir(draft, { mode: 0o700 });
    await build(draft);
    if (there) await moveInto(draft, folder, first, last);
    else await rename(draft, folder);
  } catch (cause) {
    await rm(draft, { recursive: true, force: true });
    if (cause instanceof ChunkmeshError) throw cause;
    const code = systemCode(cause);
    if (code === 'ENOTEMPTY' || code === 'EEXIST') throw occupied(folder);
    throw new ChunkmeshError('E_FILE_UNREADABLE', `${folder} cannot be made: ${code ?? 'unknown'}`, { cause });
  }
}

/** An empty folder stays the one that it is: it may be where somebody's shell stands. */
async function moveInto(draft: string, folder: string, first: string, last: string): Promise<void> {
  const moved: string[] = [];
  const others = (await readdir(draft)).filter((name) => name !== first && name !== last);
  try {
    await chmod(folder, 0o700);
    // Of two at once, one finds `first` taken: no rename takes the place of a folder with something in it.
    for (const name of [first, ...others, last]) {
      await rename(join(draft, name), join(folder, name));
      moved.push(name);
    }
  } catch (error) {
    for (const name of moved) await rm(join(folder, name), { recursive: true, force: true });
    throw error;
  }
  await rmdir(draft);
}

/** Whether the folder is there, and empty. @throws E_FLEET_EXISTS, E_FILE_UNREADABLE */
async function isThere(folder: string): Promise<boolean> {
  let entries: string[];
  try {
    entries = await readdir(folder);
  } catch (cause) {
    const code = systemCode(cause);
    if (code === 'ENOENT') return false;
    if (code === 'ENOTDIR') throw occupied(folder);
    throw new ChunkmeshError('E_FILE_UNREADABLE', `${folder}: ${code ?? 'cannot be read'}`, { cause });
  }
  if (entries.length > 0) throw occupied(folder);
  return true;
}

const occupied = (folder: string): ChunkmeshError =>
  new ChunkmeshError('E_FLEET_EXISTS', `${folder} is there already and is not empty`);

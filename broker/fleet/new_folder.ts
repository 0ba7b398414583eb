import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ChunkmeshError, systemCode } from '../../shared/errors.js';

/**
 * Makes `folder`, mode 0700, with what `build` writes into a draft beside it: whole or not at all.
 * @throws E_FLEET_EXISTS where the folder is there and not empty, E_FILE_UNREADABLE where it cannot be made
 */
export async function buildFolder(folder: string, build: (draft: string) => Promise<void>): Promise<void> {
  await checkVacant(folder);
  const draft = join(dirname(folder), `.${basename(folder)}-${randomBytes(8).toString('hex')}`);
  try {
    await mkdir(dirname(folder), { recursive: true });
    await mkdir(draft, { mode: 0o700 });
    await build(draft);
    // A rename takes the place of an empty folder, and of nothing else.
    await rename(draft, folder);
  } catch (cause) {
    await rm(draft, { recursive: true, force: true });
    if (cause instanceof ChunkmeshError) throw cause;
    const code = systemCode(cause);
    if (code === 'ENOTEMPTY' || code === 'EEXIST') throw occupied(folder);
    throw new ChunkmeshError('E_FILE_UNREADABLE', `${folder} cannot be made: ${code ?? 'unknown'}`, { cause });
  }
}

async function checkVacant(folder: string): Promise<void> {
  let entries: string[];
  try {
    entries = await readdir(folder);
  } catch (cause) {
    const code = systemCode(cause);
    if (code === 'ENOENT') return;
    if (code === 'ENOTDIR') throw occupied(folder);
    throw new ChunkmeshError('E_FILE_UNREADABLE', `${folder}: ${code ?? 'cannot be read'}`, { cause });
  }
  if (entries.length > 0) throw occupied(folder);
}

const occupied = (folder: string): ChunkmeshError =>
  new ChunkmeshError('E_FLEET_EXISTS', `${folder} is there already and is not empty`);

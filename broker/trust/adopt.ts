import { MetadataKind } from '@tufjs/models';
import type { Files } from '../../shared/trust/bundle.js';
import { fileName, TIMESTAMP_FILE } from '../../shared/trust/names.js';
import { verifyBundle } from '../../shared/trust/verify.js';
import type { TrustRepository } from './repository.js';
import { parseFileName, parseMetadata } from './trust_folder.js';

/** A folder that is not the only one of its fleet, or came from a backup, learns from what the broker holds what others made since. */

/**
 * Takes over the metadata of a bundle, where it is as new as this folder's or newer, and files that this folder's snapshot names and it has not.
 * Expired is no less new: a folder of before would go on with numbers that devices have seen.
 * @returns whether what counts is other than before
 */
export async function adopt(repository: TrustRepository, files: Files, group: string): Promise<boolean> {
  const current = await repository.current();
  const root = current.root.bytes.toString('utf8');
  const verdict = verifyBundle({ root }, files, group, () => 0);
  const { state, error, timestampVersion } = verdict;
  if (error !== undefined || state.timestamp === undefined || state.snapshot === undefined) return false;
  const newer = timestampVersion > current.timestampVersion;
  const other = timestampVersion === current.timestampVersion && !(await isOurs(repository, state.timestamp));
  if (!newer && !other) {
    await fill(repository, files);
    return false;
  }
  for (const [file, bytes] of files) {
    const named = parseFileName(file);
    if (named === null || file === TIMESTAMP_FILE) continue;
    if (named.role !== MetadataKind.Root || Number(named.version) > current.root.metadata.signed.version) {
      await repository.metadata.writeBytes(file, bytes);
    }
  }
  // Last, as in every change of a folder: with it the others count.
  await repository.metadata.writeBytes(TIMESTAMP_FILE, Buffer.from(state.timestamp));
  return true;
}

async function isOurs(repository: TrustRepository, timestamp: string): Promise<boolean> {
  return (await repository.metadata.bytes(TIMESTAMP_FILE)).toString('utf8') === timestamp;
}

/** Of an older bundle, the files that the snapshot of this folder names just so. */
async function fill(repository: TrustRepository, files: Files): Promise<void> {
  const { meta } = await repository.current();
  const there = new Set((await repository.metadata.list()).map(({ file }) => file));
  for (const [role, one] of Object.entries(meta)) {
    const file = fileName(role, one.version);
    const bytes = files.get(file);
    if (bytes === undefined || there.has(file)) continue;
    try {
      one.verify(parseMetadata(role, bytes, file).bytes);
    } catch {
      continue;
    }
    await repository.metadata.writeBytes(file, bytes);
  }
}

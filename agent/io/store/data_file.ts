import { type FileHandle, open, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ArtifactIndex, Bitfield } from '../../../shared/artifact/index.js';
import { ChunkmeshError } from '../../../shared/errors.js';
import { closingOnError, openIfThere, syncDirectory } from './disk.js';
import { ChunkReader, isWhole } from './verify.js';
import { writeSparsely } from './zeros.js';

/** `stat` counts in these, whatever the file system's own blocks are. */
const STAT_BLOCK_BYTES = 512;

/**
 * Opens the data file at its full length, made if need be. A length without bytes takes no room, so what is still to come
 * is compared with what is free first.
 * @throws ChunkmeshError E_DISK_FULL
 */
export async function openData(path: string, size: number): Promise<FileHandle> {
  const found = await openIfThere(path, 'r+');
  const stats = await found?.stat();
  if (found !== undefined && stats?.size === size) return found;
  await found?.close();
  await checkRoom(dirname(path), size - (stats?.blocks ?? 0) * STAT_BLOCK_BYTES);
  const handle = await open(path, found === undefined ? 'w+' : 'r+', 0o600);
  return closingOnError(handle, async () => {
    await handle.truncate(size);
    await syncDirectory(dirname(path));
    return handle;
  });
}

async function checkRoom(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (bytes > free) throw new ChunkmeshError('E_DISK_FULL', `${folder} needs ${bytes} bytes and has ${free} free`);
}

/** P-9.8: marks in `held` those of `claims` that the file truly holds. */
export async function proveClaims(
  handle: FileHandle,
  index: ArtifactIndex,
  claims: Iterable<number>,
  held: Bitfield,
): Promise<void> {
  const reader = new ChunkReader(handle, index);
  for (const i of claims) if (await reader.verify(i)) held.set(i);
}

/**
 * P-9.8: reads the whole artifact and tells whether it is what the index says: that can fail with every chunk right, where who made
 * the index lied. Where it fails, only what is right of it is left in `held`.
 */
export async function proveWhole(handle: FileHandle, index: ArtifactIndex, held: Bitfield): Promise<boolean> {
  if (await isWhole(handle, index)) return true;
  const reader = new ChunkReader(handle, index);
  for (let i = 0; i < index.chunkCount; i++) held.set(i, await reader.verify(i));
  return false;
}

/** Reads from `from` every chunk in `held`, and writes it to `to`; one that turns out wrong is no longer held. */
export async function copyHeld(from: FileHandle, to: FileHandle, index: ArtifactIndex, held: Bitfield): Promise<void> {
  const reader = new ChunkReader(from, index);
  for (const i of held.held()) {
    const right = await reader.verify(i, (slice, position) => writeSparsely(to, slice, position));
    if (!right) held.set(i, false);
  }
}

/** Reads from `from` every chunk that is not in `held`, and writes it to `to`; those that are right are held. */
export async function takeMissing(
  from: FileHandle,
  to: FileHandle,
  index: ArtifactIndex,
  held: Bitfield,
): Promise<void> {
  const reader = new ChunkReader(from, index);
  for (const i of held.missing()) {
    if (await reader.verify(i, (slice, position) => writeSparsely(to, slice, position))) held.set(i);
  }
}

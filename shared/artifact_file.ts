import type { BigIntStats } from 'node:fs';
import { constants, type FileHandle, open } from 'node:fs/promises';
import { type ArtifactIndex, indexArtifact } from './artifact/index.js';
import { blockDeviceBytes } from './block_device.js';
import { ChunkmeshError } from './errors.js';
import { MAX_ARTIFACT_BYTES } from './limits.js';

/** What is hashed between two turns of the event loop: about a millisecond here, some ten on a small device. */
const READ_BYTES = 262_144;

/** A file that was indexed where it lies. Who opened it closes `handle`. */
export interface IndexedFile {
  readonly index: ArtifactIndex;
  readonly handle: FileHandle;
}

/**
 * Indexes the file, or the block device, at `path` (P-9). The event loop keeps turning meanwhile.
 * @throws ChunkmeshError E_FILE_UNREADABLE, also for what is neither; E_FILE_EMPTY; E_FILE_TOO_LARGE; E_FILE_CHANGED where its size
 *   moved while it was read, or a file's time of change: of a device the kernel keeps none that says anything.
 */
export async function indexFile(path: string): Promise<ArtifactIndex> {
  const { index, handle } = await openIndexed(path);
  await handle.close();
  return index;
}

/** As `indexFile`, with the file left open for reading. */
export async function openIndexed(path: string): Promise<IndexedFile> {
  const handle = await openThat(path, (stats) => stats.isFile() || stats.isBlockDevice(), IS_NEITHER);
  try {
    return { handle, index: await indexOpen(path, handle) };
  } catch (error) {
    await handle.close().catch(() => undefined);
    throw error;
  }
}

/** @throws ChunkmeshError E_FILE_UNREADABLE, also for what is no regular file: a device may have no end. */
export function openRegularFile(path: string): Promise<FileHandle> {
  return openThat(path, (stats) => stats.isFile(), 'it is not a regular file');
}

const IS_NEITHER = 'it is neither a regular file nor a block device';

async function openThat(path: string, isRight: (stats: BigIntStats) => boolean, wrong: string): Promise<FileHandle> {
  let handle: FileHandle;
  try {
    // Without O_NONBLOCK, the opening of a named pipe would wait for its writer.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    throw unreadable(path, 'it cannot be opened', cause);
  }
  try {
    if (isRight(await stat(path, handle))) return handle;
    throw unreadable(path, wrong);
  } catch (error) {
    await handle.close().catch(() => undefined);
    throw error;
  }
}

/** What shows that a file changed. */
interface Extent {
  readonly size: number;
  readonly mtimeNs: bigint;
}

async function indexOpen(path: string, handle: FileHandle): Promise<ArtifactIndex> {
  const before = await extentOf(path, handle);
  const { size } = before;
  if (size === 0) throw new ChunkmeshError('E_FILE_EMPTY', `${path} has no bytes`);
  if (size > MAX_ARTIFACT_BYTES) throw new ChunkmeshError('E_FILE_TOO_LARGE', `${path} has ${size} bytes (P-9.1)`);
  const index = await indexArtifact(size, () => readThrough(path, handle, size));
  const after = await extentOf(path, handle);
  if (after.size !== before.size || after.mtimeNs !== before.mtimeNs) {
    throw new ChunkmeshError('E_FILE_CHANGED', `${path} changed while it was read`);
  }
  return index;
}

async function extentOf(path: string, handle: FileHandle): Promise<Extent> {
  const stats = await stat(path, handle);
  if (!stats.isBlockDevice()) return { size: Number(stats.size), mtimeNs: stats.mtimeNs };
  const size = await blockDeviceBytes(handle).catch((cause: unknown) => {
    throw unreadable(path, 'its size cannot be found', cause);
  });
  return { size, mtimeNs: 0n };
}

/** One buffer, used again for every read: the indexer is done with it before it asks for the next. */
async function* readThrough(
  path: string,
  handle: FileHandle,
  size: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const buffer = Buffer.allocUnsafe(READ_BYTES);
  for (let at = 0; at < size; ) {
    const { bytesRead } = await handle.read(buffer, 0, Math.min(READ_BYTES, size - at), at).catch((cause: unknown) => {
      throw unreadable(path, `it cannot be read at byte ${at}`, cause);
    });
    if (bytesRead === 0) return;
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

async function stat(path: string, handle: FileHandle): Promise<BigIntStats> {
  try {
    return await handle.stat({ bigint: true });
  } catch (cause) {
    throw unreadable(path, 'its size cannot be read', cause);
  }
}

function unreadable(path: string, why: string, cause?: unknown): ChunkmeshError {
  return new ChunkmeshError('E_FILE_UNREADABLE', `${path}: ${why}`, cause === undefined ? undefined : { cause });
}

import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { setImmediate as turn } from 'node:timers/promises';
import type { ArtifactIndex } from '../../../shared/artifact/index.js';
import { systemCode } from '../../../shared/errors.js';
import { readCached } from './cached_read.js';
import { readAt } from './disk.js';
import { forgetCached } from './page_cache.js';

/** Hashed between two turns of the event loop: chunks of a large artifact have up to 64 MiB. */
const SLICE_BYTES = 1_048_576;

/** P-9.8: whether `bytes` are chunk `i`. They must not change until the promise settles. */
export async function isChunk(index: ArtifactIndex, i: number, bytes: Uint8Array): Promise<boolean> {
  if (bytes.length !== index.chunkLength(i)) return false;
  const hash = createHash('sha256');
  for (let at = 0; at < bytes.length; at += SLICE_BYTES) {
    if (at > 0) await turn();
    hash.update(bytes.subarray(at, at + SLICE_BYTES));
  }
  return hash.digest().equals(index.chunkHash(i));
}

/** P-9.8: reads chunk `i` into the front of `into`; whether it is what the index says. */
export async function readVerified(
  handle: FileHandle,
  index: ArtifactIndex,
  i: number,
  into: Buffer,
): Promise<boolean> {
  const length = index.chunkLength(i);
  const offset = index.chunkOffset(i);
  if (into.length < length) throw new RangeError(`a buffer of ${into.length} bytes for a chunk of ${length}`);
  const hash = createHash('sha256');
  for (let at = 0; at < length; at += SLICE_BYTES) {
    if (at > 0) await turn();
    const slice = into.subarray(at, Math.min(length, at + SLICE_BYTES));
    const cached = readCached(handle.fd, slice, offset + at);
    if (cached < slice.length) {
      const rest = slice.subarray(cached);
      if ((await readAt(handle, rest, offset + at + cached)) < rest.length) return false;
    }
    hash.update(slice);
  }
  return hash.digest().equals(index.chunkHash(i));
}

/** Whether the bytes from the start of the file on are the artifact, by the hash of the whole (P-9.6). */
export async function isWhole(handle: FileHandle, index: ArtifactIndex): Promise<boolean> {
  const slice = Buffer.allocUnsafe(SLICE_BYTES);
  const hash = createHash('sha256');
  for (let at = 0; at < index.size; at += SLICE_BYTES) {
    const part = slice.subarray(0, Math.min(SLICE_BYTES, index.size - at));
    if ((await readOrNothing(handle, part, at)) < part.length) return false;
    hash.update(part);
  }
  return hash.digest().equals(index.sha256);
}

/** Reads chunks one after the other, each shown in slices to `see`; whether each is what the index says. */
export class ChunkReader {
  readonly #slice: Buffer;
  readonly #handle: FileHandle;
  readonly #index: ArtifactIndex;

  constructor(handle: FileHandle, index: ArtifactIndex, slice: Buffer = Buffer.allocUnsafe(SLICE_BYTES)) {
    this.#handle = handle;
    this.#index = index;
    this.#slice = slice;
  }

  /** @param see is given a buffer that is used again, and the slice's place in the artifact. */
  async verify(i: number, see?: (slice: Buffer, position: number) => Promise<void> | void): Promise<boolean> {
    const length = this.#index.chunkLength(i);
    const offset = this.#index.chunkOffset(i);
    const hash = createHash('sha256');
    for (let at = 0; at < length; at += this.#slice.length) {
      const slice = this.#slice.subarray(0, Math.min(this.#slice.length, length - at));
      if ((await readOrNothing(this.#handle, slice, offset + at)) < slice.length) return false;
      hash.update(slice);
      await see?.(slice, offset + at);
    }
    return hash.digest().equals(this.#index.chunkHash(i));
  }
}

/** P-9.8: as ChunkReader.verify, of the disk itself where that can be had. */
export async function verifyOnDisk(
  handle: FileHandle,
  index: ArtifactIndex,
  i: number,
  slice: Buffer,
): Promise<boolean> {
  const [offset, length] = [index.chunkOffset(i), index.chunkLength(i)];
  forgetCached(handle.fd, offset, length);
  const right = await new ChunkReader(handle, index, slice).verify(i);
  forgetCached(handle.fd, offset, length);
  return right;
}

/** A sector that cannot be read is a chunk that is not held, and no reason to know nothing of the others. */
async function readOrNothing(handle: FileHandle, slice: Buffer, position: number): Promise<number> {
  return readAt(handle, slice, position).catch((error: unknown) => {
    if (systemCode(error) === 'EIO') return 0;
    throw error;
  });
}

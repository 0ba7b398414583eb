import { createHash } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { type ArtifactIndex, Bitfield, chunkBounds } from '../../shared/artifact/index.js';
import type { ChunkSource } from '../io/store/chunk_source.js';

/** Hashed between two turns of the event loop. */
const SLICE_BYTES = 1_048_576;

/**
 * The chunks of a long run of zeros, which are cut as long as a chunk may be (P-9.3): they are made here and asked of nobody. An image
 * of a disk that is half empty then costs the network half.
 * @returns null, without a hash, where no chunk of that length comes twice: there is no such run
 */
export function zeroChunks(index: ArtifactIndex): Promise<ChunkSource> | null {
  const { maximum } = chunkBounds(index.averageLog2);
  const longest = Array.from({ length: index.chunkCount }, (_, i) => i).filter((i) => index.chunkLength(i) === maximum);
  const different = new Set(longest.map((i) => hex(index.chunkHash(i)))).size;
  return different < longest.length ? zerosAmong(index, longest, maximum) : null;
}

async function zerosAmong(index: ArtifactIndex, chunks: readonly number[], length: number): Promise<ChunkSource> {
  const held = new Bitfield(index.chunkCount);
  const zeros = await hashOfZeros(length);
  for (const i of chunks) if (zeros.equals(index.chunkHash(i))) held.set(i);
  return {
    index,
    held,
    readChunk: async (i, into) => {
      if (held.get(i)) into.fill(0, 0, length);
      return held.get(i);
    },
    close: async () => {},
  };
}

const hex = (hash: Uint8Array): string => Buffer.from(hash).toString('hex');

async function hashOfZeros(length: number): Promise<Buffer> {
  const slice = Buffer.alloc(Math.min(SLICE_BYTES, length));
  const hash = createHash('sha256');
  for (let at = 0; at < length; at += slice.length) {
    if (at > 0) await turn();
    hash.update(slice);
  }
  return hash.digest();
}

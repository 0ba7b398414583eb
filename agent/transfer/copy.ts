import { setImmediate as turn } from 'node:timers/promises';
import type { ArtifactIndex } from '../../shared/artifact/artifact_index.js';
import type { Bitfield } from '../../shared/artifact/bitfield.js';
import type { ChunkSource } from '../io/store/chunk_source.js';
import type { StoredArtifact } from '../io/store/stored_artifact.js';
import { byKey, keyOf } from './twins.js';
import { zeroChunks } from './zero_chunks.js';

/** What the device's own files have of an artifact, by hash. */

/** Where a chunk lies: as chunk `at` of `source`. */
export interface Place {
  readonly source: ChunkSource;
  readonly at: number;
}

export interface Finder {
  /** What is not looked for. */
  readonly held: Bitfield;
  /** A chunk was read and verified. @param bytes the same for each chunk that has them */
  found(chunk: number, bytes: Buffer, place: Place): Promise<void>;
  /** Whether to end where it is. */
  stopped(): boolean;
}

export interface CopyHost {
  copied(chunk: number, bytes: number): void;
  /** Whether to end where it is. */
  stopped(): boolean;
}

/**
 * Takes every missing chunk that is made of zeros, that lies elsewhere in the artifact, or that the device's own files hold; each is verified
 * as it is read and as it is written.
 * @throws as StoredArtifact.writeChunk
 */
export function copyFromDisk(
  stored: StoredArtifact,
  index: ArtifactIndex,
  sources: AsyncIterable<ChunkSource>,
  host: CopyHost,
): Promise<void> {
  return findOnDisk(index, stored.held.count > 0 ? beginningWith(stored, sources) : sources, {
    held: stored.held,
    stopped: () => host.stopped(),
    found: async (chunk, bytes) => {
      await stored.writeChunk(chunk, bytes);
      host.copied(chunk, bytes.length);
    },
  });
}

/** Looks for every chunk that is not held: among zeros, then in the sources, one after the other. Each is read where it is found. */
export async function findOnDisk(
  index: ArtifactIndex,
  sources: AsyncIterable<ChunkSource>,
  finder: Finder,
): Promise<void> {
  const missing = byKey(index, finder.held.missing());
  if (missing.size === 0) return;
  const zeros = zeroChunks(index);
  if (zeros !== null) await findIn(await zeros, missing, finder);
  if (missing.size === 0 || finder.stopped()) return;
  for await (const source of sources) {
    await findIn(source, missing, finder);
    if (missing.size === 0 || finder.stopped()) return;
  }
}

async function* beginningWith(
  first: ChunkSource,
  others: AsyncIterable<ChunkSource>,
): AsyncGenerator<ChunkSource, void, undefined> {
  yield first;
  yield* others;
}

async function findIn(source: ChunkSource, missing: Map<string, number[]>, finder: Finder): Promise<void> {
  const { index } = source;
  for (let at = 0; index !== undefined && at < index.chunkCount && !finder.stopped(); at++) {
    const key = keyOf(index, at);
    const chunks = missing.get(key);
    if (chunks === undefined || !source.held.get(at)) continue;
    const bytes = Buffer.allocUnsafe(index.chunkLength(at));
    // A file that cannot be read is no reason to leave the others unread.
    if (!(await source.readChunk(at, bytes).catch(() => false))) {
      // A file that was changed whole, and is in memory, would else be hashed to its end before anything else has its turn.
      await turn();
      continue;
    }
    missing.delete(key);
    for (const chunk of chunks) if (!finder.held.get(chunk)) await finder.found(chunk, bytes, { source, at });
  }
}

import { setImmediate as turn } from 'node:timers/promises';
import type { ArtifactIndex } from '../../shared/artifact/artifact_index.js';
import type { ChunkSource } from '../io/store/chunk_source.js';
import type { StoredArtifact } from '../io/store/stored_artifact.js';
import { zeroChunks } from './zero_chunks.js';

/** A chunk's hash, as the key of a map. */
export const keyOf = (hash: Uint8Array): string => Buffer.from(hash).toString('latin1');

export interface CopyHost {
  copied(chunk: number, bytes: number): void;
  /** Whether to end where it is. */
  stopped(): boolean;
}

/** Takes every missing chunk that is made of zeros or that the device's own files hold, by hash; each is verified as it is read and as it is written. */
export async function copyFromDisk(
  stored: StoredArtifact,
  index: ArtifactIndex,
  sources: AsyncIterable<ChunkSource>,
  host: CopyHost,
): Promise<void> {
  const missing = missingByHash(stored, index);
  if (missing.size === 0) return;
  const zeros = zeroChunks(index);
  if (zeros !== null) await copyFrom(await zeros, stored, missing, host);
  if (missing.size === 0 || host.stopped()) return;
  for await (const source of sources) {
    await copyFrom(source, stored, missing, host);
    if (missing.size === 0 || host.stopped()) return;
  }
}

/** A hash may stand for several chunks: zeros, say. */
function missingByHash(stored: StoredArtifact, index: ArtifactIndex): Map<string, number[]> {
  const missing = new Map<string, number[]>();
  for (const chunk of stored.held.missing()) {
    const key = keyOf(index.chunkHash(chunk));
    missing.set(key, [...(missing.get(key) ?? []), chunk]);
  }
  return missing;
}

async function copyFrom(
  source: ChunkSource,
  stored: StoredArtifact,
  missing: Map<string, number[]>,
  host: CopyHost,
): Promise<void> {
  const { index } = source;
  for (let at = 0; index !== undefined && at < index.chunkCount && !host.stopped(); at++) {
    const key = keyOf(index.chunkHash(at));
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
    for (const chunk of chunks) {
      if (stored.held.get(chunk)) continue;
      await stored.writeChunk(chunk, bytes);
      host.copied(chunk, bytes.length);
    }
  }
}

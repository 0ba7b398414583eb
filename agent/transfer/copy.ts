import type { ArtifactIndex } from '../../shared/artifact/artifact_index.js';
import type { SeedFile } from '../io/store/seed_file.js';
import type { StoredArtifact } from '../io/store/stored_artifact.js';

const keyOf = (hash: Uint8Array): string => Buffer.from(hash).toString('latin1');

/** Takes every missing chunk that the device's own files hold, by hash; each is verified as it is read and as it is written. */
export async function copyFromSeeds(
  stored: StoredArtifact,
  index: ArtifactIndex,
  seeds: readonly SeedFile[],
  copied: (chunk: number, bytes: number) => void,
): Promise<void> {
  if (seeds.length === 0) return;
  const where = new Map<string, { seed: SeedFile; chunk: number }>();
  for (const seed of seeds) {
    for (let chunk = 0; chunk < seed.index.chunkCount; chunk++) {
      where.set(keyOf(seed.index.chunkHash(chunk)), { seed, chunk });
    }
  }
  for (const chunk of stored.held.missing()) {
    const found = where.get(keyOf(index.chunkHash(chunk)));
    const length = index.chunkLength(chunk);
    if (found === undefined || found.seed.index.chunkLength(found.chunk) !== length) continue;
    const bytes = Buffer.allocUnsafe(length);
    if (!(await found.seed.readChunk(found.chunk, bytes))) continue;
    await stored.writeChunk(chunk, bytes);
    copied(chunk, length);
  }
}

import { existsSync, statfsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Store } from '../../agent/io/store/store.js';
import type { StoredArtifact } from '../../agent/io/store/stored_artifact.js';
import { type ArtifactIndex, indexArtifact } from '../../shared/artifact/index.js';
import { inSteps, streamBytes } from './artifact_bytes.js';

const MEMORY = '/dev/shm';
/** More than the tests that run at one time write; a container often has 64 MB. */
const ENOUGH_BYTES = 2 ** 29;

function roomy(folder: string): boolean {
  if (!existsSync(folder)) return false;
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize >= ENOUGH_BYTES;
}

/** Memory where there is any to be had: the store syncs often, and a slow disk would make every test wait. */
const QUICK = roomy(MEMORY) ? MEMORY : tmpdir();

/** A folder that goes with the test. @param parent where it must not be the quickest place. */
export async function temporaryFolder(parent = QUICK): Promise<string> {
  const folder = await mkdtemp(join(parent, 'chunkmesh-test-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** An artifact in memory, with what its trust message would say. */
export class Sample {
  readonly bytes: Buffer;
  readonly index: ArtifactIndex;

  private constructor(bytes: Buffer, index: ArtifactIndex) {
    this.bytes = bytes;
    this.index = index;
  }

  static async make(seed: string, size = 400_000): Promise<Sample> {
    return Sample.of(streamBytes(seed, size));
  }

  static async of(bytes: Buffer): Promise<Sample> {
    return new Sample(bytes, await indexArtifact(bytes.length, () => inSteps(bytes, 65_536)));
  }

  chunk(i: number): Buffer {
    const at = this.index.chunkOffset(i);
    return this.bytes.subarray(at, at + this.index.chunkLength(i));
  }

  /** Every chunk number. */
  get all(): number[] {
    return Array.from({ length: this.index.chunkCount }, (_, i) => i);
  }

  get toOpen(): { artifact: string; name: string; version: string; size: number; chunks: number } {
    const { artifact, size, chunkCount: chunks } = this.index;
    return { artifact, name: 'firmware', version: '1.0.0', size, chunks };
  }

  /** Where the store in `dir` has a file of the artifact. */
  pathIn(dir: string, file: string): string {
    return join(dir, 'artifacts', this.index.artifact, file);
  }

  async openIn(store: Store): Promise<StoredArtifact> {
    return store.openArtifact(this.toOpen);
  }

  /** Opens it, installs the index, and writes the given chunks. */
  async writeIn(store: Store, chunks: Iterable<number>): Promise<StoredArtifact> {
    const stored = await this.openIn(store);
    await stored.installIndex(this.index.bytes);
    for (const i of chunks) await stored.writeChunk(i, this.chunk(i));
    return stored;
  }
}

/** For `rejects.toThrow`: an error with that code. */
export function coded(code: string): unknown {
  return { asymmetricMatch: (error: unknown) => error instanceof Error && 'code' in error && error.code === code };
}

import { join } from 'node:path';
import type { Store } from '../../agent/io/store/store.js';
import type { StoredArtifact } from '../../agent/io/store/stored_artifact.js';
import { type ArtifactIndex, indexArtifact } from '../../shared/artifact/index.js';
import { inSteps, streamBytes } from './artifact_bytes.js';

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

import { createHash } from 'node:crypto';
import type { StoredArtifact } from '../../agent/io/store/stored_artifact.js';
import { type ArtifactIndex, Bitfield, decodeIndex, encodeIndex } from '../../shared/artifact/index.js';
import type { Rollout } from '../../shared/control/messages.js';
import { ChunkmeshError } from '../../shared/errors.js';
import { streamBytes } from './artifact_bytes.js';

/** An artifact for tests that touch no disk. */

const AVERAGE_LOG2 = 16;

const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();

export interface Sample {
  readonly bytes: Buffer;
  readonly index: ArtifactIndex;
  readonly rollout: Rollout;
  chunk(i: number): Buffer;
}

/** @param length bytes of each chunk, within P-9.3 */
export function sampleArtifact(chunks: number, length = 2 ** AVERAGE_LOG2): Sample {
  const all = Array.from({ length: chunks }, (_, i) => i);
  return sampleOf(all, length);
}

/** Chunks that have the same number have the same bytes, in this sample and in others. */
export function sampleOf(contents: readonly number[], length = 2 ** AVERAGE_LOG2): Sample {
  const stream = streamBytes('sample artifact', (Math.max(...contents) + 1) * length);
  const bytes = Buffer.concat(contents.map((content) => stream.subarray(content * length, (content + 1) * length)));
  const chunks = contents.length;
  const chunk = (i: number): Buffer => bytes.subarray(i * length, (i + 1) * length);
  const entries = Array.from({ length: chunks }, (_, i) => ({ length, hash: sha256(chunk(i)) }));
  const size = bytes.length;
  const index = encodeIndex({ averageLog2: AVERAGE_LOG2, size, sha256: sha256(bytes), chunks: entries });
  const artifact = new Uint8Array(Buffer.from(index.artifact, 'hex'));
  return { bytes, index, chunk, rollout: { name: 'firmware', version: '1', artifact, size, chunks, shards: 1 } };
}

/** What a StoredArtifact does, without a disk: what is wrong is refused, and nothing else is kept than that it came. */
export class MemoryArtifact {
  readonly held: Bitfield;
  index: ArtifactIndex | undefined;
  /** Thrown by what would write, while it is set. */
  failure: ChunkmeshError | undefined;
  readonly #sample: Sample;

  constructor(sample: Sample) {
    this.#sample = sample;
    this.held = new Bitfield(sample.rollout.chunks);
  }

  get real(): StoredArtifact {
    return this as unknown as StoredArtifact;
  }

  async installIndex(bytes: Uint8Array): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    const { size, chunks } = this.#sample.rollout;
    this.index = decodeIndex(bytes, { artifact: this.#sample.index.artifact, size, chunks });
  }

  async writeChunk(i: number, bytes: Uint8Array): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    if (!sha256(bytes).equals(this.#sample.index.chunkHash(i))) throw new ChunkmeshError('E_CHUNK_WRONG', `chunk ${i}`);
    this.held.set(i);
  }

  async readChunk(i: number, into: Buffer): Promise<boolean> {
    this.#sample.chunk(i).copy(into);
    return this.held.get(i);
  }

  async finish(): Promise<string> {
    return 'ready';
  }

  async close(): Promise<void> {}
}

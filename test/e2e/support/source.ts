import type { ChunkSource } from '../../../agent/io/store/chunk_source.js';
import { type ArtifactIndex, Bitfield, indexArtifact } from '../../../shared/artifact/index.js';
import { inSteps } from '../../support/artifact_bytes.js';

/** An artifact in memory whose chunks leave when the test lets them: what makes "in the middle" certain on any machine. */
export class GatedSource implements ChunkSource {
  readonly index: ArtifactIndex;
  readonly held: Bitfield;
  readonly #bytes: Buffer;
  readonly #spoil: (chunk: number, bytes: Buffer) => void;
  #allowed = 0;
  #read = 0;
  readonly #waiting = new Set<() => void>();

  private constructor(bytes: Buffer, index: ArtifactIndex, spoil: (chunk: number, bytes: Buffer) => void) {
    this.#bytes = bytes;
    this.index = index;
    this.held = Bitfield.full(index.chunkCount);
    this.#spoil = spoil;
  }

  /** @param spoil may change what is served. */
  static async make(bytes: Buffer, spoil: (chunk: number, bytes: Buffer) => void = () => {}): Promise<GatedSource> {
    return new GatedSource(bytes, await indexArtifact(bytes.length, () => inSteps(bytes, 2 ** 20)), spoil);
  }

  /** Chunks that were read so far. */
  get read(): number {
    return this.#read;
  }

  /** Lets so many chunks more out. */
  allow(chunks: number): void {
    this.#allowed += chunks;
    for (const wake of [...this.#waiting]) wake();
  }

  allowAll(): void {
    this.allow(Number.POSITIVE_INFINITY);
  }

  async readChunk(i: number, into: Buffer): Promise<boolean> {
    while (this.#allowed <= 0) {
      await new Promise<void>((resolve) => {
        this.#waiting.add(resolve);
      });
    }
    this.#allowed--;
    this.#read++;
    const at = this.index.chunkOffset(i);
    this.#bytes.copy(into, 0, at, at + this.index.chunkLength(i));
    this.#spoil(i, into);
    return true;
  }

  async close(): Promise<void> {}
}

import { type ArtifactIndex, Bitfield } from '../../../shared/artifact/index.js';
import type { ChunkSource } from './chunk_source.js';
import { SeedFile } from './seed_file.js';

/**
 * A file that was handed over, opened anew for each read: there may be as many as the device ever had versions, and one that is taken away or
 * removed for the room of another is not to be kept by who reads it.
 */
export class ReadyFile implements ChunkSource {
  readonly path: string;
  readonly index: ArtifactIndex;
  readonly held: Bitfield;

  constructor(path: string, index: ArtifactIndex) {
    this.path = path;
    this.index = index;
    this.held = Bitfield.full(index.chunkCount);
  }

  async readChunk(i: number, into: Buffer): Promise<boolean> {
    if (!this.held.get(i)) return false;
    const file = await SeedFile.at(this.path, this.index);
    try {
      if (await file?.readChunk(i, into)) return true;
    } finally {
      await file?.close();
    }
    this.held.set(i, false);
    return false;
  }

  async close(): Promise<void> {}
}

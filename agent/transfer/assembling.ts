import { indexByteLength } from '../../shared/artifact/artifact_index.js';
import type { Rollout } from '../../shared/control/messages.js';
import { INDEX_CHUNK } from '../../shared/limits.js';
import { Assembly } from '../swarm/assembly.js';
import type { ChunkBuffers } from '../swarm/chunk_buffers.js';
import type { Link } from './link.js';
import type { Stock } from './settling.js';

/** Where the bytes of one artifact's chunks, and of its index, come together: a buffer for each that a session sends. */
export class Assembling {
  readonly #stored: Pick<Stock, 'index'>;
  readonly #rollout: Rollout;
  readonly #buffers: ChunkBuffers;

  constructor(stored: Pick<Stock, 'index'>, rollout: Rollout, buffers: ChunkBuffers) {
    this.#stored = stored;
    this.#rollout = rollout;
    this.#buffers = buffers;
  }

  /** Bytes of a chunk, or of the index. */
  lengthOf(chunk: number): number {
    return chunk === INDEX_CHUNK
      ? indexByteLength(this.#rollout.chunks)
      : (this.#stored.index?.chunkLength(chunk) ?? 0);
  }

  of({ assemblies }: Link, chunk: number): Assembly {
    const known = assemblies.get(chunk);
    if (known !== undefined) return known;
    const length = this.lengthOf(chunk);
    // The index is kept by who installs it.
    const made = new Assembly(chunk === INDEX_CHUNK ? Buffer.allocUnsafe(length) : this.#buffers.take(length));
    assemblies.set(chunk, made);
    return made;
  }

  /** Nobody looks at the bytes of the chunk any more. */
  giveBack(chunk: number, bytes: Buffer): void {
    if (chunk !== INDEX_CHUNK) this.#buffers.give(bytes);
  }

  /** @returns bytes that came in vain */
  discard({ assemblies }: Link, chunk: number): number {
    const assembly = assemblies.get(chunk);
    assemblies.delete(chunk);
    // One that is complete is being verified, and counted then.
    if (assembly === undefined || assembly.complete) return 0;
    this.giveBack(chunk, assembly.bytes);
    return assembly.received;
  }
}

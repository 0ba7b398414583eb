import { type ArtifactIndex, Bitfield, decodeIndex, type ExpectedArtifact } from '../../shared/artifact/index.js';
import { ChunkmeshError } from '../../shared/errors.js';
import type { ChunkSource } from '../io/store/chunk_source.js';
import type { Place } from './copy.js';
import type { Stock } from './settling.js';

/** What other files of the device have of an artifact: read where it lies, and nothing of it kept (P-10.10). */
export class SharedChunks implements ChunkSource, Stock {
  readonly held: Bitfield;
  readonly #expected: ExpectedArtifact;
  readonly #places = new Map<number, Place>();
  readonly #lost: () => void;
  #index: ArtifactIndex | undefined;

  /** @param lost a chunk is not there any more */
  constructor(expected: ExpectedArtifact, lost: () => void) {
    this.#expected = expected;
    this.#lost = lost;
    this.held = new Bitfield(expected.chunks);
  }

  get index(): ArtifactIndex | undefined {
    return this.#index;
  }

  /** P-9.7. @throws ChunkmeshError E_INDEX_INVALID */
  async installIndex(bytes: Uint8Array): Promise<void> {
    this.#index ??= decodeIndex(bytes, this.#expected);
  }

  /** Nothing is asked for that would come here. */
  async writeChunk(): Promise<void> {
    throw new ChunkmeshError('E_INTERNAL', 'a chunk for an artifact that is held back');
  }

  /** The chunk was verified there. @param place in a source that can be read for as long as this one */
  add(chunk: number, place: Place): void {
    this.#places.set(chunk, place);
    this.held.set(chunk);
  }

  async readChunk(i: number, into: Buffer): Promise<boolean> {
    const place = this.#places.get(i);
    if (place === undefined || !this.held.get(i)) return false;
    if (await place.source.readChunk(place.at, into)) return true;
    this.held.set(i, false);
    this.#lost();
    return false;
  }

  /** Its sources are not its own. */
  async close(): Promise<void> {}
}

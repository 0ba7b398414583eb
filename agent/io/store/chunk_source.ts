import type { ArtifactIndex, Bitfield } from '../../../shared/artifact/index.js';

/** Where verified chunks of one artifact can be read: what the store holds, or a file that is served where it lies. */
export interface ChunkSource {
  /** Undefined until the index is known. */
  readonly index: ArtifactIndex | undefined;
  /** Chunks that were verified. One object for as long as the source is open. */
  readonly held: Bitfield;
  /**
   * P-9.8: reads chunk `i` into the front of `into`, and verifies it. False where it is not held, or no longer is what it
   * was; it is then not held any more, and what `into` has is worth nothing.
   * @param into at least as long as the chunk; not to be touched until the promise settles.
   * @throws ChunkmeshError E_STORE_IO
   */
  readChunk(i: number, into: Buffer): Promise<boolean>;
  close(): Promise<void>;
}

/** One whose chunks can be looked at on the disk itself, though nobody asks for them. */
export interface RecheckedSource extends ChunkSource {
  /** Of the file that is read. */
  readonly path: string;
  /**
   * P-9.8: whether chunk `i`, which is held, still is what it was: on the disk, where the kernel can be told to forget what it has in
   * memory. Where it is not, it is not held any more.
   * @param slice to read it by; not to be touched until the promise settles.
   * @throws ChunkmeshError E_STORE_IO
   */
  recheckChunk(i: number, slice: Buffer): Promise<boolean>;
}

import { createHash, type Hash } from 'node:crypto';
import { ChunkmeshError } from '../errors.js';
import { MAX_CHUNKS } from '../limits.js';
import { type ArtifactIndex, encodeIndex } from './artifact_index.js';
import { Chunker, firstAverageLog2, isArtifactSize } from './chunker.js';

interface CutChunk {
  readonly length: number;
  readonly hash: Uint8Array;
}

/** Opens the artifact at its first byte. Called once, and once more for each doubling of the average. */
export type OpenArtifact = () => AsyncIterable<Uint8Array>;

/**
 * P-9.2 to P-9.6: cuts and hashes an artifact as it streams by. Memory is one buffer of the stream and 16,384 hashes.
 * @param size bytes that the stream has.
 * @throws ChunkmeshError E_FILE_EMPTY, E_FILE_TOO_LARGE for a size that P-9.1 refuses; E_FILE_CHANGED where the stream
 *   has more or fewer bytes than `size`.
 */
export async function indexArtifact(size: number, open: OpenArtifact): Promise<ArtifactIndex> {
  if (size === 0) throw new ChunkmeshError('E_FILE_EMPTY', 'an artifact has at least one byte (P-9.1)');
  if (!isArtifactSize(size)) throw new ChunkmeshError('E_FILE_TOO_LARGE', `${size} bytes (P-9.1)`);
  for (let averageLog2 = firstAverageLog2(size); ; averageLog2++) {
    const cut = new Cut(averageLog2, size);
    for await (const bytes of open()) {
      if (!cut.feed(bytes)) break;
    }
    if (!cut.overflowed) return cut.finish();
  }
}

/** One pass over the artifact with one average. */
class Cut {
  readonly #averageLog2: number;
  readonly #size: number;
  readonly #chunker: Chunker;
  readonly #whole = createHash('sha256');
  readonly #chunks: CutChunk[] = [];
  #current: Hash = createHash('sha256');
  #currentBytes = 0;
  #total = 0;

  constructor(averageLog2: number, size: number) {
    this.#averageLog2 = averageLog2;
    this.#size = size;
    this.#chunker = new Chunker(averageLog2);
  }

  /** P-9.2: more chunks than an index holds. */
  get overflowed(): boolean {
    return this.#chunks.length + (this.#currentBytes > 0 ? 1 : 0) > MAX_CHUNKS;
  }

  /** False as soon as this cut is of no use. */
  feed(bytes: Uint8Array): boolean {
    this.#whole.update(bytes);
    this.#total += bytes.length;
    if (this.#total > this.#size) this.#changed();
    let from = 0;
    for (let end = this.#chunker.next(bytes, from); end >= 0; end = this.#chunker.next(bytes, from)) {
      this.#add(bytes.subarray(from, end));
      this.#endChunk();
      from = end;
    }
    this.#add(bytes.subarray(from));
    return !this.overflowed;
  }

  finish(): ArtifactIndex {
    if (this.#total !== this.#size) this.#changed();
    if (this.#currentBytes > 0) this.#endChunk();
    const sha256 = this.#whole.digest();
    return encodeIndex({ averageLog2: this.#averageLog2, size: this.#size, sha256, chunks: this.#chunks });
  }

  #changed(): never {
    throw new ChunkmeshError('E_FILE_CHANGED', `${this.#total} bytes were read where there should be ${this.#size}`);
  }

  #add(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#current.update(bytes);
    this.#currentBytes += bytes.length;
  }

  #endChunk(): void {
    this.#chunks.push({ length: this.#currentBytes, hash: this.#current.digest() });
    this.#current = createHash('sha256');
    this.#currentBytes = 0;
  }
}

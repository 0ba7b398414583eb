import { createHash } from 'node:crypto';
import { ChunkmeshError } from '../errors.js';
import { MAX_CHUNKS } from '../limits.js';
import { chunkBounds, isArtifactSize, isAverageLog2 } from './chunker.js';

/*
 * P-9.6
 *
 *      0       4   5   6     8           16                          48      52
 *     +-------+---+---+-----+-----------+---------------------------+-------+----------------------+
 *     | CMIX  | 1 | k |  0  | size u64  | SHA-256 of the artifact   | count | count x 36 bytes ... |
 *     +-------+---+---+-----+-----------+---------------------------+-------+----------------------+
 *
 * and each of the `count` entries is: length u32, SHA-256 (32).
 */
const MAGIC = 0x434d4958;
const VERSION = 1;
const AT_VERSION = 4;
const AT_AVERAGE = 5;
const AT_ZERO = 6;
const AT_SIZE = 8;
const AT_SHA256 = 16;
const AT_COUNT = 48;
const HEADER_BYTES = 52;
const ENTRY_BYTES = 36;
const HASH_BYTES = 32;

/** Bytes of the index of an artifact of `chunks` chunks. */
export function indexByteLength(chunks: number): number {
  return HEADER_BYTES + chunks * ENTRY_BYTES;
}

/** What the trust message says of an artifact (P-12.3). */
export interface ExpectedArtifact {
  /** P-1.3: lower-case hex of the SHA-256 of the index. */
  readonly artifact: string;
  /** Bytes. */
  readonly size: number;
  readonly chunks: number;
}

/** An index that was checked. Holds the index bytes themselves and one number per chunk. */
export class ArtifactIndex {
  /** P-1.3: the lower-case hex of the SHA-256 of the index. */
  readonly artifact: string;
  /** Bytes of the whole artifact. */
  readonly size: number;
  readonly averageLog2: number;
  readonly chunkCount: number;
  /** The encoded index, as it is served to peers. Not to be changed. */
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  readonly #offsets: Float64Array;

  /** Use `encodeIndex` or `decodeIndex`: this checks nothing. */
  constructor(artifact: string, bytes: Uint8Array, view: DataView, offsets: Float64Array) {
    this.artifact = artifact;
    this.bytes = bytes;
    this.#view = view;
    this.#offsets = offsets;
    this.size = Number(view.getBigUint64(AT_SIZE));
    this.averageLog2 = view.getUint8(AT_AVERAGE);
    this.chunkCount = offsets.length;
  }

  /** SHA-256 of the whole artifact, 32 bytes. Not to be changed. */
  get sha256(): Uint8Array {
    return this.bytes.subarray(AT_SHA256, AT_SHA256 + HASH_BYTES);
  }

  /** Bytes of chunk `i`. @throws RangeError for a chunk that the artifact does not have, as do the two below. */
  chunkLength(i: number): number {
    return this.#view.getUint32(this.#entry(i));
  }

  /** Where chunk `i` begins in the artifact, in bytes. */
  chunkOffset(i: number): number {
    this.#entry(i);
    return this.#offsets[i] ?? 0;
  }

  /** SHA-256 of chunk `i`, 32 bytes. Not to be changed. */
  chunkHash(i: number): Uint8Array {
    const at = this.#entry(i) + 4;
    return this.bytes.subarray(at, at + HASH_BYTES);
  }

  #entry(i: number): number {
    if (!Number.isInteger(i) || i < 0 || i >= this.chunkCount) {
      throw new RangeError(`chunk ${i} of an artifact of ${this.chunkCount}`);
    }
    return indexByteLength(i);
  }
}

export interface IndexParts {
  readonly averageLog2: number;
  /** Bytes. */
  readonly size: number;
  /** SHA-256 of the whole artifact. */
  readonly sha256: Uint8Array;
  readonly chunks: readonly { readonly length: number; readonly hash: Uint8Array }[];
}

/** P-9.6. @throws ChunkmeshError E_INDEX_INVALID where the parts do not agree with each other (P-9.7). */
export function encodeIndex(parts: IndexParts): ArtifactIndex {
  if (parts.chunks.length > MAX_CHUNKS) invalid('P-9.2', `${parts.chunks.length} chunks`);
  if (!isArtifactSize(parts.size)) invalid('P-9.1', `size ${parts.size}`);
  const bytes = new Uint8Array(indexByteLength(parts.chunks.length));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC);
  view.setUint8(AT_VERSION, VERSION);
  view.setUint8(AT_AVERAGE, parts.averageLog2);
  view.setBigUint64(AT_SIZE, BigInt(parts.size));
  bytes.set(parts.sha256, AT_SHA256);
  view.setUint32(AT_COUNT, parts.chunks.length);
  parts.chunks.forEach(({ length, hash }, i) => {
    view.setUint32(indexByteLength(i), length);
    bytes.set(hash, indexByteLength(i) + 4);
  });
  return new ArtifactIndex(nameOf(bytes), bytes, view, checkContents(view));
}

/**
 * P-9.7: checks an index that came from anywhere, and copies it.
 * @throws ChunkmeshError E_INDEX_INVALID naming the rule that it breaks.
 */
export function decodeIndex(bytes: Uint8Array, expected: ExpectedArtifact): ArtifactIndex {
  if (!isArtifactSize(expected.size)) invalid('P-9.1', `size ${expected.size}`);
  if (!(expected.chunks >= 1 && expected.chunks <= MAX_CHUNKS)) invalid('P-9.2', `${expected.chunks} chunks`);
  // The length is known from the trust message, so that nothing is hashed, read or allocated for one that is not it.
  if (bytes.length !== indexByteLength(expected.chunks)) {
    invalid('P-9.6', `${bytes.length} bytes for ${expected.chunks} chunks`);
  }
  if (nameOf(bytes) !== expected.artifact) invalid('P-9.7', `its hash is not ${expected.artifact}`);
  const copy = Uint8Array.from(bytes);
  const view = new DataView(copy.buffer);
  const offsets = checkContents(view);
  if (Number(view.getBigUint64(AT_SIZE)) !== expected.size) invalid('P-9.7', 'its size is not the one published');
  return new ArtifactIndex(expected.artifact, copy, view, offsets);
}

/** The offsets of the chunks of an index whose fields agree with each other (P-9.6, P-9.7). */
function checkContents(view: DataView): Float64Array {
  if (view.getUint32(0) !== MAGIC) invalid('P-9.6', 'no CMIX at its start');
  if (view.getUint8(AT_VERSION) !== VERSION) invalid('P-9.6', `version ${view.getUint8(AT_VERSION)}`);
  if (view.getUint16(AT_ZERO) !== 0) invalid('P-9.6', 'the zero field is not zero');
  const size = Number(view.getBigUint64(AT_SIZE));
  if (!isArtifactSize(size)) invalid('P-9.1', `size ${size}`);
  const averageLog2 = view.getUint8(AT_AVERAGE);
  if (!isAverageLog2(averageLog2, size)) invalid('P-9.2', `average 2^${averageLog2} for ${size} bytes`);
  const count = view.getUint32(AT_COUNT);
  if (count > MAX_CHUNKS || view.byteLength !== indexByteLength(count)) {
    invalid('P-9.6', `count ${count} in ${view.byteLength} bytes`);
  }
  return checkLengths(view, count, size, averageLog2);
}

function checkLengths(view: DataView, count: number, size: number, averageLog2: number): Float64Array {
  const { minimum, maximum } = chunkBounds(averageLog2);
  const offsets = new Float64Array(count);
  let offset = 0;
  for (let i = 0; i < count; i++) {
    const length = view.getUint32(indexByteLength(i));
    const least = i === count - 1 ? 1 : minimum;
    if (length < least || length > maximum) invalid('P-9.3', `chunk ${i} of ${length} bytes`);
    offsets[i] = offset;
    offset += length;
  }
  if (offset !== size) invalid('P-9.7', `its chunks have ${offset} bytes together, not ${size}`);
  return offsets;
}

function nameOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function invalid(rule: string, what: string): never {
  throw new ChunkmeshError('E_INDEX_INVALID', `index breaks ${rule}: ${what}`);
}

import { MAX_ARTIFACT_BYTES, MIN_AVERAGE_CHUNK_BYTES, TARGET_CHUNKS } from '../limits.js';
import { GEAR } from './gear.js';

/** P-9.4: bits more and fewer that a cut needs on either side of the average. */
const NORMALISATION = 2;
/** P-9.3: the least and the most that a chunk may have are a quarter and four times the average. */
const SPREAD_LOG2 = 2;
const SMALLEST_LOG2 = Math.log2(MIN_AVERAGE_CHUNK_BYTES);

/**
 * P-9.2: after two doublings even chunks that are all of the least length number size / (2^k / 4) <= 12,288, so that no
 * third can be asked for.
 */
const MAX_DOUBLINGS = 2;

/** P-9.2: the k of the first cut of an artifact of `size` bytes. */
export function firstAverageLog2(size: number): number {
  let k = SMALLEST_LOG2;
  while (size / 2 ** k > TARGET_CHUNKS) k++;
  return k;
}

/** P-9.2: whether some artifact of `size` bytes can have been cut with average 2^`k`. */
export function isAverageLog2(k: number, size: number): boolean {
  const first = firstAverageLog2(size);
  return k >= first && k <= first + MAX_DOUBLINGS;
}

/** P-9.1 */
export function isArtifactSize(size: number): boolean {
  return Number.isSafeInteger(size) && size >= 1 && size <= MAX_ARTIFACT_BYTES;
}

/** P-9.3, in bytes. Only the last chunk may be shorter than `minimum`. */
export function chunkBounds(averageLog2: number): { minimum: number; maximum: number } {
  return { minimum: 2 ** (averageLog2 - SPREAD_LOG2), maximum: 2 ** (averageLog2 + SPREAD_LOG2) };
}

/**
 * P-9.3, P-9.4: finds where chunks end in a stream that comes in buffers of any split; the cuts do not depend on the split.
 *
 *     let from = 0;
 *     for (let end = chunker.next(bytes, from); end >= 0; end = chunker.next(bytes, from)) {
 *       // bytes.subarray(from, end) ends a chunk
 *       from = end;
 *     }
 *     // bytes.subarray(from) belongs to a chunk that goes on
 */
export class Chunker {
  readonly #minimum: number;
  readonly #average: number;
  readonly #maximum: number;
  /** `h >>> shift` leaves the bits that must be 0. */
  readonly #shiftBelow: number;
  readonly #shiftBeyond: number;
  #length = 0;
  #hash = 0;

  constructor(averageLog2: number) {
    const { minimum, maximum } = chunkBounds(averageLog2);
    this.#minimum = minimum;
    this.#average = 2 ** averageLog2;
    this.#maximum = maximum;
    this.#shiftBelow = 32 - (averageLog2 + NORMALISATION);
    this.#shiftBeyond = 32 - (averageLog2 - NORMALISATION);
  }

  /** Bytes of the chunk that has begun and not ended: at the end of the stream, the length of the last chunk, if not 0. */
  get pending(): number {
    return this.#length;
  }

  /** Where in `bytes` the chunk that runs at `from` ends (just past its last byte); -1 if it goes on past the buffer. */
  next(bytes: Uint8Array, from: number): number {
    // Bytes before the minimum are never looked at: P-9.4 starts the hash there.
    const at = from + Math.min(bytes.length - from, Math.max(0, this.#minimum - this.#length));
    this.#length += at - from;

    const toAverage = at + Math.min(bytes.length - at, Math.max(0, this.#average - this.#length));
    const cut = this.#scan(bytes, at, toAverage, this.#shiftBelow);
    if (cut >= 0) return this.#end(cut);
    this.#length += toAverage - at;

    const toMaximum = toAverage + Math.min(bytes.length - toAverage, this.#maximum - this.#length);
    const late = this.#scan(bytes, toAverage, toMaximum, this.#shiftBeyond);
    if (late >= 0) return this.#end(late);
    this.#length += toMaximum - toAverage;

    return this.#length === this.#maximum ? this.#end(toMaximum) : -1;
  }

  #end(at: number): number {
    this.#length = 0;
    this.#hash = 0;
    return at;
  }

  /** The hot loop: machine integers only, nothing allocated. Just past the byte after which the chunk ends, or -1. */
  #scan(bytes: Uint8Array, from: number, to: number, shift: number): number {
    const gear = GEAR;
    let hash = this.#hash;
    for (let i = from; i < to; i++) {
      hash = ((hash << 1) + (gear[bytes[i] as number] as number)) | 0;
      if (hash >>> shift === 0) return i + 1;
    }
    this.#hash = hash;
    return -1;
  }
}

/**
 * Buffers of chunks, used again: one made for each chunk is memory that the garbage collector gives back late, which at 100 MB/s is
 * most of what a process has.
 */

/** The smallest chunk but a last one (P-9.3). */
const MIN_BUFFER_BYTES = 16 * 1024;
/**
 * Kept for later: about as much as an agent at full speed ever has in use at once. With less, what is dropped and made anew all the time is
 * more than what is kept, for old buffers are collected last.
 */
export const MAX_SPARE_BYTES = 16 * 1024 * 1024;
/** The largest chunk of an artifact of 6 GiB (P-9.2, P-9.3). Larger ones come seldom enough. */
export const MAX_SPARE_BUFFER_BYTES = 2 * 1024 * 1024;

export class ChunkBuffers {
  /** By size, each a power of two: chunks differ (P-9.3), and one buffer is to fit many. */
  readonly #spare = new Map<number, Buffer[]>();
  #spareBytes = 0;

  get spareBytes(): number {
    return this.#spareBytes;
  }

  /** A buffer of so many bytes, with anything in it. */
  take(length: number): Buffer {
    const size = length > MAX_SPARE_BUFFER_BYTES ? length : sizeFor(length);
    const whole = this.#takeSpare(size) ?? Buffer.allocUnsafeSlow(size);
    return whole.length === length ? whole : whole.subarray(0, length);
  }

  /** @param bytes from `take`, which nobody looks at any more. Once. */
  give(bytes: Uint8Array): void {
    const { buffer } = bytes;
    const size = buffer.byteLength;
    if (size > MAX_SPARE_BUFFER_BYTES || this.#spareBytes + size > MAX_SPARE_BYTES) return;
    const row = this.#spare.get(size) ?? [];
    row.push(Buffer.from(buffer));
    this.#spare.set(size, row);
    this.#spareBytes += size;
  }

  /** Nobody needs any for now. */
  clear(): void {
    this.#spare.clear();
    this.#spareBytes = 0;
  }

  /** One that is larger does as well: what is made anew is more. */
  #takeSpare(least: number): Buffer | undefined {
    for (let size = least; size <= MAX_SPARE_BUFFER_BYTES; size *= 2) {
      const spare = this.#spare.get(size)?.pop();
      if (spare === undefined) continue;
      this.#spareBytes -= size;
      return spare;
    }
    return undefined;
  }
}

function sizeFor(length: number): number {
  let size = MIN_BUFFER_BYTES;
  while (size < length) size *= 2;
  return size;
}

/**
 * Buffers of chunks, used again: one made for each chunk is memory that the garbage collector gives back late, which at 100 MB/s is
 * most of what a process has.
 */

/** What a buffer's size is rounded up to: chunks differ (P-9.3), and one buffer is to fit many. */
const GRAIN_BYTES = 16 * 1024;
/** Kept for later. More are in use at times, and go to the garbage collector. */
export const MAX_SPARE_BYTES = 4 * 1024 * 1024;
/** A larger one is for an artifact of gigabytes, whose chunks come seldom enough. */
export const MAX_SPARE_BUFFER_BYTES = 256 * 1024;

export class ChunkBuffers {
  /** By size in grains. */
  readonly #spare: Buffer[][] = [];
  #spareBytes = 0;

  get spareBytes(): number {
    return this.#spareBytes;
  }

  /** A buffer of so many bytes, with anything in it. */
  take(length: number): Buffer {
    const grains = Math.ceil(length / GRAIN_BYTES);
    const spare = this.#spare[grains]?.pop();
    if (spare !== undefined) this.#spareBytes -= spare.length;
    const whole = spare ?? Buffer.allocUnsafeSlow(grains * GRAIN_BYTES);
    return whole.length === length ? whole : whole.subarray(0, length);
  }

  /** @param bytes from `take`, which nobody looks at any more. Once. */
  give(bytes: Uint8Array): void {
    const { buffer } = bytes;
    const size = buffer.byteLength;
    if (size > MAX_SPARE_BUFFER_BYTES || this.#spareBytes + size > MAX_SPARE_BYTES) return;
    const grains = size / GRAIN_BYTES;
    const row = this.#spare[grains] ?? [];
    row.push(Buffer.from(buffer));
    this.#spare[grains] = row;
    this.#spareBytes += size;
  }
}

import { MAX_HAVE_BYTES } from '../../limits.js';
import { FRAME, MALFORMED } from './types.js';

/**
 * Which chunks the sender holds (P-7.6): bit `i`, most significant first, is chunk `first + i`.
 *
 *     +------+-----------+------------+----------+
 *     | 0x06 | first (4) | length (2) | bits ... |
 *     +------+-----------+------------+----------+
 */
export const HAVE_HEADER_BYTES = 7;

/** @param length bytes of bits, 1 to MAX_HAVE_BYTES. */
export function haveByteLength(length: number): number {
  return HAVE_HEADER_BYTES + length;
}

/** @returns where the next frame starts. */
export function encodeHave(into: Buffer, at: number, first: number, bits: Uint8Array): number {
  into[at] = FRAME.HAVE;
  into.writeUInt32BE(first, at + 1);
  into.writeUInt16BE(bits.length, at + 5);
  into.set(bits, at + HAVE_HEADER_BYTES);
  return at + HAVE_HEADER_BYTES + bits.length;
}

/** P-7.6: 1 to 1,024 bytes of bits, and none set at or above `chunkCount`. */
export function checkHave(bytes: Buffer, at: number, end: number, chunkCount: number): number {
  if (at + HAVE_HEADER_BYTES > end) return MALFORMED;
  const first = bytes.readUInt32BE(at + 1);
  const length = bytes.readUInt16BE(at + 5);
  const bits = at + HAVE_HEADER_BYTES;
  if (length === 0 || length > MAX_HAVE_BYTES || bits + length > end) return MALFORMED;
  const known = Math.max(0, Math.min(length * 8, chunkCount - first));
  for (let i = known >> 3; i < length; i++) {
    const unknown = i === known >> 3 ? 0xff >> (known & 7) : 0xff;
    if (((bytes[bits + i] ?? 0) & unknown) !== 0) return MALFORMED;
  }
  return bits + length;
}

/** Hands the bits on as a view. */
export function decodeHave(bytes: Buffer, at: number, take: { onHave(first: number, bits: Uint8Array): void }): void {
  const length = bytes.readUInt16BE(at + 5);
  take.onHave(bytes.readUInt32BE(at + 1), bytes.subarray(at + HAVE_HEADER_BYTES, at + HAVE_HEADER_BYTES + length));
}

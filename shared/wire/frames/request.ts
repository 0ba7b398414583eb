import { FRAME, MALFORMED } from './types.js';

/**
 * Asks for bytes of a chunk (P-7.4). Chunk 0xFFFFFFFF is the index.
 *
 *     +------+-----------+------------+------------+
 *     | 0x04 | chunk (4) | offset (4) | length (4) |
 *     +------+-----------+------------+------------+
 */
export const REQUEST_BYTES = 13;

export function requestByteLength(): number {
  return REQUEST_BYTES;
}

/** @returns where the next frame starts. */
export function encodeRequest(into: Buffer, at: number, chunk: number, offset: number, length: number): number {
  into[at] = FRAME.REQUEST;
  into.writeUInt32BE(chunk, at + 1);
  into.writeUInt32BE(offset, at + 5);
  into.writeUInt32BE(length, at + 9);
  return at + REQUEST_BYTES;
}

/** P-7.4: length is 1 or more. */
export function checkRequest(bytes: Buffer, at: number, end: number): number {
  if (at + REQUEST_BYTES > end || bytes.readUInt32BE(at + 9) === 0) return MALFORMED;
  return at + REQUEST_BYTES;
}

export function decodeRequest(
  bytes: Buffer,
  at: number,
  take: { onRequest(chunk: number, offset: number, length: number): void },
): void {
  take.onRequest(bytes.readUInt32BE(at + 1), bytes.readUInt32BE(at + 5), bytes.readUInt32BE(at + 9));
}

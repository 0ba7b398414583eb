import { FRAME, MALFORMED } from './types.js';

/**
 * Withdraws all requests for a chunk (P-7.7).
 *
 *     +------+-----------+
 *     | 0x07 | chunk (4) |
 *     +------+-----------+
 */
export const CANCEL_BYTES = 5;

export function cancelByteLength(): number {
  return CANCEL_BYTES;
}

/** @returns where the next frame starts. */
export function encodeCancel(into: Buffer, at: number, chunk: number): number {
  into[at] = FRAME.CANCEL;
  into.writeUInt32BE(chunk, at + 1);
  return at + CANCEL_BYTES;
}

export function checkCancel(at: number, end: number): number {
  return at + CANCEL_BYTES <= end ? at + CANCEL_BYTES : MALFORMED;
}

export function decodeCancel(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at + 1);
}

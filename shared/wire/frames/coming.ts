import { FRAME, MALFORMED } from './types.js';

/**
 * The sender has asked a device of another site for the chunk (P-7.13).
 *
 *     +------+-----------+
 *     | 0x0c | chunk (4) |
 *     +------+-----------+
 */
export const COMING_BYTES = 5;

export function comingByteLength(): number {
  return COMING_BYTES;
}

/** @returns where the next frame starts. */
export function encodeComing(into: Buffer, at: number, chunk: number): number {
  into[at] = FRAME.COMING;
  into.writeUInt32BE(chunk, at + 1);
  return at + COMING_BYTES;
}

export function checkComing(at: number, end: number): number {
  return at + COMING_BYTES <= end ? at + COMING_BYTES : MALFORMED;
}

export function decodeComing(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at + 1);
}

import { FRAME, MALFORMED } from './types.js';

/**
 * Asks for its token back: checks a path (P-7.2) and keeps a session alive (P-8.5).
 *
 *     +------+---------------------------------+
 *     | 0x01 | token (8)                       |
 *     +------+---------------------------------+
 */
export const TOKEN_BYTES = 8;
export const PING_BYTES = 1 + TOKEN_BYTES;

export function pingByteLength(): number {
  return PING_BYTES;
}

/** @returns where the next frame starts. */
export function encodePing(into: Buffer, at: number, token: Uint8Array): number {
  into[at] = FRAME.PING;
  into.set(token, at + 1);
  return at + PING_BYTES;
}

export function checkPing(at: number, end: number): number {
  return at + PING_BYTES <= end ? at + PING_BYTES : MALFORMED;
}

/** The token, as a view. */
export function decodePing(bytes: Buffer, at: number): Uint8Array {
  return bytes.subarray(at + 1, at + PING_BYTES);
}

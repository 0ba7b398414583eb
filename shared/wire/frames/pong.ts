import { TOKEN_BYTES } from './ping.js';
import { FRAME, MALFORMED } from './types.js';
/**
 * Gives a PING its token back, to the address that the PING came from (P-7.2).
 *
 *     +------+---------------------------------+
 *     | 0x02 | token (8)                       |
 *     +------+---------------------------------+
 */

export const PONG_BYTES = 1 + TOKEN_BYTES;

export function pongByteLength(): number {
  return PONG_BYTES;
}

/** @returns where the next frame starts. */
export function encodePong(into: Buffer, at: number, token: Uint8Array): number {
  into[at] = FRAME.PONG;
  into.set(token, at + 1);
  return at + PONG_BYTES;
}

export function checkPong(at: number, end: number): number {
  return at + PONG_BYTES <= end ? at + PONG_BYTES : MALFORMED;
}

/** The token, as a view. */
export function decodePong(bytes: Buffer, at: number): Uint8Array {
  return bytes.subarray(at + 1, at + PONG_BYTES);
}

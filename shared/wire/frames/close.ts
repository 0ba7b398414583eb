import { FRAME, MALFORMED } from './types.js';

/**
 * Ends the session (P-7.10).
 *
 *     +------+------------+
 *     | 0x0a | reason (1) |
 *     +------+------------+
 */
export const CLOSE_BYTES = 2;

/** P-7.10 */
export const CLOSE = {
  done: 0,
  shutdown: 1,
  protocolError: 2,
  wrongBytes: 3,
  noRoom: 4,
  revoked: 5,
  superseded: 6,
} as const;
export type CloseReason = (typeof CLOSE)[keyof typeof CLOSE];

export function isCloseReason(byte: number): byte is CloseReason {
  return byte <= CLOSE.superseded;
}

export function closeByteLength(): number {
  return CLOSE_BYTES;
}

/** @returns where the next frame starts. */
export function encodeClose(into: Buffer, at: number, reason: CloseReason): number {
  into[at] = FRAME.CLOSE;
  into[at + 1] = reason;
  return at + CLOSE_BYTES;
}

/** P-7.10: a reason that is not of the table is malformed. */
export function checkClose(bytes: Buffer, at: number, end: number): number {
  return at + CLOSE_BYTES <= end && isCloseReason(bytes[at + 1] ?? 0xff) ? at + CLOSE_BYTES : MALFORMED;
}

export function decodeClose(bytes: Buffer, at: number, take: { onClose(reason: CloseReason): void }): void {
  const reason = bytes[at + 1] ?? 0xff;
  if (isCloseReason(reason)) take.onClose(reason);
}

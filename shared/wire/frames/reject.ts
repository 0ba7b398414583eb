import { FRAME, MALFORMED } from './types.js';

/**
 * Refuses the requests for a chunk (P-7.8).
 *
 *     +------+-----------+------------+
 *     | 0x08 | chunk (4) | reason (1) |
 *     +------+-----------+------------+
 */
export const REJECT_BYTES = 6;

/** P-7.8 */
export const REJECT = { notHeld: 0, busy: 1, outOfRange: 2, withdrawn: 3 } as const;
export type RejectReason = (typeof REJECT)[keyof typeof REJECT];

export function isRejectReason(byte: number): byte is RejectReason {
  return byte <= REJECT.withdrawn;
}

export function rejectByteLength(): number {
  return REJECT_BYTES;
}

/** @returns where the next frame starts. */
export function encodeReject(into: Buffer, at: number, chunk: number, reason: RejectReason): number {
  into[at] = FRAME.REJECT;
  into.writeUInt32BE(chunk, at + 1);
  into[at + 5] = reason;
  return at + REJECT_BYTES;
}

/** P-7.8: a reason that is not of the table is malformed. */
export function checkReject(bytes: Buffer, at: number, end: number): number {
  return at + REJECT_BYTES <= end && isRejectReason(bytes[at + 5] ?? 0xff) ? at + REJECT_BYTES : MALFORMED;
}

export function decodeReject(
  bytes: Buffer,
  at: number,
  take: { onReject(chunk: number, reason: RejectReason): void },
): void {
  const reason = bytes[at + 5] ?? 0xff;
  if (isRejectReason(reason)) take.onReject(bytes.readUInt32BE(at + 1), reason);
}

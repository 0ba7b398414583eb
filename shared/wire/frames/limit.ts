import { FRAME, MALFORMED } from './types.js';

/**
 * The most that its receiver may send, in bytes of datagrams per second (P-7.12).
 *
 *     +------+----------+
 *     | 0x0b | rate (4) |
 *     +------+----------+
 */
export const LIMIT_BYTES = 5;

/** On the wire: as much as the path takes. */
const UNLIMITED = 0xffff_ffff;

export function limitByteLength(): number {
  return LIMIT_BYTES;
}

/** @param rate bytes per second; Infinity, and what a u32 cannot say, is no limit. @returns where the next frame starts. */
export function encodeLimit(into: Buffer, at: number, rate: number): number {
  into[at] = FRAME.LIMIT;
  into.writeUInt32BE(Math.min(Math.floor(rate), UNLIMITED), at + 1);
  return at + LIMIT_BYTES;
}

export function checkLimit(at: number, end: number): number {
  return at + LIMIT_BYTES <= end ? at + LIMIT_BYTES : MALFORMED;
}

/** Bytes per second, or Infinity. */
export function decodeLimit(bytes: Buffer, at: number): number {
  const rate = bytes.readUInt32BE(at + 1);
  return rate === UNLIMITED ? Number.POSITIVE_INFINITY : rate;
}

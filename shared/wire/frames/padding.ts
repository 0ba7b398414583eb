import { FRAME } from './types.js';

/**
 * Fills a datagram. One byte each, and it asks for nothing (P-7.1).
 *
 *     +------+
 *     | 0x00 |
 *     +------+
 */
export function paddingByteLength(count: number): number {
  return count;
}

/** @returns where the next frame starts. */
export function encodePadding(into: Buffer, at: number, count: number): number {
  into.fill(FRAME.PADDING, at, at + count);
  return at + count;
}

/** A run of padding is one step, so that a datagram full of it costs no more than any other. */
export function checkPadding(bytes: Buffer, at: number, end: number): number {
  let next = at + 1;
  while (next < end && bytes[next] === FRAME.PADDING) next++;
  return next;
}

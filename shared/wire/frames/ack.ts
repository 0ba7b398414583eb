import { MAX_ACK_RANGES } from '../../limits.js';
import { FRAME, MALFORMED } from './types.js';

/**
 * Which packets came (P-7.3).
 *
 *     +------+-------------+-----------+-------------+-----------+-----------+
 *     | 0x03 | largest (6) | delay (4) | arrival (4) | count (1) | first (4) |
 *     +------+-------------+-----------+-------------+-----------+-----------+
 *     | gap (4) | length (4) |  count times, downwards
 *     +---------+------------+
 */
const FIXED_BYTES = 20;
const RANGE_BYTES = 8;
const U32_MAX = 0xffff_ffff;

/** Ranges with the first one, which the frame counts apart. */
export const MAX_ACK_INTERVALS = MAX_ACK_RANGES + 1;

/** Intervals of packet numbers, both ends included, the highest first. One is used over and over: copy what must last. */
export class AckFrame {
  /** Microseconds between the receipt of the largest and the sending of the ACK. */
  delayMicros = 0;
  /** When the largest came: microseconds of a clock of the receiver's own, u32, which turns over. */
  arrivalMicros = 0;
  /** How many intervals are in use, 1 to MAX_ACK_INTERVALS. */
  count = 0;
  readonly low = new Float64Array(MAX_ACK_INTERVALS);
  readonly high = new Float64Array(MAX_ACK_INTERVALS);

  get largest(): number {
    return this.high[0] ?? 0;
  }
}

export function ackByteLength(ack: AckFrame): number {
  return FIXED_BYTES + (ack.count - 1) * RANGE_BYTES;
}

/** The bytes of the largest ACK there is. */
export const MAX_ACK_BYTES = FIXED_BYTES + MAX_ACK_RANGES * RANGE_BYTES;

/** `ack` has at least one interval; they fall, with at least one packet between them. @returns where the next frame starts. */
export function encodeAck(into: Buffer, at: number, ack: AckFrame): number {
  const { low, high, count } = ack;
  into[at] = FRAME.ACK;
  into.writeUIntBE(high[0] ?? 0, at + 1, 6);
  into.writeUInt32BE(Math.min(ack.delayMicros, U32_MAX), at + 7);
  into.writeUInt32BE(ack.arrivalMicros, at + 11);
  into[at + 15] = count - 1;
  into.writeUInt32BE((high[0] ?? 0) - (low[0] ?? 0), at + 16);
  let next = at + FIXED_BYTES;
  for (let i = 1; i < count; i++) {
    into.writeUInt32BE((low[i - 1] ?? 0) - (high[i] ?? 0) - 2, next);
    into.writeUInt32BE((high[i] ?? 0) - (low[i] ?? 0), next + 4);
    next += RANGE_BYTES;
  }
  return next;
}

/** P-7.3: at most 31 ranges, none below 0. */
export function checkAck(bytes: Buffer, at: number, end: number): number {
  if (at + FIXED_BYTES > end) return MALFORMED;
  const count = bytes[at + 15] ?? 0;
  const next = at + FIXED_BYTES + count * RANGE_BYTES;
  if (count > MAX_ACK_RANGES || next > end) return MALFORMED;
  let low = bytes.readUIntBE(at + 1, 6) - bytes.readUInt32BE(at + 16);
  for (let range = at + FIXED_BYTES; range < next && low >= 0; range += RANGE_BYTES) {
    low -= bytes.readUInt32BE(range) + 2 + bytes.readUInt32BE(range + 4);
  }
  return low < 0 ? MALFORMED : next;
}

/** Reads a checked frame into `ack`. */
export function decodeAck(bytes: Buffer, at: number, ack: AckFrame): AckFrame {
  const count = bytes[at + 15] ?? 0;
  let high = bytes.readUIntBE(at + 1, 6);
  let low = high - bytes.readUInt32BE(at + 16);
  ack.delayMicros = bytes.readUInt32BE(at + 7);
  ack.arrivalMicros = bytes.readUInt32BE(at + 11);
  ack.count = count + 1;
  ack.high[0] = high;
  ack.low[0] = low;
  for (let i = 1; i <= count; i++) {
    const range = at + FIXED_BYTES + (i - 1) * RANGE_BYTES;
    high = low - bytes.readUInt32BE(range) - 2;
    low = high - bytes.readUInt32BE(range + 4);
    ack.high[i] = high;
    ack.low[i] = low;
  }
  return ack;
}

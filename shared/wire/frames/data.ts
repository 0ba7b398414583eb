import { FRAME, MALFORMED } from './types.js';

/**
 * Bytes of a chunk, which name their own place (P-7.5).
 *
 *     +------+-----------+------------+------------+-----------+
 *     | 0x05 | chunk (4) | offset (4) | length (2) | bytes ... |
 *     +------+-----------+------------+------------+-----------+
 */
export const DATA_HEADER_BYTES = 11;

/** @param length bytes of the chunk, 1 to 65,535. */
export function dataByteLength(length: number): number {
  return DATA_HEADER_BYTES + length;
}

/** Copies `length` bytes of `source` from `from`; `offset` is where they stand in the chunk. @returns where the next frame starts. */
export function encodeData(
  into: Buffer,
  at: number,
  chunk: number,
  offset: number,
  source: Uint8Array,
  from: number,
  length: number,
): number {
  into[at] = FRAME.DATA;
  into.writeUInt32BE(chunk, at + 1);
  into.writeUInt32BE(offset, at + 5);
  into.writeUInt16BE(length, at + 9);
  into.set(new Uint8Array(source.buffer, source.byteOffset + from, length), at + DATA_HEADER_BYTES);
  return at + DATA_HEADER_BYTES + length;
}

/** P-7.5: length is 1 or more. */
export function checkData(bytes: Buffer, at: number, end: number): number {
  if (at + DATA_HEADER_BYTES > end) return MALFORMED;
  const length = bytes.readUInt16BE(at + 9);
  const next = at + DATA_HEADER_BYTES + length;
  return length === 0 || next > end ? MALFORMED : next;
}

/** Of the last DATA that was read: datagrams are opened into one buffer, and nearly all are of one length. */
let lastView: Uint8Array = new Uint8Array(0);

function viewOf(bytes: Buffer, at: number, length: number): Uint8Array {
  const from = bytes.byteOffset + at;
  if (lastView.length !== length || lastView.byteOffset !== from || lastView.buffer !== bytes.buffer) {
    lastView = new Uint8Array(bytes.buffer, from, length);
  }
  return lastView;
}

/** Hands the bytes on as a view, not a copy: good until the call returns. */
export function decodeData(
  bytes: Buffer,
  at: number,
  take: { onData(chunk: number, offset: number, bytes: Uint8Array): void },
): void {
  const length = bytes.readUInt16BE(at + 9);
  take.onData(bytes.readUInt32BE(at + 1), bytes.readUInt32BE(at + 5), viewOf(bytes, at + DATA_HEADER_BYTES, length));
}

import { MAX_DATAGRAM_BYTES, MAX_PACKET_NUMBER } from '../limits.js';

/**
 * The clear header of a datagram (P-6).
 *
 *       0                   1                   2                   3
 *       0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *      +---------------+-----------------------------------------------+
 *      |0 1|version = 1|                                               |
 *      +---------------+      receiver's session id (8 bytes)          +
 *      |               +-----------------------------------------------+
 *      |               |            packet number (u48) ...            |
 *      +---------------+-------------------------------+---------------+
 *      |           ... packet number                   | box ...
 *      +-----------------------------------------------+
 */

/** P-6.1 */
export const FIRST_BYTE = 0x41;
export const SESSION_ID_BYTES = 8;
export const HEADER_BYTES = 15;
const SESSION_ID_AT = 1;
const PACKET_NUMBER_AT = SESSION_ID_AT + SESSION_ID_BYTES;
const PACKET_NUMBER_BYTES = 6;

/** P-6.6: a header, a tag, and a frame of one byte. */
export const MIN_DATAGRAM_BYTES = 32;

/** P-6.1, P-6.6: whether these bytes may be a datagram of ours at all, before any key is tried. */
export function isDatagram(bytes: Uint8Array): boolean {
  return bytes.length >= MIN_DATAGRAM_BYTES && bytes.length <= MAX_DATAGRAM_BYTES && bytes[0] === FIRST_BYTE;
}

/** The first 4 bytes of a session id, which is at `at`: a key to look sessions up by that allocates nothing. */
export function sessionIdHead(bytes: Uint8Array, at = 0): number {
  const [a = 0, b = 0, c = 0, d = 0] = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}

export function hasSessionId(bytes: Uint8Array, id: Uint8Array): boolean {
  for (let i = 0; i < SESSION_ID_BYTES; i++) if (bytes[SESSION_ID_AT + i] !== id[i]) return false;
  return true;
}

/** P-6.4: 0 to 2^48 - 1. */
export function readPacketNumber(bytes: Buffer): number {
  return bytes.readUIntBE(PACKET_NUMBER_AT, PACKET_NUMBER_BYTES);
}

/** @throws RangeError for a packet number above P-6.4's; a sender closes before it comes to that. */
export function writeHeader(into: Buffer, sessionId: Uint8Array, packetNumber: number): void {
  if (packetNumber > MAX_PACKET_NUMBER) throw new RangeError('packet number above 2^48 - 1');
  into[0] = FIRST_BYTE;
  into.set(sessionId, SESSION_ID_AT);
  into.writeUIntBE(packetNumber, PACKET_NUMBER_AT, PACKET_NUMBER_BYTES);
}

import { MAX_PEERS_NAMED } from '../../limits.js';
import { FRAME, MALFORMED } from './types.js';

/**
 * Devices that the sender has sessions with for this artifact (P-7.9).
 *
 *     +------+-----------+
 *     | 0x09 | count (1) |
 *     +------+-----------+----------+------------+------------+
 *     | length (1) | site ...       | length (1) | device ... |  count times
 *     +------------+----------------+------------+------------+
 */
const HEADER_BYTES = 2;
/** P-1.1 */
const MAX_ID_BYTES = 64;

export interface PeerName {
  /** P-1.1 */
  readonly site: string;
  /** P-1.1 */
  readonly device: string;
}

/** The bytes of the largest PEERS there is. */
export const MAX_PEERS_BYTES = HEADER_BYTES + MAX_PEERS_NAMED * 2 * (1 + MAX_ID_BYTES);

export function peersByteLength(peers: readonly PeerName[]): number {
  return peers.reduce((sum, { site, device }) => sum + 2 + site.length + device.length, HEADER_BYTES);
}

/** At most MAX_PEERS_NAMED, with ids as in P-1.1. @returns where the next frame starts. */
export function encodePeers(into: Buffer, at: number, peers: readonly PeerName[]): number {
  into[at] = FRAME.PEERS;
  into[at + 1] = peers.length;
  let next = at + HEADER_BYTES;
  for (const { site, device } of peers) next = encodeId(into, encodeId(into, next, site), device);
  return next;
}

/** P-7.9: at most 16, each id as in P-1.1. */
export function checkPeers(bytes: Buffer, at: number, end: number): number {
  if (at + HEADER_BYTES > end) return MALFORMED;
  const count = bytes[at + 1] ?? 0;
  if (count > MAX_PEERS_NAMED) return MALFORMED;
  let next = at + HEADER_BYTES;
  for (let i = 0; i < count * 2 && next !== MALFORMED; i++) next = checkId(bytes, next, end);
  return next;
}

export function decodePeers(bytes: Buffer, at: number, take: { onPeers(peers: readonly PeerName[]): void }): void {
  const peers: PeerName[] = [];
  let next = at + HEADER_BYTES;
  for (let count = bytes[at + 1] ?? 0; count > 0; count--) {
    const site = decodeId(bytes, next);
    const device = decodeId(bytes, next + 1 + site.length);
    next += 2 + site.length + device.length;
    peers.push({ site, device });
  }
  take.onPeers(peers);
}

function encodeId(into: Buffer, at: number, id: string): number {
  into[at] = id.length;
  return at + 1 + into.write(id, at + 1, 'latin1');
}

function checkId(bytes: Buffer, at: number, end: number): number {
  const length = at < end ? (bytes[at] ?? 0) : 0;
  if (length === 0 || length > MAX_ID_BYTES || at + 1 + length > end) return MALFORMED;
  for (let i = at + 1; i <= at + length; i++) if (!isIdByte(bytes[i] ?? 0)) return MALFORMED;
  return at + 1 + length;
}

function decodeId(bytes: Buffer, at: number): string {
  return bytes.toString('latin1', at + 1, at + 1 + (bytes[at] ?? 0));
}

/** P-1.1, on bytes: a string made of what may yet be refused would be an allocation for nothing. */
function isIdByte(byte: number): boolean {
  const lower = byte | 0x20;
  return (lower >= 0x61 && lower <= 0x7a) || (byte >= 0x30 && byte <= 0x39) || byte === 0x5f || byte === 0x2d;
}

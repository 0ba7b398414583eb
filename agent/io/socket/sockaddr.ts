import { isIP, SocketAddress } from 'node:net';
import type { Address } from './udp_socket.js';

/**
 * Addresses as Linux has them (ip(7), ipv6(7)), family in the machine's order, port in the network's:
 *
 *     sockaddr_in    family (2) | port (2) | address (4) | zero (8)
 *     sockaddr_in6   family (2) | port (2) | flow (4) | address (16) | scope (4)
 */
export const SOCKADDR_IN_BYTES = 16;
export const SOCKADDR_IN6_BYTES = 28;
/** The larger of the two, so that they stand in rows. */
export const MAX_SOCKADDR_BYTES = 28;

const AF_INET = 2;
const AF_INET6 = 10;

export type Family = 4 | 6;

export const familyNumber = (family: Family): number => (family === 4 ? AF_INET : AF_INET6);

/** @param family of the socket: one of IPv6 takes IPv4 addresses mapped into its own (RFC 4291 §2.5.5.2). */
export function encodeSockaddr({ host, port }: Address, family: Family): Buffer {
  const bytes = Buffer.alloc(family === 4 ? SOCKADDR_IN_BYTES : SOCKADDR_IN6_BYTES);
  bytes.writeUInt16LE(familyNumber(family), 0);
  bytes.writeUInt16BE(port, 2);
  if (family === 4) ipv4Bytes(host).copy(bytes, 4);
  else ipv6Bytes(host).copy(bytes, 8);
  return bytes;
}

/** Null for what is neither of the two. */
export function decodeSockaddr(bytes: Buffer): Address | null {
  const family = bytes.readUInt16LE(0);
  const port = bytes.readUInt16BE(2);
  if (family === AF_INET) return { host: bytes.subarray(4, 8).join('.'), port };
  if (family !== AF_INET6) return null;
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(8 + 2 * i).toString(16));
  // One way of writing it, and the one that Node's own socket has.
  return { host: new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address, port };
}

function ipv4Bytes(host: string): Buffer {
  if (isIP(host) !== 4) throw new TypeError(`${host} is no IPv4 address`);
  return Buffer.from(host.split('.').map(Number));
}

function ipv6Bytes(host: string): Buffer {
  if (isIP(host) === 4) return Buffer.concat([Buffer.alloc(10), Buffer.of(0xff, 0xff), ipv4Bytes(host)]);
  const [head = '', tail] = host.replace(/%.*$/, '').split('::');
  const groups = (text: string | undefined): number[] =>
    text === undefined || text === '' ? [] : text.split(':').flatMap(groupNumbers);
  const [front, back] = [groups(head), groups(tail)];
  const middle = new Array<number>(8 - front.length - back.length).fill(0);
  const bytes = Buffer.alloc(16);
  for (const [i, group] of [...front, ...middle, ...back].entries()) bytes.writeUInt16BE(group, 2 * i);
  return bytes;
}

/** One group, or the two of an IPv4 address at the end. */
function groupNumbers(text: string): number[] {
  if (!text.includes('.')) return [Number.parseInt(text, 16)];
  const bytes = ipv4Bytes(text);
  return [bytes.readUInt16BE(0), bytes.readUInt16BE(2)];
}

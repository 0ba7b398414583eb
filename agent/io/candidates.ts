import { BlockList, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Candidate } from '../../shared/control/messages.js';
import { MAX_CANDIDATES } from '../../shared/limits.js';

/** Which addresses a device names in its offers, and which of another's it sends to (P-5.7). */

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** Unspecified, multicast, reserved and broadcast (RFC 6890). */
const unusable = { ipv4: new BlockList(), ipv6: new BlockList() };
unusable.ipv4.addSubnet('0.0.0.0', 8, 'ipv4');
unusable.ipv4.addSubnet('224.0.0.0', 3, 'ipv4');
unusable.ipv6.addAddress('::', 'ipv6');
// IPv4 in IPv6's clothes would pass by the list above.
unusable.ipv6.addSubnet('::ffff:0:0', 96, 'ipv6');
unusable.ipv6.addSubnet('fe80::', 10, 'ipv6');
unusable.ipv6.addSubnet('ff00::', 8, 'ipv6');

const familyOf = (host: string): 'ipv4' | 'ipv6' => (isIP(host) === 6 ? 'ipv6' : 'ipv4');

export function isLoopback(host: string): boolean {
  return loopback.check(host, familyOf(host));
}

/** A zone (`%eth0`) is a name of the host that wrote it, and means nothing or something else here. */
export function isUsable(host: string): boolean {
  const family = familyOf(host);
  return isIP(host) !== 0 && !host.includes('%') && !unusable[family].check(host, family);
}

/** `isUsable` of an address that the kernel wrote, for next to nothing: so much is asked of every datagram of a stranger. */
export function isUsableSource(host: string): boolean {
  if (!host.includes(':')) {
    const first = Number.parseInt(host, 10);
    return first > 0 && first < 224;
  }
  if (host.startsWith(':')) return host !== '::' && !host.startsWith('::ffff:');
  const first = Number.parseInt(host, 16);
  return !host.includes('%') && (first & 0xffc0) !== 0xfe80 && (first & 0xff00) !== 0xff00;
}

/** The address itself where the socket is bound to one; else those of the host's interfaces, loopback only where there is no other. */
export function ownCandidates(bound: { address: string; port: number }): Candidate[] {
  if (isUsable(bound.address)) return [[bound.address, bound.port]];
  const family = familyOf(bound.address) === 'ipv6' ? 'IPv6' : 'IPv4';
  const all = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter((entry) => entry.family === family && isUsable(entry.address));
  const outer = all.filter((entry) => !entry.internal);
  return (outer.length > 0 ? outer : all).slice(0, MAX_CANDIDATES).map((entry) => [entry.address, bound.port]);
}

/**
 * P-5.7: of another's candidates, those that this device sends to.
 * @param own this device's, which tell its address family and whether it lives on loopback
 */
export function usableCandidates(candidates: readonly Candidate[], own: readonly Candidate[]): Candidate[] {
  const families = new Set(own.map(([host]) => isIP(host)));
  const local = own.every(([host]) => isLoopback(host));
  return candidates
    .filter(([host]) => families.has(isIP(host)) && isUsable(host) && (local || !isLoopback(host)))
    .slice(0, MAX_CANDIDATES);
}

import { expect, it } from 'vitest';
import { RecentAddresses } from '../../../agent/io/socket/recent_addresses.js';
import { encodeSockaddr, MAX_SOCKADDR_BYTES } from '../../../agent/io/socket/sockaddr.js';

/** Names in rows, as recvmmsg(2) leaves them. */
function rows(...hosts: string[]): { names: Buffer; words: Uint32Array } {
  const names = Buffer.from(new ArrayBuffer(hosts.length * MAX_SOCKADDR_BYTES));
  for (const [i, host] of hosts.entries()) {
    const family = host.includes(':') ? 6 : 4;
    names.set(encodeSockaddr({ host, port: 4000 }, family), i * MAX_SOCKADDR_BYTES);
  }
  return { names, words: new Uint32Array(names.buffer) };
}

const strangers = Array.from({ length: 100 }, (_, i) => `192.0.2.${i + 10}`);
/** As many as a seed has sessions. */
const peers = strangers.slice(0, 64);

it('gives one object for an address, whoever sends between', () => {
  const recent = new RecentAddresses();
  const { names, words } = rows('192.0.2.1', '192.0.2.2', '2001:db8::1');
  const first = [0, 1, 2].map((i) => recent.of(names, words, i));
  expect(first).toEqual(['192.0.2.1', '192.0.2.2', '2001:db8::1'].map((host) => ({ host, port: 4000 })));
  for (const i of [2, 0, 1, 1, 0, 2]) expect(recent.of(names, words, i)).toBe(first[i]);
});

it('gives one object for each of as many peers as a seed has', () => {
  const recent = new RecentAddresses();
  const { names, words } = rows(...peers);
  const first = peers.map((_, i) => recent.of(names, words, i));
  expect(peers.map((_, i) => recent.of(names, words, i) === first[i])).toEqual(peers.map(() => true));
});

it('tells any number of addresses apart', () => {
  const recent = new RecentAddresses();
  const { names, words } = rows(...strangers);
  for (const round of [1, 2]) {
    for (const [i, host] of strangers.entries()) expect(recent.of(names, words, i)?.host, `${round}`).toBe(host);
  }
});

it('knows no other family', () => {
  const { names, words } = rows('192.0.2.1');
  names.writeUInt16LE(1, 0);
  expect(new RecentAddresses().of(names, words, 0)).toBeNull();
});

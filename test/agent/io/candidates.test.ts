import { SocketAddress } from 'node:net';
import { networkInterfaces } from 'node:os';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isLoopback, isUsable, isUsableSource, ownCandidates, usableCandidates } from '../../../agent/io/candidates.js';
import type { Candidate } from '../../../shared/control/messages.js';
import { MAX_CANDIDATES } from '../../../shared/limits.js';

const V4: readonly Candidate[] = [['192.0.2.1', 4000]];
const V6: readonly Candidate[] = [['2001:db8::1', 4000]];
const BOTH = [...V4, ...V6];
const LOOPBACK: readonly Candidate[] = [
  ['127.0.0.1', 4000],
  ['::1', 4000],
];
const used = (host: string, own: readonly Candidate[] = BOTH): boolean => usableCandidates([[host, 7]], own).length > 0;

describe('P-5.7 whose addresses are sent to', () => {
  it.each([
    '192.0.2.7',
    '10.0.0.1',
    '172.16.0.1',
    '192.168.1.1',
    '100.64.0.1',
    '169.254.1.1',
    '223.255.255.255',
    '1.0.0.0',
  ])('takes %s', (host) => {
    expect(usableCandidates([[host, 65_535]], BOTH)).toEqual([[host, 65_535]]);
  });

  it.each(['2001:db8::7', '2001:DB8:0:0:0:0:0:7', 'fd00::1', '2a00::', 'feff::1'])('takes %s', (host) => {
    expect(used(host)).toBe(true);
  });

  it.each([
    ['unspecified', '0.0.0.0'],
    ['of "this" network', '0.1.2.3'],
    ['multicast', '224.0.0.1'],
    ['multicast', '239.255.255.255'],
    ['reserved', '240.0.0.1'],
    ['broadcast', '255.255.255.255'],
    ['unspecified', '::'],
    ['unspecified, spelt out', '0:0:0:0:0:0:0:0'],
    ['multicast', 'ff02::1'],
    ['multicast', 'FF05::2'],
    ['of one link', 'fe80::1'],
    ['of one link', 'febf::1'],
    ['IPv4 inside IPv6', '::ffff:192.0.2.7'],
    ['broadcast inside IPv6', '::ffff:255.255.255.255'],
    ['loopback inside IPv6', '::ffff:127.0.0.1'],
    ['loopback inside IPv6, in hex', '::ffff:7f00:1'],
    ['loopback inside IPv6, spelt out', '0:0:0:0:0:ffff:127.0.0.1'],
  ])('drops what is %s: %s', (_what, host) => {
    for (const own of [BOTH, V4, V6, LOOPBACK]) expect(used(host, own)).toBe(false);
  });

  it.each(['fe80::1%eth0', '2001:db8::7%eth0', '::1%lo', 'ff02::1%1', '::ffff:127.0.0.1%lo', '2001:db8::7%'])(
    'drops a zone, which names an interface of another host: %s',
    (host) => {
      for (const own of [BOTH, LOOPBACK]) expect(used(host, own)).toBe(false);
    },
  );

  it.each([
    '',
    'a',
    '::1::',
    'localhost',
    'broker.example',
    '127.1',
    '2130706433',
    '0x7f.0.0.1',
    '0177.0.0.1',
    '192.0.2.07',
    '192.0.2',
    '192.0.2.256',
    ' 192.0.2.7',
    '192.0.2.7 ',
    '192.0.2.7\0',
    '192.0.2.7:80',
    '[2001:db8::7]',
    '2001:db8::7/64',
    '１９２.0.2.7',
  ])('drops what is no literal address: %j', (host) => {
    for (const own of [BOTH, V4, V6, LOOPBACK]) expect(used(host, own)).toBe(false);
  });

  it.each(['127.0.0.1', '127.255.255.255', '::1', '0:0:0:0:0:0:0:1'])(
    'drops loopback unless it lives there: %s',
    (host) => {
      expect(used(host)).toBe(false);
      expect(used(host, [...LOOPBACK, ...V4])).toBe(false);
      expect(used(host, LOOPBACK)).toBe(true);
    },
  );

  it('takes other addresses on loopback too', () => {
    expect(used('192.0.2.7', [['127.0.0.1', 4000]])).toBe(true);
  });

  it('drops the family that its socket does not speak, and everything without a socket', () => {
    expect([used('192.0.2.7', V6), used('2001:db8::7', V4)]).toEqual([false, false]);
    expect([used('192.0.2.7', []), used('127.0.0.1', [])]).toEqual([false, false]);
  });

  it('takes 8 and drops the ninth, counted after what is dropped anyway', () => {
    const good = Array.from({ length: 9 }, (_, i): Candidate => ['192.0.2.7', i + 1]);
    expect(usableCandidates([['0.0.0.0', 1], ...good], BOTH)).toEqual(good.slice(0, MAX_CANDIDATES));
  });

  it('throws for no text at all', () => {
    const text = fc.oneof(fc.string({ maxLength: 45 }), fc.ipV4Extended(), fc.ipV6(), fc.domain());
    fc.assert(
      fc.property(text, fc.constantFrom('', '%', '%eth0', '.', ':'), (host, tail) => {
        for (const own of [BOTH, LOOPBACK, []]) usableCandidates([[`${host}${tail}`, 1]], own);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('P-5.7 its own addresses', () => {
  it('are the one that it is bound to', () => {
    for (const address of ['192.0.2.1', '127.0.0.1', '::1', '2001:db8::1']) {
      expect(ownCandidates({ address, port: 4000 })).toEqual([[address, 4000]]);
    }
  });

  it.each(['0.0.0.0', '::'])(
    'are those of the host where it is bound to %s, loopback only where there is nothing else',
    (address) => {
      const own = ownCandidates({ address, port: 4000 });
      const all = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
      expect(own.length).toBeLessThanOrEqual(MAX_CANDIDATES);
      for (const [host, port] of own) {
        expect(all.some((entry) => entry.address === host)).toBe(true);
        expect(port).toBe(4000);
        expect(host.includes(':')).toBe(address === '::');
      }
      expect(new Set(own.map(([host]) => isLoopback(host))).size).toBeLessThanOrEqual(1);
      // What it offers it would take itself.
      expect(usableCandidates(own, own)).toEqual(own);
    },
  );
});

describe('an address that the kernel wrote', () => {
  it('is judged as any other, IPv4', () => {
    const octet = fc.integer({ min: 0, max: 255 });
    fc.assert(
      fc.property(fc.tuple(octet, octet, octet, octet), (octets) => {
        const host = octets.join('.');
        expect(isUsableSource(host)).toBe(isUsable(host));
      }),
    );
  });

  it('is judged as any other, IPv6', () => {
    const first = fc.oneof(fc.constantFrom(0, 0x2001, 0xfe80, 0xfebf, 0xfec0, 0xff02, 0xfd00), fc.nat(0xffff));
    fc.assert(
      fc.property(first, fc.array(fc.nat(0xffff), { minLength: 7, maxLength: 7 }), (head, rest) => {
        const groups = [head, ...rest].map((group) => group.toString(16)).join(':');
        const { address: host } = new SocketAddress({ address: groups, family: 'ipv6' });
        expect(isUsableSource(host)).toBe(isUsable(host));
      }),
    );
  });

  it.each(['::', '::1', '::ffff:192.0.2.1', '2001:db8::1', 'fe80::1%eth0', '1::', 'ff02::1'])(
    'is judged alike: %s',
    (host) => {
      expect(isUsableSource(host)).toBe(isUsable(host));
    },
  );
});

import { describe, expect, it } from 'vitest';
import { figuresOf, type Seen } from '../../bench/hostile.js';
import { JUNK_KINDS, junkFile, makeJunk } from '../../bench/junk.js';
import { hasSessionId, isDatagram, readPacketNumber } from '../../shared/wire/datagram.js';

const ID = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
const PEER_ID = Uint8Array.of(8, 7, 6, 5, 4, 3, 2, 1);
const datagram = (id: Uint8Array, number: number, bytes: number): Uint8Array =>
  Buffer.concat([Uint8Array.of(0x41), id, Uint8Array.of(0, 0, 0, 0, 0, number), Buffer.alloc(bytes - 15, number)]);
const seen = {
  received: [datagram(ID, 1, 1200), datagram(ID, 2, 60)],
  sent: [datagram(PEER_ID, 1, 60), datagram(PEER_ID, 2, 1200)],
};
const genuine = new Set(seen.received.map((one) => Buffer.from(one).toString('hex')));
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('junk', () => {
  it.each(JUNK_KINDS)('%s: many, that fit a file of test/lab/junk.c', (kind) => {
    const junk = makeJunk(kind, seen);
    expect(junk.length).toBeGreaterThan(500);
    const bytes = junk.reduce((sum, one) => sum + one.length, 0);
    expect(junkFile(junk)).toHaveLength(bytes + 2 * junk.length);
  });

  it('has what is genuine only where it is replayed', () => {
    for (const kind of JUNK_KINDS) {
      const copies = makeJunk(kind, seen).filter((one) => genuine.has(hex(one))).length;
      expect(copies > 0, kind).toBe(kind === 'replayed datagrams');
    }
  });

  it('reaches the box where it is to: the id is right, the number new', () => {
    for (const one of makeJunk('a garbage box under a good header', seen)) {
      expect(isDatagram(one) && hasSessionId(one, ID)).toBe(true);
      expect(readPacketNumber(Buffer.from(one))).toBeGreaterThan(2 ** 40);
    }
  });

  it('is not to be told by its length alone where it is oversize by one byte', () => {
    expect(makeJunk('datagrams above 8,952 bytes', seen).every(({ length }) => length === 8953)).toBe(true);
  });

  it('does not alter what was recorded', () => {
    const before = [...seen.received, ...seen.sent].map(hex);
    for (const kind of JUNK_KINDS) makeJunk(kind, seen);
    expect([...seen.received, ...seen.sent].map(hex)).toEqual(before);
  });
});

describe('the figures of a flood', () => {
  const of = (rates: number[], residentBytes: number): Seen => {
    return { rates, ms: 1500, sent: 29_700, replies: 0, cpuSeconds: 0.15, victimCpuSeconds: 0.75, residentBytes };
  };

  it('compare medians, and the most memory', () => {
    const none = of([100, 100, 10], 50e6);
    const ignored = of([80, 90, 80], 60e6);
    const victim = { ...of([72, 10, 80], 63e6), replies: 2, victimCpuSeconds: 0.9 };
    const figures = figuresOf('empty datagrams', { none, ignored, victim, before: 60e6 });
    expect(figures.map(({ value, unit }) => `${Math.round(value * 10) / 10} ${unit}`.trim())).toEqual([
      ...['72 MB/s', '90 %', '72 %', '10 %', '10 %', '99 %', '2', '3 MB'],
    ]);
  });
});

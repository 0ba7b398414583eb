import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Bitfield, digestLacks, digestOffers, isAnnouncement, makeDigest } from '../../../shared/artifact/index.js';
import { MAX_CHUNKS } from '../../../shared/limits.js';

function holding(length: number, chunks: Iterable<number>): Bitfield {
  const field = new Bitfield(length);
  for (const i of chunks) field.set(i % length);
  return field;
}

const announce = (held: Bitfield) => ({ held: held.count, digest: makeDigest(held) });

/** Two devices' chunks of one artifact, few or many. */
const pairs = fc
  .integer({ min: 1, max: 2000 })
  .chain((n) => fc.tuple(fc.constant(n), fc.array(fc.nat(n - 1)), fc.array(fc.nat(n - 1))))
  .map(([n, a, b]) => [holding(n, a), holding(n, b)] as const);

describe('the digest', () => {
  it('P-4.4: has one bit per chunk up to 512 chunks, unused bits zero', () => {
    expect([...makeDigest(holding(10, [0, 9]))]).toEqual([0x80, 0x40]);
    expect(makeDigest(new Bitfield(512)).length).toBe(64);
    expect(makeDigest(Bitfield.full(513))).toEqual(new Uint8Array(64).fill(0xff));
    expect(makeDigest(Bitfield.full(MAX_CHUNKS)).length).toBe(64);
  });

  it('P-4.4: bit i stands for chunks floor(i*n/b) to floor((i+1)*n/b), and is set when all are held', () => {
    // 1,025 chunks over 512 bits: two chunks a bit, but three for the last.
    const field = new Bitfield(1025);
    field.set(0);
    expect(makeDigest(field)[0]).toBe(0);
    field.set(1);
    expect(makeDigest(field)[0]).toBe(0x80);
    for (const i of [1022, 1023]) field.set(i);
    expect(makeDigest(field)[63]).toBe(0);
    field.set(1024);
    expect(makeDigest(field)[63]).toBe(1);
  });

  it('P-4.4: an announcement that contradicts itself is none', () => {
    const held = holding(20, [1, 2, 3]);
    const { digest } = announce(held);
    expect(isAnnouncement({ held: 3, digest }, 20)).toBe(true);
    expect(isAnnouncement({ held: 2, digest }, 20)).toBe(false);
    expect(isAnnouncement({ held: 21, digest }, 20)).toBe(false);
    expect(isAnnouncement({ held: 3.5, digest }, 20)).toBe(false);
    expect(isAnnouncement({ held: 3, digest }, 30)).toBe(false);
    expect(isAnnouncement({ held: 20, digest: new Uint8Array(3).fill(0xff) }, 20)).toBe(false);
    expect(digestOffers({ held: 21, digest }, new Bitfield(20))).toBe(false);
    expect(digestLacks({ held: -1, digest: new Uint8Array(3) }, Bitfield.full(20))).toBe(false);
  });
});

describe('what a digest tells', () => {
  it('P-10.2: never claims what is not so', () => {
    fc.assert(
      fc.property(pairs, ([theirs, mine]) => {
        const offers = [...theirs.held()].some((i) => !mine.get(i));
        const lacks = [...mine.held()].some((i) => !theirs.get(i));
        if (digestOffers(announce(theirs), mine)) expect(offers).toBe(true);
        if (digestLacks(announce(theirs), mine)) expect(lacks).toBe(true);
        // Up to 512 chunks the digest is exact.
        if (mine.length <= 512) {
          expect([digestOffers(announce(theirs), mine), digestLacks(announce(theirs), mine)]).toEqual([offers, lacks]);
        }
      }),
    );
  });

  it('P-10.2: brings any two together that hold different numbers of chunks', () => {
    fc.assert(
      fc.property(pairs, ([theirs, mine]) => {
        fc.pre(theirs.count !== mine.count);
        expect(digestOffers(announce(theirs), mine) || digestLacks(announce(theirs), mine)).toBe(true);
      }),
    );
  });
});

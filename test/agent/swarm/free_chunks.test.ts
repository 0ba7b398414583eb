import { describe, expect, it } from 'vitest';
import { FreeChunks } from '../../../agent/swarm/free_chunks.js';
import { Bitfield } from '../../../shared/artifact/bitfield.js';

const CHUNKS = 11;

const only = (...chunks: number[]): Bitfield => {
  const bits = new Bitfield(CHUNKS);
  for (const chunk of chunks) bits.set(chunk);
  return bits;
};

const chunksOf = (bits: Uint8Array | null): number[] =>
  bits === null ? [] : [...new Array(bits.length * 8).keys()].filter((i) => ((bits[i >>> 3] ?? 0) << (i & 7)) & 0x80);

describe('which chunks may be asked for', () => {
  it('is none before the first look, then none that is held, verified now, asked, or past the end', () => {
    const verifying = new Set([2]);
    const free = new FreeChunks({ held: only(0, 5, 9), verifying });
    expect([free.hasAny, free.has(1)]).toEqual([false, false]);
    free.look([3, 4]);
    expect(chunksOf(free.bits)).toEqual([1, 6, 7, 8, 10]);
    expect([free.has(1), free.has(2), free.has(CHUNKS), free.has(10_000)]).toEqual([true, false, false, false]);
    verifying.clear();
    free.look([]);
    expect(chunksOf(free.bits)).toEqual([1, 2, 3, 4, 6, 7, 8, 10]);
  });

  it('P-10.11: is one at a time of those of the same bytes, whether asked before or taken since', () => {
    const twins = (chunk: number): number[] =>
      [
        [1, 8],
        [4, 9, 10],
      ].find((group) => group.includes(chunk)) ?? [];
    const free = new FreeChunks({ held: only(0, 2, 3), verifying: new Set(), twins });
    free.look([1]);
    expect(chunksOf(free.bits)).toEqual([4, 5, 6, 7, 9, 10]);
    free.take(9);
    expect(chunksOf(free.bits)).toEqual([5, 6, 7]);
  });

  it('is of a peer what it holds, is not rather asked of others, and is this device to ask for', () => {
    const free = new FreeChunks({ held: only(0), verifying: new Set() });
    free.look([]);
    const have = only(0, 1, 2, 3, 10).bytes;
    expect(chunksOf(free.wanted(have, null, null))).toEqual([1, 2, 3, 10]);
    expect(chunksOf(free.wanted(have, only(2).bytes, only(2, 3, 4, 10).bytes))).toEqual([3, 10]);
    expect(free.wanted(have, have, null)).toBeNull();
    expect(free.wanted(only(0).bytes, null, null)).toBeNull();
  });

  it('leaves out what is told, until the next look', () => {
    const free = new FreeChunks({ held: new Bitfield(CHUNKS), verifying: new Set() });
    free.look([]);
    free.leaveOut(only(0, 1, 2, 3, 4, 5, 6, 7, 9, 10).bytes);
    expect([chunksOf(free.bits), free.hasAny]).toEqual([[8], true]);
    expect([free.hasAnyOf(only(7, 9).bytes), free.hasAnyOf(only(8).bytes)]).toEqual([false, true]);
    free.take(8);
    expect(free.hasAny).toBe(false);
    free.look([]);
    expect(chunksOf(free.bits)).toHaveLength(CHUNKS);
  });
});

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  Chunker,
  chunkBounds,
  firstAverageLog2,
  GEAR,
  isArtifactSize,
  isAverageLog2,
} from '../../../shared/artifact/index.js';
import { MAX_ARTIFACT_BYTES } from '../../../shared/limits.js';
import { streamBytes, vectorInput } from '../../support/artifact_bytes.js';

interface Vectors {
  gear: string;
  vectors: {
    name: string;
    kind: string;
    seed: string;
    size: number;
    averageLog2: number;
    hex: string;
    lengths: number[];
  }[];
}
const vectors: Vectors = JSON.parse(readFileSync(new URL('../../vectors/chunker.json', import.meta.url), 'utf8'));

/** P-9.4 as it is written: one byte at a time, from the start of each chunk, in arithmetic that cannot overflow. */
function slowCut(bytes: Uint8Array, averageLog2: number): number[] {
  const lengths: number[] = [];
  const { minimum, maximum } = chunkBounds(averageLog2);
  let length = 0;
  let hash = 0;
  for (const byte of bytes) {
    length++;
    if (length <= minimum) continue;
    hash = (hash * 2 + ((GEAR[byte] ?? 0) >>> 0)) % 2 ** 32;
    const bits = length <= 2 ** averageLog2 ? averageLog2 + 2 : averageLog2 - 2;
    if (Math.floor(hash / 2 ** (32 - bits)) === 0 || length === maximum) {
      lengths.push(length);
      length = 0;
      hash = 0;
    }
  }
  return length > 0 ? [...lengths, length] : lengths;
}

function cut(buffers: Iterable<Uint8Array>, averageLog2: number): number[] {
  const chunker = new Chunker(averageLog2);
  const lengths: number[] = [];
  let length = 0;
  for (const bytes of buffers) {
    let from = 0;
    for (let end = chunker.next(bytes, from); end >= 0; end = chunker.next(bytes, from)) {
      lengths.push(length + end - from);
      length = 0;
      from = end;
    }
    length += bytes.length - from;
    expect(chunker.pending).toBe(length);
  }
  return length > 0 ? [...lengths, length] : lengths;
}

describe('the gear table', () => {
  it('P-9.5: is SHA-256 of `chunkmesh gear` and the byte', () => {
    expect(Array.from(GEAR, (value) => (value >>> 0).toString(16).padStart(8, '0')).join('')).toBe(vectors.gear);
  });
});

describe('the cut', () => {
  it.each(vectors.vectors)('P-9.4: $name', (vector) => {
    const bytes = vectorInput(vector);
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(vector.hex);
    expect(cut([bytes], vector.averageLog2)).toEqual(vector.lengths);
  });

  it('P-9.4: equals the slow reference, however the bytes are split', () => {
    // A small average makes many chunks of few bytes: every branch is crossed at every kind of split.
    const splits = fc.array(fc.integer({ min: 0, max: 200 }), { maxLength: 60 });
    const seeds = fc.string({ unit: 'grapheme-ascii', maxLength: 6 });
    fc.assert(
      fc.property(
        seeds,
        fc.integer({ min: 0, max: 6000 }),
        fc.integer({ min: 4, max: 8 }),
        splits,
        (seed, size, k, steps) => {
          const bytes = streamBytes(seed, size);
          const buffers: Uint8Array[] = [];
          let at = 0;
          for (const step of steps) {
            buffers.push(bytes.subarray(at, at + step));
            at += step;
          }
          buffers.push(bytes.subarray(at));
          expect(cut(buffers, k)).toEqual(slowCut(bytes, k));
        },
      ),
    );
  });

  it('P-9.4: equals the slow reference at the real average, and at the largest', () => {
    const bytes = streamBytes('large', 3 * 2 ** 20);
    expect(cut([bytes], 16)).toEqual(slowCut(bytes, 16));
    expect(cut([bytes], 24)).toEqual([bytes.length]);
  });

  it('P-9.3: keeps every chunk but the last within its bounds', () => {
    const lengths = cut([streamBytes('bounds', 4 * 2 ** 20)], 16);
    expect(Math.min(...lengths.slice(0, -1))).toBeGreaterThanOrEqual(2 ** 14);
    expect(Math.max(...lengths)).toBeLessThanOrEqual(2 ** 18);
  });

  it('finds the same chunks again behind an insertion', () => {
    const old = streamBytes('versions', 2 ** 20);
    const made = Buffer.concat([old.subarray(0, 1000), Buffer.from('inserted'), old.subarray(1000)]);
    const before = new Set(cut([old], 13));
    const tail = cut([made], 13).slice(2);
    expect(tail.filter((length) => before.has(length)).length).toBe(tail.length);
  });
});

describe('the average', () => {
  it('P-9.2: is the smallest power of two, at least 64 KiB, that leaves at most 12,288 chunks', () => {
    expect(firstAverageLog2(1)).toBe(16);
    expect(firstAverageLog2(12_288 * 65_536)).toBe(16);
    expect(firstAverageLog2(12_288 * 65_536 + 1)).toBe(17);
    expect(firstAverageLog2(MAX_ARTIFACT_BYTES)).toBe(23);
  });

  it('P-9.2: may be doubled twice and no more', () => {
    expect([15, 16, 17, 18, 19].map((k) => isAverageLog2(k, 1000))).toEqual([false, true, true, true, false]);
  });

  it('P-9.1: an artifact has 1 byte to 64 GiB', () => {
    expect([0, 1, 1.5, -1, Number.NaN].map(isArtifactSize)).toEqual([false, true, false, false, false]);
    expect(isArtifactSize(MAX_ARTIFACT_BYTES)).toBe(true);
    expect(isArtifactSize(MAX_ARTIFACT_BYTES + 1)).toBe(false);
  });
});

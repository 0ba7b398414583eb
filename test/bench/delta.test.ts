import { describe, expect, it } from 'vitest';
import { rsyncLiteralBytes, zchunkDeltaBytes } from '../../bench/contenders/delta_contenders.js';
import { newChunkBytes } from '../../bench/delta.js';
import { encodeIndex } from '../../shared/artifact/index.js';

/** An artifact of chunks of 64 KiB, each named by a number. */
function artifact(...names: number[]): ReturnType<typeof encodeIndex> {
  const chunks = names.map((name) => ({ length: 65_536, hash: new Uint8Array(32).fill(name) }));
  return encodeIndex({ averageLog2: 16, size: 65_536 * names.length, sha256: new Uint8Array(32), chunks });
}

describe('what must move', () => {
  it('is each chunk that is new, once', () => {
    expect(newChunkBytes(artifact(1, 2, 3, 4, 4, 5), artifact(3, 2, 1, 9))).toBe(2 * 65_536);
    expect(newChunkBytes(artifact(1, 2), artifact(2, 1))).toBe(0);
  });
});

describe('what others say', () => {
  it('is found in what rsync prints', () => {
    const text = 'Total file size: 97,280,000 bytes\nLiteral data: 1,234,567 bytes\nMatched data: 96,045,433 bytes\n';
    expect(rsyncLiteralBytes(text)).toBe(1_234_567);
    expect(() => rsyncLiteralBytes('rsync error')).toThrow('no statistics');
  });

  it('is found in what zck_delta_size prints', () => {
    expect(zchunkDeltaBytes('Would download 3381 of 4005 bytes\nMatched 3 of 9 chunks\n')).toBe(3381);
    expect(() => zchunkDeltaBytes('')).toThrow('no sizes');
  });
});

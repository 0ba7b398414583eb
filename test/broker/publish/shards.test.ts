import { describe, expect, it } from 'vitest';
import { shardCount } from '../../../broker/publish/shards.js';

describe('shardCount (P-2.4, P-10.9)', () => {
  it.each([
    [0, 1],
    [32, 1],
    [33, 2],
    [65, 4],
    [1000, 32],
    [1_000_000, 32_768],
    [10_000_000, 32_768],
  ])('of %d devices is %d', (devices, shards) => {
    expect(shardCount(devices)).toBe(shards);
  });
});

import { describe, expect, it } from 'vitest';
import { TokenBuckets } from '../../agent/token_buckets.js';

const MAX_SENDERS = 4_096;
const taken = (buckets: TokenBuckets, sender: string, times: number, now: number): number =>
  Array.from({ length: times }, () => buckets.take(sender, now)).filter((may) => may).length;

describe('TokenBuckets', () => {
  it('gives each sender its burst at once, then its rate, and never more than the burst after a pause', () => {
    const buckets = new TokenBuckets({ burst: 10, perSecond: 2 });
    expect([taken(buckets, 'a', 50, 0), taken(buckets, 'b', 50, 0)]).toEqual([10, 10]);
    expect(taken(buckets, 'a', 50, 499)).toBe(0);
    expect(taken(buckets, 'a', 50, 500)).toBe(1);
    expect(taken(buckets, 'a', 50, 3_500)).toBe(6);
    expect(taken(buckets, 'a', 50, 1e9)).toBe(10);
  });

  it('fills as fast for who asks all the time as for who waits', () => {
    const buckets = new TokenBuckets({ burst: 1, perSecond: 1 });
    let taken = 0;
    for (let now = 0; now <= 100_000; now++) if (buckets.take('a', now)) taken++;
    expect(taken).toBeGreaterThanOrEqual(100);
    expect(taken).toBeLessThanOrEqual(101);
  });

  it('takes nothing away for a clock that stands still or goes back', () => {
    const buckets = new TokenBuckets({ burst: 2, perSecond: 1 });
    expect([buckets.take('a', 100), buckets.take('a', 100), buckets.take('a', 100)]).toEqual([true, true, false]);
    expect(buckets.take('a', 1_100)).toBe(true);
  });

  it('remembers 4,096 senders, and forgets the one that was quiet for longest', () => {
    const buckets = new TokenBuckets({ burst: 1, perSecond: 0 });
    for (let i = 0; i < MAX_SENDERS; i++) buckets.take(`d${i}`, i);
    expect(buckets.size).toBe(MAX_SENDERS);
    // `d0` is heard again, so that `d1` is now the quietest.
    expect(buckets.take('d0', MAX_SENDERS)).toBe(false);
    buckets.take('one more', MAX_SENDERS);
    expect(buckets.size).toBe(MAX_SENDERS);
    expect(buckets.take('d0', MAX_SENDERS)).toBe(false);
    expect(buckets.take('d1', MAX_SENDERS)).toBe(true);
  });
});

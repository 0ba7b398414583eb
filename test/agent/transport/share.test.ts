import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { divide, divideByUse } from '../../../agent/transport/share.js';

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
const ALL = Number.POSITIVE_INFINITY;

describe('sharing a rate', () => {
  it.each([
    [90, [ALL, ALL, ALL], [30, 30, 30]],
    [90, [10, ALL, ALL], [10, 40, 40]],
    [90, [10, 30, ALL], [10, 30, 50]],
    [90, [10, 20, 30], [20, 30, 40]],
    [90, [0, 0], [45, 45]],
    [0, [ALL, 5], [0, 0]],
    [90, [], []],
  ])('divides %d among %j as %j', (total, wants, shares) => {
    expect(divide(total, wants)).toEqual(shares);
  });

  it('gives out all there is and no more, and nobody less than the lesser of an equal share and what he wants', () => {
    const wants = fc.array(fc.oneof(fc.constant(ALL), fc.integer({ min: 0, max: 1000 })), {
      minLength: 1,
      maxLength: 12,
    });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 5000 }), wants, (total, list) => {
        const shares = divide(total, list);
        expect(sum(shares)).toBeCloseTo(total, 6);
        for (const [i, share] of shares.entries()) {
          expect(share).toBeGreaterThanOrEqual(Math.min(list[i] ?? 0, total / list.length) - 1e-9);
        }
      }),
    );
  });

  it('goes from a session that uses little to one that uses all, and comes back when the other wants it', () => {
    let limits = divideByUse(100, [
      { took: 50, limit: 50 },
      { took: 4, limit: 50 },
    ]);
    expect(limits).toEqual([94, 6]);
    for (let round = 0; round < 20; round++)
      limits = divideByUse(
        100,
        limits.map((limit) => ({ took: limit, limit })),
      );
    expect(limits).toEqual([50, 50]);
  });
});

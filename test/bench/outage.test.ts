import { describe, expect, it } from 'vitest';
import { reachedAfter, type Sample } from '../../bench/outage.js';

/** Each 10 ms. */
const samplesOf = (...rates: number[]): Sample[] => {
  let bytes = 0;
  return [
    { ms: 0, bytes },
    ...rates.map((rate, i) => {
      bytes += rate * 10;
      return { ms: (i + 1) * 10, bytes };
    }),
  ];
};

describe('the time until a rate is reached', () => {
  it('goes to the end of the first span that has it', () => {
    expect(reachedAfter(samplesOf(0, 0, 4, 6, 6, 6), 0, 20, 5)).toBe(40);
  });

  it('counts from when it is told to', () => {
    expect(reachedAfter(samplesOf(9, 9, 0, 0, 6, 6), 20, 20, 5)).toBe(40);
  });

  it('is endless where it never is', () => {
    expect(reachedAfter(samplesOf(4, 4, 4), 0, 20, 5)).toBe(Number.POSITIVE_INFINITY);
    expect(reachedAfter([], 0, 20, 5)).toBe(Number.POSITIVE_INFINITY);
  });
});

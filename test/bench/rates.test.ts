import { describe, expect, it } from 'vitest';
import type { Mark } from '../../bench/mesh/wire.js';
import { holdsAfter, offBy, ratesBetween } from '../../bench/rates.js';

const MB = 1e6;

function mark(ms: number, ...sent: number[]): Mark {
  const never = { movedMs: Number.NEGATIVE_INFINITY, endedMs: Number.POSITIVE_INFINITY };
  const sessions = sent.map((megabytes) => ({ sent: megabytes * MB, received: 0 }));
  return { ms, cpuSeconds: 0, dropped: 0, bytes: 0, bytesFromDisk: 0, peers: sent.length, sessions, ...never };
}

describe('the rates between two marks', () => {
  const [before, after] = [mark(1000, 1, 1), mark(3000, 5, 7, 2)];

  it('are of all sessions together, those that began meanwhile too', () => {
    expect(ratesBetween(before, after, { way: 'sent', each: false })).toEqual([6]);
  });

  it('are of the two busiest, each', () => {
    expect(ratesBetween(before, after, { way: 'sent', each: true })).toEqual([3, 2]);
  });

  it('are those of what is asked for', () => {
    expect(ratesBetween(before, after, { way: 'received', each: false })).toEqual([0]);
  });

  it('are off by what the worst is, above or below', () => {
    expect(offBy(5, [5.1, 4.8])).toBeCloseTo(4);
    expect(offBy(5, [5.2, 4.9])).toBeCloseTo(4);
    expect(offBy(5, [5])).toBe(0);
  });
});

describe('the time after which a ceiling holds', () => {
  const off = (before: Mark, after: Mark): number =>
    offBy(1, ratesBetween(before, after, { way: 'sent', each: false }));

  it('is none where every second is within the limits', () => {
    expect(holdsAfter([mark(0, 0), mark(500, 0.5), mark(1000, 1), mark(1500, 1.5)], off)).toBe(0);
  });

  it('ends where the last second begins that is not', () => {
    const marks = [mark(0, 0), mark(500, 3), mark(1000, 3.5), mark(1500, 4), mark(2000, 4.5)];
    expect(holdsAfter(marks, off)).toBe(500);
  });
});

import { describe, expect, it } from 'vitest';
import { type BarRule, judge } from '../../bench/bars.js';

const line = (subject: string, median: number) => {
  return { subject, metric: 'goodput', unit: 'MB/s', median, min: median, max: median };
};
const results = [line('ours', 90), line('theirs', 100)];
const rule = (change: Partial<BarRule>): BarRule => {
  return { subject: 'ours', metric: 'goodput', is: 'at least', limit: 90, ...change };
};
const theirs = { subject: 'theirs', metric: 'goodput' };
const first = (change: Partial<BarRule>) => judge([rule(change)], results)[0];

describe('a bar', () => {
  it('is met at its limit, from either side', () => {
    expect(first({})).toEqual({ name: 'ours: goodput at least', bar: 90, measured: 90, ok: true });
    expect(first({ limit: 90.1 })?.ok).toBe(false);
    expect(first({ is: 'at most' })?.ok).toBe(true);
    expect(first({ is: 'at most', limit: 89.9 })?.ok).toBe(false);
  });

  it('may be a part of another figure of the same run, or so much above it', () => {
    expect(first({ limit: 0.9, of: theirs })).toMatchObject({
      name: 'ours: goodput at least 0.9 x theirs',
      bar: 90,
      ok: true,
    });
    expect(first({ limit: 1, of: theirs })).toMatchObject({ bar: 100, ok: false });
    const above = first({ is: 'at most', limit: -20, of: { ...theirs, above: true } });
    expect(above).toMatchObject({ name: 'ours: goodput at most -20 above theirs', bar: 80, ok: false });
  });

  it('is not met by silence', () => {
    expect(first({ subject: 'nobody' })).toMatchObject({ measured: null, ok: false });
    expect(first({ is: 'at most', of: { ...theirs, subject: 'nobody' } })).toMatchObject({ bar: null, ok: false });
  });
});

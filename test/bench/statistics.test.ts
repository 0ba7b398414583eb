import { describe, expect, it } from 'vitest';
import { measured, median, summarise } from '../../bench/statistics.js';

const sample = (subject: string, metric: string, value: number) => ({ subject, metric, unit: 'MB/s', value });

describe('the median', () => {
  it.each([
    [[3], 3],
    [[3, 1, 2], 2],
    [[4, 1, 3, 2], 2],
    [[10, 9, 100], 10],
  ])('of %j is %d', (values, expected) => {
    expect(median(values)).toBe(expected);
  });

  it('of nothing is no number', () => {
    expect(median([])).toBeNaN();
  });
});

describe('a summary', () => {
  const results = summarise([
    ...[sample('a', 'goodput', 5), sample('b', 'goodput', 1), sample('a', 'goodput', 7), sample('a', 'loss', 0)],
    ...[sample('a', 'goodput', 6)],
  ]);

  it('has one line for each subject and metric, in the order of their first sample', () => {
    expect(results).toEqual([
      { subject: 'a', metric: 'goodput', unit: 'MB/s', median: 6, min: 5, max: 7 },
      { subject: 'b', metric: 'goodput', unit: 'MB/s', median: 1, min: 1, max: 1 },
      { subject: 'a', metric: 'loss', unit: 'MB/s', median: 0, min: 0, max: 0 },
    ]);
  });

  it('is asked for a median, and knows what was not measured', () => {
    expect(measured(results, 'a', 'goodput')).toBe(6);
    expect(measured(results, 'c', 'goodput')).toBeUndefined();
  });
});

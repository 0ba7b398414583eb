import { describe, expect, it } from 'vitest';
import { formatJson, formatText } from '../../bench/report.js';

const report = {
  ...{ name: 'pair', machine: 'a machine', rounds: 2 },
  results: [{ subject: 'ours', metric: 'goodput', unit: 'MB/s', median: 101.23456, min: 99, max: 1234.567 }],
  bars: [
    { name: 'ours: goodput at least', bar: 100, measured: 101.23456, ok: true },
    { name: 'ours: goodput at least 0.5 x theirs', bar: null, measured: 101.23456, ok: false },
  ],
};

describe('a report', () => {
  it('is one JSON object, to four digits', () => {
    expect(JSON.parse(formatJson(report))).toEqual({
      ...report,
      results: [{ subject: 'ours', metric: 'goodput', unit: 'MB/s', median: 101.2, min: 99, max: 1235 }],
      bars: [
        { name: 'ours: goodput at least', bar: 100, measured: 101.2, ok: true },
        { name: 'ours: goodput at least 0.5 x theirs', bar: null, measured: 101.2, ok: false },
      ],
    });
  });

  it('is two tables for a person', () => {
    const text = formatText(report);
    expect(text).toMatch(/^pair: a machine, rounds: 2\n/);
    expect(text).toMatch(/^ours +goodput +101\.2 +99 +1235 +MB\/s$/m);
    expect(text).toMatch(/^ours: goodput at least +100 +101\.2 +ok$/m);
    expect(text).toMatch(/^ours: goodput at least 0\.5 x theirs +- +101\.2 +NOT MET$/m);
    expect(formatText({ ...report, bars: [] })).not.toContain('limit');
  });
});

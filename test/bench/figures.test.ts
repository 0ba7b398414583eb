import { describe, expect, it } from 'vitest';
import { fileBytes } from '../../bench/contenders/test_file.js';
import { ofTheLink } from '../../bench/loss.js';
import { figuresOf } from '../../bench/pair.js';

describe('the figures of a transfer', () => {
  it('are per second and per GB', () => {
    const end = { cpuSeconds: 4, peakBytes: 100e6 };
    const outcome = {
      seconds: 5,
      secondsComplete: 10,
      sender: end,
      receiver: { ...end, cpuSeconds: 6 },
      dropped: 3,
      bytesFromNetwork: 0,
      bytesFromDisk: 0,
    };
    expect(figuresOf(outcome, 500e6).map(({ value, unit }) => `${value} ${unit}`.trim())).toEqual([
      ...['100 MB/s', '50 MB/s', '8 s/GB', '12 s/GB', '100 MB', '100 MB', '3'],
    ]);
  });
});

describe('the part of a link', () => {
  it('is of the payload that it can carry, for each protocol its own', () => {
    expect(ofTheLink('foreground', 95.33, 100e6)).toBeCloseTo(100, 1);
    expect(ofTheLink('background', 47.67, 100e6)).toBeCloseTo(50, 1);
    expect(ofTheLink('tcp', 96.53, 100e6)).toBeCloseTo(100, 1);
  });

  it('is not used up before the end', () => {
    expect(fileBytes(100e6, 20)).toBeGreaterThanOrEqual(12.5e6 * 30);
  });
});

import { describe, expect, it } from 'vitest';
import { rateArgument } from '../../bin/arguments.js';
import { parseSettings } from '../../bin/config/agent_config.js';
import { parseRate } from '../../bin/config/rate.js';

describe('rates as they are typed', () => {
  it.each([
    ['1000', 1000],
    ['500k', 500_000],
    ['2.5M', 2_500_000],
    ['1G', 1_000_000_000],
  ])('%s', (text, bytes) => {
    expect(parseRate(text)).toBe(bytes);
    expect(rateArgument('--up-rate')(text)).toBe(bytes);
    expect(parseSettings({ upRate: text }, 'file').upRate).toBe(bytes);
  });

  it('takes a number from a file', () => {
    expect(parseSettings({ downRate: 5000 }, 'file')).toEqual({ downRate: 5000 });
  });

  it.each(['', 'fast', '-1', '1e6', '10 k', '1kB', '0x10', '.5M', '999', '5G', '1'.repeat(400)])(
    'refuses %j',
    (text) => {
      expect(() => rateArgument('--up-rate')(text)).toThrowError(expect.objectContaining({ code: 'E_ARGUMENT' }));
    },
  );

  it.each(['', 'fast', true, null, []])('E_CONFIG: refuses %j in a file', (value) => {
    expect(() => parseSettings({ upRate: value }, 'file')).toThrowError(expect.objectContaining({ code: 'E_CONFIG' }));
  });
});

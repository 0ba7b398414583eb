import { describe, expect, it } from 'vitest';
import { Hours } from '../../agent/hours.js';

const at = (time: string) => new Date(`2026-03-01T${time}:00`);

describe('hours of the day', () => {
  it.each([
    ['22:00-06:00', '21:59', false],
    ['22:00-06:00', '22:00', true],
    ['22:00-06:00', '00:00', true],
    ['22:00-06:00', '05:59', true],
    ['22:00-06:00', '06:00', false],
    ['12:00-13:30', '13:29', true],
    ['12:00-13:30', '13:30', false],
    ['01:00-02:00, 12:00-13:00', '12:30', true],
    ['18:00-24:00', '17:59', false],
    ['18:00-24:00', '23:59', true],
    ['18:00-24:00', '00:00', false],
    ['18:00-00:00', '23:59', true],
    ['18:00-00:00', '00:00', false],
    ['00:00-24:00', '12:00', true],
    ['01:00-02:00, 12:00-13:00', '03:00', false],
  ])('%s at %s: %s', (hours, time, open) => {
    expect(new Hours(hours).isOpen(at(time))).toBe(open);
  });

  it.each([
    '',
    '22:00',
    '22-06',
    '24:00-06:00',
    '24:00-24:00',
    '22:00-24:01',
    '00:00-00:00',
    '22:60-06:00',
    '06:00-06:00',
    '22:00-06:00,',
    '1:00-2:00',
    'x'.repeat(1000),
    Array.from({ length: 25 }, () => '01:00-02:00').join(','),
  ])('E_CONFIG: refuses %j', (text) => {
    expect(() => new Hours(text)).toThrowError(expect.objectContaining({ code: 'E_CONFIG' }));
  });
});

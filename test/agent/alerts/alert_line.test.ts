import { describe, expect, it } from 'vitest';
import { LineCutter, MAX_LINE_BYTES, parseAlert } from '../../../agent/alerts/alert_line.js';
import { codeOf } from '../../support/members.js';

describe('P-15.8: a line of the alert socket', () => {
  it.each([
    ['{"kind":"tamper","text":"case opened"}', { kind: 'tamper', text: 'case opened' }],
    ['{"kind":"tamper"}', { kind: 'tamper', text: '' }],
    ['{"kind":"tamper","text":"x","more":[1]}', { kind: 'tamper', text: 'x' }],
    ['tamper case opened', { kind: 'tamper', text: 'case opened' }],
    ['  tamper\tcase  opened \r', { kind: 'tamper', text: 'case  opened' }],
    ['tamper', { kind: 'tamper', text: '' }],
    [`t ${'x'.repeat(256)}`, { kind: 't', text: 'x'.repeat(256) }],
  ])('%s is an alert', (line, alert) => {
    expect(parseAlert(line)).toEqual(alert);
  });

  it.each([
    '',
    ' ',
    '{',
    '{}',
    '[]',
    '{"kind":7}',
    '{"kind":"a b"}',
    '{"kind":"__proto__"}',
    '{"kind":"tamper","text":7}',
    '{"kind":"tamper","text":"\\u001b[2J"}',
    'door: opened',
    'tamper caf\u00e9',
    'tamper \u0000',
    'tamper \ufffd',
    `t ${'x'.repeat(257)}`,
    'x'.repeat(65),
    `{"kind":"tamper","text":${'['.repeat(500)}`,
  ])('%s is refused with E_ALERT', (line) => {
    expect(codeOf(() => parseAlert(line))).toBe('E_ALERT');
  });
});

describe('LineCutter', () => {
  it('cuts lines wherever the pieces end', () => {
    const whole = Buffer.from('one\ntwo two\n\nthree');
    for (let size = 1; size <= whole.length; size++) {
      const cutter = new LineCutter();
      const lines: string[] = [];
      for (let at = 0; at < whole.length; at += size)
        lines.push(...(cutter.push(whole.subarray(at, at + size)) ?? ['?']));
      expect(lines).toEqual(['one', 'two two', '']);
      expect(cutter.end()).toBe('three');
      expect(cutter.end()).toBeUndefined();
    }
  });

  it('takes a line of the most that there may be, and none that is longer, at once or in pieces', () => {
    const most = Buffer.alloc(MAX_LINE_BYTES, 'x');
    expect(new LineCutter().push(Buffer.concat([most, Buffer.from('\n')]))).toHaveLength(1);
    expect(new LineCutter().push(Buffer.concat([most, Buffer.from('x\n')]))).toBeNull();
    const cutter = new LineCutter();
    for (let i = 0; i < MAX_LINE_BYTES; i++) expect(cutter.push(Buffer.from('x'))).toEqual([]);
    expect(cutter.push(Buffer.from('x'))).toBeNull();
  });

  it('does not throw for random bytes', () => {
    for (let i = 0; i < 200; i++) {
      const bytes = Buffer.from(Array.from({ length: 300 }, (_, j) => (i * 31 + j * j * 7) % 256));
      for (const line of new LineCutter().push(bytes) ?? [])
        expect(['E_ALERT', 'accepted']).toContain(codeOf(() => parseAlert(line)));
    }
  });
});

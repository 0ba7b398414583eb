import { describe, expect, it } from 'vitest';
import { checkId, checkPrefix, isArtifactName, isId, isPrefix, isVersion } from '../../../shared/control/ids.js';
import { codeOf } from '../../support/members.js';

/** What none of the patterns may take, wherever it stands in a name. */
const NEVER = [
  '/',
  '+',
  '#',
  '\0',
  '\n',
  '\r',
  ' ',
  '$',
  '%',
  '"',
  "'",
  '\\',
  ':',
  '*',
  'é',
  '\u{1f600}',
  '\u202e',
  'А',
];

describe('P-1.1 ids', () => {
  it('refuses `__proto__`, which JSON does not give back', () => {
    expect(isId('__proto__')).toBe(false);
  });

  it.each(['a', 'Z', '0', '_', '-', 'cam-1', '__proto', '__proto___', '-'.repeat(64), 'A_b-9'])('takes %j', (id) => {
    expect(isId(id)).toBe(true);
    expect(checkId(id, 'device id')).toBe(id);
  });

  it('takes 64 characters and refuses 0 and 65', () => {
    expect(['', 'a'.repeat(64), 'a'.repeat(65)].map(isId)).toEqual([false, true, false]);
  });

  it.each([...NEVER, '.'])('refuses %j alone, before, inside and behind an id', (bad) => {
    for (const id of [bad, `${bad}a`, `a${bad}b`, `a${bad}`]) expect(isId(id)).toBe(false);
  });

  it('says which id, with its beginning alone, escaped', () => {
    expect(() => checkId('a/b', 'site id')).toThrow('site id "a/b" breaks the pattern');
    expect(codeOf(() => checkId(`\n${'x'.repeat(10 ** 6)}`, 'site id'))).toBe('E_ID');
    expect(() => checkId(`\n${'x'.repeat(10 ** 6)}`, 'site id')).toThrow(/^site id "\\nx{79}" breaks the pattern$/);
  });
});

describe('P-1.2 versions', () => {
  it.each(['1', '1.2.3', '2.0.0-rc.1+build.7', '_', '-1', 'v1', '1..2', 'a.'])('takes %j', (version) => {
    expect(isVersion(version)).toBe(true);
  });

  it('takes 64 characters and refuses 0 and 65', () => {
    expect(['', '1'.repeat(64), '1'.repeat(65)].map(isVersion)).toEqual([false, true, false]);
  });

  it('refuses a dot in front: no version is a path upwards, or hidden', () => {
    expect(['.', '..', '.1', '../1'].map(isVersion)).toEqual([false, false, false, false]);
  });

  it.each(NEVER.filter((bad) => bad !== '+'))('refuses %j anywhere', (bad) => {
    for (const version of [bad, `${bad}1`, `1${bad}2`, `1${bad}`]) expect(isVersion(version)).toBe(false);
  });
});

describe('P-1.3 artifact names', () => {
  const name = '0123456789abcdef'.repeat(4);

  it('takes 64 characters of lower-case hex and refuses 63, 65, upper case and others', () => {
    expect(isArtifactName(name)).toBe(true);
    const bad = [
      '',
      name.slice(1),
      `${name}0`,
      name.toUpperCase(),
      `g${name.slice(1)}`,
      ` ${name.slice(1)}`,
      `${name}\n`,
    ];
    for (const other of bad) expect(isArtifactName(other)).toBe(false);
  });
});

describe('P-1.4 topic prefixes', () => {
  it('takes one to four segments and refuses none and five', () => {
    const prefixes = ['', 'a', 'a/b', 'a/b/c', 'a/b/c/d', 'a/b/c/d/e'];
    expect(prefixes.map(isPrefix)).toEqual([false, true, true, true, true, false]);
  });

  it('takes 54 bytes and refuses 55', () => {
    expect(isPrefix(`${'a'.repeat(20)}/${'b'.repeat(33)}`)).toBe(true);
    expect(isPrefix(`${'a'.repeat(20)}/${'b'.repeat(34)}`)).toBe(false);
  });

  it.each([
    '/',
    '/a',
    'a/',
    'a//b',
    '+',
    '#',
    'a/+',
    'a/#',
    '$SYS',
    '$share/g/a',
    'a/$b',
    'a/b c',
    'a/.',
    'a/..',
    'é',
    'a\0',
  ])('refuses %j', (prefix) => {
    expect(isPrefix(prefix)).toBe(false);
    expect(codeOf(() => checkPrefix(prefix))).toBe('E_TOPIC_PREFIX');
  });

  it('gives back what it takes', () => {
    expect(checkPrefix('chunkmesh/fleet1')).toBe('chunkmesh/fleet1');
  });
});

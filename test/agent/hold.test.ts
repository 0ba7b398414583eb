import { describe, expect, it } from 'vitest';
import { Hold } from '../../agent/hold.js';
import { Throttle } from '../../agent/throttle.js';
import { coded } from '../support/store_fixture.js';

describe('Hold', () => {
  it.each([
    [undefined, [], ['firmware', 'all']],
    ['firmware', ['firmware'], ['firmware-2', 'model']],
    ['firmware, model', ['firmware', 'model'], ['firm']],
    ['all', ['firmware', 'anything'], []],
  ])('%s', (text, held, free) => {
    const hold = new Hold(text);
    expect(held.map((name) => hold.covers(name))).toEqual(held.map(() => true));
    expect(free.map((name) => hold.covers(name))).toEqual(free.map(() => false));
  });

  it.each([
    'ALL',
    'All',
    'all,firmware',
    'firmware, all',
    '',
    ',',
    'firmware,',
    'a b',
    '*',
    'a/b',
    '__proto__',
    'x'.repeat(65),
    Array(513).fill('a').join(','),
  ])('refuses %s as E_CONFIG', (text) => {
    expect(() => new Hold(text)).toThrow(coded('E_CONFIG') as Error);
    expect(() => new Hold(text)).toThrow(/^hold: /);
  });
});

describe('Throttle', () => {
  it('takes what is held back with the other limits, and leaves all as it was where one of them is wrong', () => {
    const throttle = new Throttle(0, { hold: 'firmware', upRate: 5000 });
    expect([throttle.holds('firmware'), throttle.holds('model')]).toEqual([true, false]);
    expect(() => throttle.set(0, { hold: 'model', hours: 'never' })).toThrow(coded('E_CONFIG') as Error);
    expect(() => throttle.set(0, { hold: 'no name', upRate: 9000 })).toThrow(coded('E_CONFIG') as Error);
    expect([throttle.limits, throttle.holds('firmware')]).toEqual([{ hold: 'firmware', upRate: 5000 }, true]);
    throttle.set(0, {});
    expect(throttle.holds('firmware')).toBe(false);
  });
});

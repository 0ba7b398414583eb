import { describe, expect, it } from 'vitest';
import { isTold, Tally } from '../../shared/tally.js';

const MAX_COUNTED = 1_024;
const HOUR_MS = 3_600_000;

describe('isTold', () => {
  it('of the first, second, fourth, eighth, ..., up to 2^32', () => {
    const first = Array.from({ length: 1_025 }, (_, i) => i).filter(isTold);
    expect(first).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]);
    expect([2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1, 2 ** 32].map(isTold)).toEqual([false, true, false, true]);
  });
});

describe('Tally', () => {
  const told = (tally: Tally, what: string, times: number, now = 0): number[] =>
    Array.from({ length: times }, () => tally.add(what, now)).filter((count) => count !== null);

  it('counts each thing by itself', () => {
    const tally = new Tally();
    expect(told(tally, 'a', 5)).toEqual([1, 2, 4]);
    expect(told(tally, 'b', 1)).toEqual([1]);
    expect(told(tally, 'a', 4)).toEqual([8]);
  });

  it('begins anew after an hour without, and not before', () => {
    const tally = new Tally();
    told(tally, 'a', 100);
    expect(told(tally, 'a', 1, HOUR_MS - 1)).toEqual([]);
    expect(told(tally, 'a', 2, 2 * HOUR_MS - 1)).toEqual([1, 2]);
  });

  it('forgets what begins with a name, and nothing else', () => {
    const tally = new Tally();
    for (const what of ['a/1', 'a/2', 'b/1']) told(tally, what, 3);
    tally.forget('a/');
    expect(['a/1', 'a/2', 'b/1'].map((what) => tally.add(what, 0))).toEqual([1, 1, 4]);
  });

  it('counts 1,024 things apart and what comes beyond together: names without end tell no more than one', () => {
    const tally = new Tally();
    for (let i = 0; i < MAX_COUNTED; i++) tally.add(`a${i}`, 0);
    const lines = Array.from({ length: 10_000 }, (_, i) => tally.add(`b${i}`, 1)).filter((count) => count !== null);
    expect(lines.length).toBe(14);
    expect(tally.size).toBe(MAX_COUNTED + 1);
    expect(tally.add('a0', 2)).toBe(2);
  });

  it('has room again for new things once the quietest were quiet for an hour', () => {
    const tally = new Tally();
    for (let i = 0; i < MAX_COUNTED; i++) tally.add(`a${i}`, i);
    expect(told(tally, 'b', 3, HOUR_MS)).toEqual([1, 2]);
    expect(tally.size).toBe(MAX_COUNTED);
    expect(tally.add('a1', HOUR_MS)).toBe(2);
  });
});

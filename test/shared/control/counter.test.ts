import { describe, expect, it } from 'vitest';
import { ClockCounter, EPOCH_MESSAGES, EpochCounter, MAX_EPOCH, nextEpoch } from '../../../shared/control/counter.js';

const SECONDS = 1_900_000_000;
const none = (): void => {};

describe('P-3.8 the epoch of a start', () => {
  it('rises by one at least, whatever the clock says', () => {
    expect(nextEpoch(undefined, Number.NaN)).toBe(1);
    expect(nextEpoch(7, Number.NaN)).toBe(8);
    for (const now of [0, -5, 6, 7.9, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 2 ** 32, 2 ** 50]) {
      expect(nextEpoch(7, now), `${now}`).toBe(8);
    }
  });

  it('is the clock’s seconds where these are more: a device that lost its store is heard at once', () => {
    expect(nextEpoch(7, SECONDS + 0.9)).toBe(SECONDS);
    expect(nextEpoch(undefined, SECONDS)).toBe(SECONDS);
    // A clock that went back takes nothing back.
    expect(nextEpoch(SECONDS, SECONDS - 1000)).toBe(SECONDS + 1);
  });

  it('ends at the last there is, whose last number is 2^53 - 1', () => {
    expect(nextEpoch(MAX_EPOCH - 1, 0)).toBe(MAX_EPOCH);
    expect(nextEpoch(MAX_EPOCH, 0)).toBe(MAX_EPOCH);
    expect(MAX_EPOCH * EPOCH_MESSAGES + EPOCH_MESSAGES - 1).toBe(Number.MAX_SAFE_INTEGER);
  });
});

describe('P-3.8 numbers of a device', () => {
  it('begin with the epoch and rise by one', () => {
    const counter = new EpochCounter(3, none);
    const first = 3 * EPOCH_MESSAGES;
    expect([counter.next(), counter.next(), counter.next()]).toEqual([first, first + 1, first + 2]);
  });

  it('go on into the next epoch, which was remembered half an epoch before', () => {
    const reserved: number[] = [];
    const counter = new EpochCounter(3, (epoch) => reserved.push(epoch));
    const at = (count: number): void => {
      while (counter.next() < 3 * EPOCH_MESSAGES + count);
    };
    at(EPOCH_MESSAGES / 2 - 1);
    expect(reserved).toEqual([]);
    at(EPOCH_MESSAGES / 2);
    expect(reserved).toEqual([4]);
    at(EPOCH_MESSAGES);
    expect(reserved).toEqual([4]);
    at(EPOCH_MESSAGES + EPOCH_MESSAGES / 2);
    expect(reserved).toEqual([4, 5]);
  });

  it('never pass 2^53 - 1', () => {
    const counter = new EpochCounter(MAX_EPOCH, none);
    for (let i = 1; i < EPOCH_MESSAGES; i++) counter.next();
    expect([counter.next(), counter.next()]).toEqual([Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER]);
  });
});

describe('P-3.8 numbers of who keeps no state', () => {
  it('are the clock’s microseconds, each once, though the clock stands still or goes back', () => {
    let now = 10.7;
    const counter = new ClockCounter(() => now);
    expect([counter.next(), counter.next()]).toEqual([10, 11]);
    now = 5;
    expect(counter.next()).toBe(12);
    now = 1000;
    expect([counter.next(), counter.next()]).toEqual([1000, 1001]);
  });
});

import { describe, expect, it } from 'vitest';
import { LEFT_REFUSED_MS, MAX_REFUSED, PROBATION_MS, REFUSED_MS } from '../../../agent/swarm/limits.js';
import { isSpare, leastUseful, Refusals } from '../../../agent/swarm/refusals.js';

describe('P-10.3, P-10.4 whom a device refuses', () => {
  it('is for good who sent wrong bytes, told once', () => {
    const refusals = new Refusals();
    expect([refusals.ban('liar'), refusals.ban('liar')]).toEqual([true, false]);
    expect(refusals.isRefused('liar', Number.MAX_SAFE_INTEGER)).toBe(true);
    expect(refusals.isRefused('other', 0)).toBe(false);
  });

  it('is for ten minutes whose session made room', () => {
    const refusals = new Refusals();
    refusals.madeRoom('slow', 5);
    expect([refusals.isRefused('slow', 5 + REFUSED_MS - 1), refusals.isRefused('slow', 5 + REFUSED_MS)]).toEqual([
      true,
      false,
    ]);
  });

  it('is for a while who left with nothing brought while half of the places are taken', () => {
    const refusals = new Refusals();
    refusals.leftWithNothing('early', 5, 0);
    refusals.leftWithNothing('late', 6, 0);
    expect(refusals.isRefused('early', 0)).toBe(false);
    expect([refusals.isRefused('late', LEFT_REFUSED_MS - 1), refusals.isRefused('late', LEFT_REFUSED_MS)]).toEqual([
      true,
      false,
    ]);
  });

  it('forgets the oldest of more than it keeps', () => {
    const refusals = new Refusals();
    for (let i = 0; i <= MAX_REFUSED; i++) refusals.madeRoom(`d${i}`, 0);
    expect([refusals.isRefused('d0', 1), refusals.isRefused('d1', 1)]).toEqual([false, true]);
  });
});

describe('P-10.3 who makes room', () => {
  const session = (name: string, since: number, received: number, verified: number) => ({
    name,
    since,
    received,
    verified,
  });

  const alike = (): number => 1;

  it('is nobody while all are new', () => {
    expect(leastUseful([], 0, alike)).toBeUndefined();
    expect(leastUseful([session('new', 1, 0, 0)], PROBATION_MS, alike)).toBeUndefined();
  });

  it('is who brought fewest verified bytes, then fewest at all, of those that are old enough', () => {
    const sessions = [
      ...[session('new', 1, 0, 0), session('good', 0, 9, 9), session('half', 0, 5, 3), session('trickle', 0, 4, 3)],
      session('promising', 0, 100, 4),
    ];
    expect(leastUseful(sessions, PROBATION_MS, alike)?.name).toBe('trickle');
  });

  it('goes by verified bytes a second: one that is new had less time to bring as much', () => {
    const sessions = [session('old', 0, 9, 9), session('young', 2 * PROBATION_MS, 5, 5)];
    expect(leastUseful(sessions, 3 * PROBATION_MS, alike)?.name).toBe('old');
  });

  it('is who is worth least, of those that brought as much', () => {
    const sessions = [session('good', 0, 0, 0), session('bad', 0, 0, 0), session('middling', 0, 0, 0)];
    const worth: Record<string, number> = { good: 1.5, bad: 0.5, middling: 1 };
    expect(leastUseful(sessions, PROBATION_MS, ({ name }) => worth[name] ?? 1)?.name).toBe('bad');
  });
});

describe('P-10.3 a session that is in the way', () => {
  it('brought nothing in 3 s, or in 10 s where 1 KiB came of it', () => {
    const session = (received: number, verified = 0) => ({ since: 1_000, received, verified });
    expect([3_999, 4_000].map((now) => isSpare(session(1_023), now))).toEqual([false, true]);
    expect([10_999, 11_000].map((now) => isSpare(session(1_024), now))).toEqual([false, true]);
    expect(isSpare(session(1, 1), 1_000_000)).toBe(false);
  });

  it('is refused for 20 s once it gave way', () => {
    const refusals = new Refusals();
    refusals.gaveWay('a', 5_000);
    expect([24_999, 25_000].map((now) => refusals.isRefused('a', now))).toEqual([true, false]);
  });
});

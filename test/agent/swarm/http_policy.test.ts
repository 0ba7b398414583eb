import { describe, expect, it } from 'vitest';
import type { HttpRules } from '../../../agent/http_rules.js';
import { HttpPolicy, MAX_TURN_MS, MEET_MS, TURN_MS_PER_DEVICE } from '../../../agent/swarm/http_policy.js';
import { SeededRandom } from '../../sim/random.js';

const NEVER = Number.POSITIVE_INFINITY;

function policy(over: Partial<HttpRules> = {}, random: () => number = () => 0.5): HttpPolicy {
  return new HttpPolicy({ use: 'no-peer', afterMs: 10_000, maxBytes: NEVER, ...over }, random);
}

describe('P-11.3 when HTTP servers may be asked', () => {
  it('never: not at all, whatever is needed', () => {
    const never = policy({ use: 'never' });
    never.begin(0);
    expect([never.isOn, never.opensAt, never.needed(1e9, 1, true)]).toEqual([false, NEVER, NEVER]);
  });

  it('not before a time that is drawn from what is set up to twice as much, and anew after each pause', () => {
    for (const random of [0, 0.5, 0.999]) {
      const one = policy({}, () => random);
      expect(one.opensAt).toBe(NEVER);
      one.begin(1000);
      expect(one.opensAt).toBe(1000 + 10_000 * (1 + random));
      expect(one.needed(1000, 1, true)).toBe(one.opensAt);
      one.begin(50_000);
      expect(one.opensAt).toBe(50_000 + 10_000 * (1 + random));
    }
  });

  it('no-peer: only for what no peer holds, unless nothing comes from those that do; always: for anything', () => {
    expect([policy().onlyUnheld(false), policy().onlyUnheld(true)]).toEqual([true, false]);
    const always = policy({ use: 'always' });
    expect([always.onlyUnheld(false), always.onlyUnheld(true)]).toEqual([false, false]);
  });

  it('up to so many bytes, of which those that did not come do not count', () => {
    const one = policy({ maxBytes: 1000, afterMs: 0 });
    one.begin(0);
    one.met(600);
    expect([one.left, one.isOn]).toEqual([400, true]);
    one.met(400);
    expect([one.left, one.isOn, one.needed(1, 1, true)]).toEqual([0, false, NEVER]);
    one.giveBack(100);
    expect([one.left, one.isOn]).toEqual([100, true]);
  });
});

describe('P-11.4 turns', () => {
  it('come at once for a device that is alone, and for who may always ask', () => {
    const alone = policy({ afterMs: 0 });
    alone.begin(0);
    expect(alone.needed(5, 1, true)).toBe(5);
    const always = policy({ afterMs: 0, use: 'always' });
    always.begin(0);
    expect(always.needed(5, 10_000, true)).toBe(5);
  });

  it('are drawn once for a need, and anew for the next', () => {
    const random = new SeededRandom(7);
    const one = policy({ afterMs: 0 }, () => random.next());
    one.begin(0);
    const first = one.needed(10, 101, true);
    expect(first).toBeGreaterThan(10);
    expect(first).toBeLessThan(10 + 100 * TURN_MS_PER_DEVICE);
    expect([one.needed(50, 101, true), one.needed(first, 1_000, true)]).toEqual([first, first]);
    one.met(1);
    const second = one.needed(first, 101, true);
    expect(second).not.toBe(first);
    one.met();
    expect(one.needed(first, 101, true)).not.toBe(second);
  });

  it('come sooner where fewer devices turn out to be there, and later for no reason', () => {
    const one = policy({ afterMs: 0 }, () => 0.5);
    one.begin(0);
    expect(one.needed(0, 1_537, false)).toBe(MAX_TURN_MS / 2);
    expect(one.needed(60_000, 65, false)).toBe(32 * TURN_MS_PER_DEVICE);
    expect(one.needed(60_000, 1_537, false)).toBe(32 * TURN_MS_PER_DEVICE);
  });

  it('wait, where others are known and none is met yet, until they may have come for the first chunk', () => {
    const one = policy({ afterMs: 0 }, () => 0);
    one.begin(0);
    expect(one.needed(5, 3, false)).toBe(5);
    one.met(1);
    one.introduced(10);
    expect([one.needed(11, 3, false), one.needed(11, 1, false), one.needed(11, 3, true)]).toEqual([
      10 + MEET_MS,
      11,
      11,
    ]);
    one.met(1);
    expect(one.needed(10 + MEET_MS, 3, false)).toBe(10 + MEET_MS);
  });

  it('are bounded, whatever the size of the swarm is said to be', () => {
    const one = policy({ afterMs: 0 }, () => 0.999_999);
    one.begin(0);
    expect(one.needed(0, 4e9, true)).toBeLessThanOrEqual(MAX_TURN_MS);
  });

  it.each([200, 1200])('have %i devices together ask 8 times a second, however many they are', (devices) => {
    const random = new SeededRandom(devices);
    const WATCHED_MS = 600_000;
    let asked = 0;
    for (let device = 0; device < devices; device++) {
      const one = policy({ afterMs: 0 }, () => random.next());
      one.begin(0);
      for (let now = one.needed(0, devices, true); now < WATCHED_MS; now = one.needed(now, devices, true)) {
        asked++;
        one.met(1);
      }
    }
    const perSecond = asked / (WATCHED_MS / 1000);
    expect(perSecond).toBeGreaterThan(7.2);
    expect(perSecond).toBeLessThan(8.8);
  });
});

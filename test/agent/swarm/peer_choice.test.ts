import { describe, expect, it } from 'vitest';
import {
  answerChance,
  answersOf,
  byWorth,
  hasPlace,
  seedHasPlace,
  shareSubnet,
} from '../../../agent/swarm/peer_choice.js';

describe('P-10.2 who answers', () => {
  const expected = (there: number, elsewhere: number): number[] => [
    there * answerChance(true, { there, elsewhere }, 1),
    elsewhere * answerChance(false, { there, elsewhere }, 1),
  ];

  it.each([
    [1000, 0, 12, 0],
    [0, 1000, 0, 12],
    [1000, 1000, 8, 4],
    [3, 1000, 3, 9],
    [1000, 2, 10, 2],
    [4, 4, 4, 4],
  ])('%d of the site and %d others: %d and %d', (there, elsewhere, own, others) => {
    const [a = 0, b = 0] = expected(there, elsewhere);
    expect(a).toBeCloseTo(own, 9);
    expect(b).toBeCloseTo(others, 9);
  });

  it('answers one that is worth little less often, and one that is worth much no more', () => {
    const members = { there: 100, elsewhere: 0 };
    expect(answerChance(true, members, 0.5)).toBeCloseTo(0.06, 9);
    expect(answerChance(true, members, 2)).toBeCloseTo(0.12, 9);
  });

  it('answers whatever it is worth where all are to answer', () => {
    expect(answerChance(true, { there: 5, elsewhere: 0 }, 0.01)).toBe(1);
    expect(answerChance(false, { there: 5, elsewhere: 7 }, 0.01)).toBe(1);
  });
});

describe('P-10.2 who answers where there are several shards', () => {
  const OF_SHARDS = answersOf(64, false);
  const chance = (sameSite: boolean, there: number, elsewhere: number, worth = 1): number =>
    answerChance(sameSite, { there, elsewhere }, worth, OF_SHARDS);

  it.each([
    [32, 0, 4, 0],
    [0, 32, 0, 4],
    [16, 16, 8 / 3, 4 / 3],
    [11, 30, 8 / 3, 4 / 3],
    [2, 30, 2 / 4, 2],
    [30, 1, 3, 1 / 4],
  ])('%d of the site and %d others: %d and %d', (there, elsewhere, own, others) => {
    expect(there * chance(true, there, elsewhere)).toBeCloseTo(own, 9);
    expect(elsewhere * chance(false, there, elsewhere)).toBeCloseTo(others, 9);
  });

  it('is never more likely than as one of 16, who all may listen, heard of or not', () => {
    for (const there of [1, 4, 16, 100]) {
      expect(chance(false, there, 0)).toBe(4 / 16);
      expect(chance(true, Math.min(there, 8), 4)).toBe(4 / 16);
    }
  });

  it('leaves it to nobody else where the announcement was not answered before, but to those that were heard', () => {
    const again = (sameSite: boolean, there: number, elsewhere: number): number =>
      answerChance(sameSite, { there, elsewhere }, 1, answersOf(64, true));
    expect([again(true, 1, 0), again(false, 0, 1), again(true, 4, 0)]).toEqual([1, 1, 1]);
    expect([again(true, 16, 0), again(false, 0, 400)]).toEqual([4 / 16, 4 / 400]);
    expect(answersOf(1, true)).toEqual(answersOf(1, false));
  });

  it('is by worth where more were heard than are to answer', () => {
    expect(chance(true, 3, 0, 0.5)).toBe(chance(true, 3, 0));
    expect(chance(true, 5, 0, 0.5)).toBe(chance(true, 5, 0) / 2);
    expect(chance(true, 5, 0, 2)).toBe(chance(true, 5, 0));
  });

  it('is the rule of a small fleet with one shard', () => {
    for (const [there, elsewhere] of [
      [1, 0],
      [3, 1000],
      [100, 100],
    ] as const) {
      for (const sameSite of [true, false]) {
        const members = { there, elsewhere };
        expect(answerChance(sameSite, members, 0.5, answersOf(1, false))).toBe(answerChance(sameSite, members, 0.5));
      }
    }
  });
});

describe('P-10.3 places', () => {
  it('are all for the own site where there is no other', () => {
    expect(hasPlace(true, { near: 11, far: 0, heardNear: 100, heardFar: 0 })).toBe(true);
  });

  it('are kept for other sites where there are some', () => {
    expect(hasPlace(true, { near: 8, far: 0, heardNear: 100, heardFar: 1 })).toBe(true);
    expect(hasPlace(true, { near: 9, far: 0, heardNear: 100, heardFar: 1 })).toBe(false);
    expect(hasPlace(true, { near: 9, far: 1, heardNear: 100, heardFar: 0 })).toBe(false);
  });

  it('are kept for the own site, as far as there is somebody to take them', () => {
    expect(hasPlace(false, { near: 0, far: 4, heardNear: 100, heardFar: 100 })).toBe(false);
    expect(hasPlace(false, { near: 0, far: 3, heardNear: 100, heardFar: 100 })).toBe(true);
    expect(hasPlace(false, { near: 0, far: 11, heardNear: 0, heardFar: 100 })).toBe(true);
    expect(hasPlace(false, { near: 3, far: 8, heardNear: 0, heardFar: 100 })).toBe(true);
    expect(hasPlace(false, { near: 3, far: 9, heardNear: 0, heardFar: 100 })).toBe(false);
  });

  it('of a seed go to whoever comes until 16 are left, then to sites that have less than their share', () => {
    expect(seedHasPlace(47, 1, 17)).toBe(true);
    expect(seedHasPlace(48, 2, 16)).toBe(false);
    expect(seedHasPlace(0, 2, 16)).toBe(true);
    expect(seedHasPlace(31, 2, 1)).toBe(true);
    expect(seedHasPlace(32, 2, 1)).toBe(false);
    expect(seedHasPlace(63, 1, 1)).toBe(true);
    expect(seedHasPlace(0, 1000, 1)).toBe(true);
    expect(seedHasPlace(1, 1000, 1)).toBe(false);
  });
});

describe('who is offered first', () => {
  it('is of the own site, then worth most', () => {
    const peers = [
      ['far', 'b'],
      ['poor', 'a'],
      ['rich', 'a'],
      ['far-rich', 'b'],
    ].map(([device = '', site = '']) => ({ device, site }));
    const worth = (device: string): number => (device.includes('rich') ? 1.5 : 0.5);
    expect(byWorth(peers, 'a', worth).map(({ device }) => device)).toEqual(['rich', 'poor', 'far-rich', 'far']);
  });
});

describe('shareSubnet', () => {
  it.each([
    ['192.0.2.1', '192.0.2.250', true],
    ['192.0.2.1', '192.0.3.1', false],
    ['2001:db8:1:2::1', '2001:0db8:1:2:ffff::9', true],
    ['2001:db8:1:2::1', '2001:db8:1:3::1', false],
    ['2001:db8::1', '2001:db8:0:0:5::', true],
    ['::1', '::2', true],
    ['192.0.2.1', '2001:db8::1', false],
  ])('%s and %s: %s', (a, b, expected) => {
    expect(shareSubnet([a], [b])).toBe(expected);
    expect(shareSubnet(['198.51.100.1', a], [b])).toBe(expected);
  });

  it('is false without addresses', () => {
    expect(shareSubnet([], ['192.0.2.1'])).toBe(false);
    expect(shareSubnet(['192.0.2.1'], [])).toBe(false);
  });
});

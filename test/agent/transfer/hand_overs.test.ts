import { describe, expect, it } from 'vitest';
import { HandOvers, type NamedRollout, type NamedRollouts } from '../../../agent/transfer/hand_overs.js';
import type { Audience } from '../../../shared/trust/audience.js';

const COUNTERS = { fromSeed: 600, fromPeers: 250, fromDisk: 100, fromHttp: 50, wasted: 7 };
const SHARED = { state: 'fetching', held: 3, error: 'E_STORE_IO', counters: COUNTERS } as const;

function named(name: string, version: string, ...groups: string[]): NamedRollout {
  const rollout = { name, version, artifact: new Uint8Array(32), size: 1000, chunks: 4, shards: 1 };
  return { rollout, groups: groups.length === 0 ? ['a'] : groups };
}

const [one, two, three] = [named('one', '1'), named('two', '1', 'b'), named('three', '1')];

describe('HandOvers', () => {
  it('P-4.7: has a row for each rollout, and counts what was fetched once', () => {
    const handOvers = new HandOvers();
    handOvers.follow([one, two], 1000, false);
    expect(handOvers.next).toBe(one.rollout);
    handOvers.done(one.rollout, 3000);
    expect(handOvers.next).toBe(two.rollout);
    expect(handOvers.progress(SHARED, 4000)).toMatchObject([
      { name: 'one', state: 'complete', held: 3, chunks: 4, size: 1000, ...COUNTERS, seconds: 2, error: '' },
      {
        name: 'two',
        state: 'fetching',
        fromSeed: 0,
        fromPeers: 0,
        fromDisk: 0,
        wasted: 0,
        seconds: 3,
        error: 'E_STORE_IO',
      },
    ]);
    handOvers.done(two.rollout, 5000);
    expect(handOvers.progress(SHARED, 9000)[1]).toMatchObject({ state: 'complete', fromDisk: 1000, seconds: 4 });
    expect(handOvers.next).toBeUndefined();
  });

  it('counts a name that came when all was there as taken from the disk, also once the first is gone', () => {
    const handOvers = new HandOvers();
    handOvers.follow([one], 0, false);
    handOvers.done(one.rollout, 1000);
    handOvers.follow([three], 2000, true);
    expect(handOvers.next).toBe(three.rollout);
    handOvers.done(three.rollout, 2500);
    const row = { name: 'three', fromSeed: 0, fromPeers: 0, fromDisk: 1000, wasted: 0, seconds: 0.5 };
    expect(handOvers.progress(SHARED, 9000)).toMatchObject([row]);
  });

  it('keeps what is known of a rollout that stays, and says of one that is gone that it is', () => {
    const handOvers = new HandOvers();
    handOvers.follow([one, two], 0, false);
    handOvers.done(one.rollout, 1000);
    handOvers.follow([{ ...one, groups: ['c'] }, three], 2000, false);
    expect([handOvers.next, handOvers.done(two.rollout, 3000)]).toEqual([three.rollout, false]);
    expect(handOvers.progress(SHARED, 3000)).toMatchObject([{ seconds: 1, state: 'complete' }, { seconds: 1 }]);
    const isAudience = (group: string): boolean => handOvers.isAudience({ groups: [group], site: 'north' });
    expect(['a', 'b', 'c'].map(isAudience)).toEqual([true, false, true]);
  });

  const released = (what: NamedRollout, audience: Audience): NamedRollout => ({
    ...what,
    rollout: { ...what.rollout, audience },
  });
  const audienceOf = (...all: NamedRollouts) => {
    const handOvers = new HandOvers();
    handOvers.follow(all, 0, false);
    return (site: string, ...groups: string[]): boolean => handOvers.isAudience({ groups, site });
  };

  it('P-5.4, P-12.3: leaves out who is of another site than release signed it for', () => {
    const isAudience = audienceOf(released(one, { sites: ['north', 'south'] }));
    expect([isAudience('north', 'a'), isAudience('south', 'a')]).toEqual([true, true]);
    expect([isAudience('east', 'a'), isAudience('', 'a'), isAudience('north', 'b')]).toEqual([false, false, false]);
  });

  it('P-5.4, P-12.3: leaves out who is in no group that release signed it for, whatever it was scheduled for', () => {
    const isAudience = audienceOf(released(one, { groups: ['b', 'c'] }));
    expect([isAudience('north', 'a'), isAudience('north', 'b'), isAudience('north')]).toEqual([false, false, false]);
    expect([isAudience('north', 'a', 'b'), isAudience('north', 'c', 'a')]).toEqual([true, true]);
  });

  it('P-5.4, P-12.3: asks for group and site together, and for nobody where a list is empty', () => {
    const both = audienceOf(released(one, { groups: ['a'], sites: ['north'] }));
    expect([both('north', 'a'), both('south', 'a'), both('north', 'b')]).toEqual([true, false, false]);
    expect(audienceOf(released(one, { groups: [] }))('north', 'a')).toBe(false);
    expect(audienceOf(released(one, { sites: [] }))('north', 'a')).toBe(false);
  });

  it('P-5.4: takes who is in the audience under one name, and no mixture of two', () => {
    const isAudience = audienceOf(released(one, { sites: ['north'] }), released(two, { sites: ['south'] }));
    expect([isAudience('north', 'a'), isAudience('south', 'b')]).toEqual([true, true]);
    expect([isAudience('south', 'a'), isAudience('north', 'b')]).toEqual([false, false]);
  });

  it('hands over anew what was undone', () => {
    const handOvers = new HandOvers();
    handOvers.follow([one, two], 0, false);
    handOvers.allDone(1000);
    expect(handOvers.next).toBeUndefined();
    handOvers.undo(5000);
    expect(handOvers.next).toBe(one.rollout);
    expect(handOvers.progress(SHARED, 6000)).toMatchObject([{ state: 'fetching', seconds: 1 }, { state: 'fetching' }]);
  });

  it('P-4.7: says nothing of HTTP where nothing came over it', () => {
    const handOvers = new HandOvers();
    handOvers.follow([one], 0, false);
    const [row] = handOvers.progress({ ...SHARED, counters: { ...COUNTERS, fromHttp: 0 } }, 0);
    expect(row).not.toHaveProperty('fromHttp');
  });

  it('P-4.1: names the URLs of all, each once, in the order of their rollouts', () => {
    const at = (what: NamedRollout, ...urls: string[]): NamedRollout => ({
      ...what,
      rollout: { ...what.rollout, urls },
    });
    const handOvers = new HandOvers();
    handOvers.follow([at(one, 'http://b', 'http://a'), two, at(three, 'http://a', 'http://c')], 0, false);
    expect(handOvers.urls).toEqual(['http://b', 'http://a', 'http://c']);
    handOvers.follow([two, at(three, 'http://d')], 0, false);
    expect(handOvers.urls).toEqual(['http://d']);
  });

  it('counts nothing where nothing is fetched: a seed', () => {
    const handOvers = new HandOvers();
    handOvers.follow([one, two], 0, false);
    handOvers.allDone(0);
    const none = { fromSeed: 0, fromPeers: 0, fromDisk: 0, wasted: 0 };
    expect(handOvers.progress({ ...SHARED, counters: null }, 0)).toMatchObject([none, none]);
  });

  it('P-10.12: has the rank of the first of its rollouts', () => {
    const handOvers = new HandOvers();
    const ranked = (over: object): NamedRollout => ({ ...one, rollout: { ...one.rollout, ...over } });
    const ranks = [
      [{}],
      [{ priority: 9 }, {}],
      [{ priority: 0 }],
      [{ urgent: true, priority: 0 }, { priority: 9 }],
    ].map(([first = {}, ...more]) => {
      handOvers.follow([ranked(first), ...more.map(ranked)], 0, false);
      return handOvers.rank;
    });
    expect(ranks).toEqual([5, 9, 0, 10]);
  });
});

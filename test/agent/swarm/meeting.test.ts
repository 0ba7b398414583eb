import { describe, expect, it } from 'vitest';
import { Announcer, MembersHeard } from '../../../agent/swarm/announcer.js';
import { ROOM_TO_LISTEN, SEED_SHARDS } from '../../../agent/swarm/limits.js';
import {
  announcementFor,
  devicesOf,
  emergencyWindowMs,
  joinWindowMs,
  mayListen,
  mustAnnounce,
  type Standing,
  seeksPeers,
  shardsToListenIn,
} from '../../../agent/swarm/meeting.js';
import { shardCount } from '../../../broker/publish/shards.js';
import { shardOf } from '../../../shared/control/topics.js';
import { SeededRandom } from '../../sim/random.js';

const DEVICE = { device: 'cam-1', seed: false };
const SEED = { device: 'depot', seed: true };
const SHARDS = 512;
const ALMOST_ONE = 1 - 2 ** -47;
const standing = (over: Partial<Standing> = {}): Standing => {
  const nothing = { held: 0, complete: false, lonely: true, room: 12, announced: true, listensIn: [] };
  return { shards: SHARDS, ...nothing, ...over };
};

describe('P-10.1 the join window', () => {
  it.each([
    [1, 1_000],
    [16, 1_000],
    [32, 1_536],
    [4_096, 196_608],
    [32_768, 1_572_864],
  ])('of %d shards is %d ms', (shards, ms) => {
    expect(joinWindowMs(shards)).toBe(ms);
  });
});

describe('P-10.13 the join window of an emergency', () => {
  it.each([
    [1, 250],
    [32, 768],
    [32_768, 786_432],
  ])('of %d shards is %d ms: smaller, and never nothing', (shards, ms) => {
    expect(emergencyWindowMs(shards)).toBe(ms);
    expect(ms).toBeLessThan(joinWindowMs(shards));
  });
});

describe('P-10.1 who announces itself', () => {
  it.each<[string, boolean, Partial<Standing>]>([
    ['who lacks something and is not fed', true, {}],
    ['the same with no place left', true, { room: 0 }],
    ['a device that is fed and has not yet', true, { lonely: false, announced: false, held: 1 }],
    ['the same with no place left', false, { lonely: false, announced: false, held: 1, room: 0 }],
    ['a device that is fed and has', false, { lonely: false, held: 1 }],
    ['a complete device of a large fleet', false, { lonely: false, announced: false, held: 9, complete: true }],
    ['one of a small fleet', true, { shards: 1, lonely: false, announced: false, held: 9, complete: true }],
  ])('%s: %s', (_who, expected, over) => {
    expect(mustAnnounce(DEVICE, standing(over))).toBe(expected);
  });

  it('a seed once', () => {
    const complete = { lonely: false, held: 9, complete: true };
    expect(mustAnnounce(SEED, standing({ ...complete, announced: false }))).toBe(true);
    expect(mustAnnounce(SEED, standing(complete))).toBe(false);
  });

  const said = (over: Partial<Standing>, times: number, drawn: () => number = () => 0) => {
    const announcer = new Announcer(0, 0, drawn);
    return Array.from({ length: times }, () => {
      const { shards, again } = announcementFor(DEVICE, standing(over), announcer);
      announcer.announced(0);
      return { shards, again };
    });
  };

  it('in any shard, a device', () => {
    const at = (random: number) => said({}, 1, () => random)[0]?.shards;
    expect([at(0), at(0.5), at(ALMOST_ONE)]).toEqual([[0], [256], [511]]);
  });

  it('a seed in those that it listens in, however often it has', () => {
    const announcer = new Announcer(0, 0, () => 0);
    for (let i = 0; i < 20; i++) announcer.announced(0);
    const expected = { shards: [3, 4], again: false };
    expect(announcementFor(SEED, standing({ listensIn: [3, 4] }), announcer)).toEqual(expected);
  });

  it.each([
    [1, 1, 1, 1],
    [2, 1, 1, 2],
    [4, 1, 1, 2],
    [8, 1, 2, 2],
    [64, 1, 16, 2],
    [128, 1, 8, 2],
    [512, 1, 2, 2],
    [1_024, 1, 1, 1],
    [32_768, 1, 1, 1],
  ])(
    'of %d shards in %d at a time, from the ninth time on in %d, from the thirteenth on in %d',
    (shards, ...counts) => {
      const lengths = said({ shards }, 14).map((one) => one.shards.length);
      expect([lengths.slice(0, 8), lengths.slice(8, 12), lengths[12]]).toEqual([
        Array(8).fill(counts[0]),
        Array(4).fill(counts[1]),
        counts[2],
      ]);
    },
  );

  it('in all of 4 to 64 shards by those four', () => {
    const random = new SeededRandom(1);
    for (const shards of [4, 8, 16, 32, 64]) {
      const wide = said({ shards }, 12, () => random.next()).slice(8);
      expect(new Set(wide.flatMap((one) => one.shards)).size).toBe(shards);
    }
  });

  it('as one that was not fed from the seventh time on, where there are several shards', () => {
    const again = (over: Partial<Standing>) => said(over, 8).map((one) => one.again);
    expect(again({})).toEqual([...Array(6).fill(false), true, true]);
    expect(again({ shards: 1 })).toEqual(Array(8).fill(false));
  });

  it('in one shard, and as any other, where it has sessions enough: the fleet is there', () => {
    const all = said({ shards: 64, room: 6 }, 14);
    expect(all.every((one) => one.shards.length === 1 && !one.again)).toBe(true);
    expect(said({ shards: 64, room: 7 }, 9).at(-1)).toMatchObject({ again: true, shards: { length: 16 } });
  });
});

describe('P-10.2 who listens', () => {
  it.each<[string, boolean, Partial<Standing>]>([
    ['who holds nothing yet, in a large fleet', false, {}],
    ['who holds nothing yet, in a small one', true, { shards: 1 }],
    ['who holds something and has room', true, { held: 1, room: ROOM_TO_LISTEN }],
    ['with less room', false, { held: 1, room: ROOM_TO_LISTEN - 1 }],
    ['with less room, and it does already', true, { held: 1, room: 1, listensIn: [2] }],
    ['with none, and it does already', false, { held: 1, room: 0, listensIn: [2] }],
  ])('%s: %s', (_who, expected, over) => {
    expect(mayListen(DEVICE, standing(over))).toBe(expected);
  });

  it('a device in its own shard', () => {
    for (const shards of [1, 2, SHARDS]) {
      expect(shardsToListenIn(DEVICE, standing({ shards }), () => 0)).toEqual([shardOf('cam-1', shards)]);
    }
  });

  it(`a seed in ${SEED_SHARDS} at most, each time in others`, () => {
    const random = new SeededRandom(1);
    const draw = () => shardsToListenIn(SEED, standing(), () => random.next());
    const [first, second] = [draw(), draw()];
    for (const shards of [first, second]) {
      expect(new Set(shards).size).toBe(SEED_SHARDS);
      expect(shards.every((shard) => Number.isInteger(shard) && shard >= 0 && shard < SHARDS)).toBe(true);
    }
    expect(first).not.toEqual(second);
    expect(shardsToListenIn(SEED, standing({ shards: 4 }), () => 0)).toEqual([0, 1, 2, 3]);
    expect(shardsToListenIn(SEED, standing({ shards: SEED_SHARDS }), () => 0).length).toBe(SEED_SHARDS);
  });
});

describe('P-10.1, P-10.2 the only two of a fleet that are on', () => {
  /** Virtual ms until who holds everything offers to who holds nothing. */
  function meetAfter(shards: number, member: typeof DEVICE, seed: number): number {
    const source = new SeededRandom(seed);
    const random = (): number => source.next();
    const lacking = standing({ shards });
    const listensIn = shardsToListenIn(member, standing({ shards, held: 9, complete: true }), random);
    const heard = new MembersHeard();
    const announcer = new Announcer(0, joinWindowMs(shards), random);
    for (; announcer.due < 600_000; announcer.announced(announcer.due)) {
      const said = announcementFor({ device: `new-${seed}`, seed: false }, lacking, announcer);
      for (const shard of said.shards) {
        if (!listensIn.includes(shard)) continue;
        heard.heard('new', announcer.due);
        const from = { site: '', sameSite: true, worth: 1, again: said.again };
        if (heard.offers(random, shards, listensIn.length, from)) return announcer.due;
      }
    }
    return announcer.due;
  }

  it.each([2, 4, 8, 16, 32, 64])('meet within a minute, of %d shards, half of the times within 35 s', (shards) => {
    for (const member of [DEVICE, SEED]) {
      const times = Array.from({ length: 100 }, (_, i) => meetAfter(shards, member, i + 1)).sort((a, b) => a - b);
      expect(times[50]).toBeLessThan(35_000);
      expect(times.at(-1)).toBeLessThan(60_000);
    }
  });
});

describe('P-10.3 who looks for peers by itself', () => {
  it('is who has fewer than 6, offers that wait included', () => {
    const room = (sessions: number): number => 12 - sessions;
    expect([seeksPeers(room(0), 0), seeksPeers(room(5), 0), seeksPeers(room(6), 0)]).toEqual([true, true, false]);
    expect([seeksPeers(room(3), 2), seeksPeers(room(3), 3), seeksPeers(room(0), 6)]).toEqual([true, false, false]);
  });
});

describe('P-11.4 how many devices there are', () => {
  it('are those that are known, in a fleet of one shard', () => {
    expect([devicesOf(1, 0), devicesOf(1, 11), devicesOf(1, 900)]).toEqual([1, 12, 901]);
  });

  it('are 24 for each of several shards, of which who holds nothing hears none, or those known where they are more', () => {
    expect([devicesOf(2, 0), devicesOf(2, 300), devicesOf(32_768, 60)]).toEqual([48, 301, 786_432]);
  });

  it('are no more for each shard than were heard in one for a minute, and the device itself', () => {
    expect([devicesOf(64, 0, 0), devicesOf(64, 3, 2), devicesOf(64, 300, 2)]).toEqual([64, 192, 301]);
    expect([devicesOf(2, 0, 1_000), devicesOf(1, 5, 0)]).toEqual([48, 6]);
  });

  it('are never half as many again as a publisher counted, nor fewer than three quarters of them', () => {
    for (let devices = 33; devices < 100_000; devices += 17) {
      const guess = devicesOf(shardCount(devices), 0);
      expect(guess).toBeLessThanOrEqual(1.5 * devices);
      expect(guess).toBeGreaterThanOrEqual(0.75 * devices);
    }
  });
});

import { describe, expect, it } from 'vitest';
import { ROOM_TO_LISTEN, SEED_SHARDS } from '../../../agent/swarm/limits.js';
import {
  devicesOf,
  joinWindowMs,
  mayListen,
  mustAnnounce,
  type Standing,
  seeksPeers,
  shardsToAnnounceIn,
  shardsToListenIn,
} from '../../../agent/swarm/meeting.js';
import { shardCount } from '../../../broker/publish/manifest.js';
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

  it('in any shard, a device, each time anew', () => {
    const at = (random: number) => shardsToAnnounceIn(DEVICE, standing(), () => random);
    expect([at(0), at(0.5), at(ALMOST_ONE)]).toEqual([[0], [256], [511]]);
  });

  it('a seed in those that it listens in', () => {
    expect(shardsToAnnounceIn(SEED, standing({ listensIn: [3, 4] }), () => 0)).toEqual([3, 4]);
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

  it('are never half as many again as a publisher counted, nor fewer than three quarters of them', () => {
    for (let devices = 33; devices < 100_000; devices += 17) {
      const guess = devicesOf(shardCount(devices), 0);
      expect(guess).toBeLessThanOrEqual(1.5 * devices);
      expect(guess).toBeGreaterThanOrEqual(0.75 * devices);
    }
  });
});

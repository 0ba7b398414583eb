import { describe, expect, it } from 'vitest';
import { Announcements } from '../../agent/announcements.js';
import type { Control } from '../../agent/control.js';
import { Announcer, MembersHeard } from '../../agent/swarm/announcer.js';
import type { Transfer } from '../../agent/transfer/transfer.js';
import { Bitfield } from '../../shared/artifact/bitfield.js';
import type { HaveMessage } from '../../shared/control/messages.js';
import { type Role, shardOf, topics } from '../../shared/control/topics.js';
import type { Credential } from '../../shared/identity/bundle.js';
import { SeededRandom } from '../sim/random.js';
import { identityOf, PREFIX } from '../support/members.js';

const ARTIFACT = 'ab'.repeat(32);
const SHARDS = 512;
const CHUNKS = 4;
const AT = 1_900_000_000;
const own = topics.have(PREFIX, ARTIFACT, shardOf('cam-1', SHARDS), '+');

/** One device's announcements, its link and its transfer being the test's. */
class Stage {
  readonly filters = new Set<string>();
  readonly said: number[] = [];
  /** Whether each was said as one that was not fed. */
  readonly again: boolean[] = [];
  readonly link = {
    online: true,
    subscribe: (filter: string) => this.filters.add(filter),
    unsubscribe: (filter: string) => this.filters.delete(filter),
  };
  readonly transfer;
  readonly announcements: Announcements;

  constructor(role: Role = 'device', shards = SHARDS) {
    const random = new SeededRandom(1);
    const control = {
      link: this.link,
      have: (_artifact: string, shard: number, have: HaveMessage) => {
        this.said.push(shard);
        this.again.push(have.again ?? false);
      },
    };
    const held = role === 'seed' ? Bitfield.full(CHUNKS) : new Bitfield(CHUNKS);
    this.transfer = {
      ...{ artifact: ARTIFACT, rollout: { shards }, held, lonely: role === 'device', room: 12 },
      announcer: new Announcer(0, 0, () => random.next()),
      heard: new MembersHeard(),
      announcement: (at: number): HaveMessage => {
        return { t: 'have', at, held: held.count, room: 12, digest: new Uint8Array(1) };
      },
      makeRoom: () => {},
      isOfInterest: () => true,
      worth: () => 1,
    };
    const credential = { identity: identityOf({ role }), prefix: PREFIX } as unknown as Credential;
    this.announcements = new Announcements(credential, control as unknown as Control, () => random.next());
  }

  get real(): Transfer {
    return this.transfer as unknown as Transfer;
  }

  tick(now: number): void {
    this.announcements.tick(this.real, now, AT);
  }
}

describe('a device of a large fleet', () => {
  it('P-10.1 announces itself in a shard drawn at random, each time another, and hears nobody while it has nothing', () => {
    const stage = new Stage();
    for (let now = 0; now < 60_000; now += 1_000) stage.tick(now);
    expect(stage.again.slice(0, 7)).toEqual([...Array(6).fill(false), true]);
    expect(stage.said.length).toBeGreaterThan(8);
    expect(new Set(stage.said).size).toBeGreaterThan(stage.said.length - 2);
    expect(stage.said.every((shard) => shard >= 0 && shard < SHARDS)).toBe(true);
    expect(stage.filters.size).toBe(0);
  });

  it('P-10.2 listens in its own shard once it holds something, leaves for want of room, and comes back with room for 3', () => {
    const stage = new Stage();
    const listensWith = (room: number): string[] => {
      stage.transfer.room = room;
      stage.tick(1);
      return [...stage.filters];
    };
    stage.transfer.held.set(0);
    expect(listensWith(12)).toEqual([own]);
    expect(listensWith(1)).toEqual([own]);
    expect(listensWith(0)).toEqual([]);
    expect(listensWith(2)).toEqual([]);
    expect(listensWith(3)).toEqual([own]);
    stage.announcements.forget(stage.real);
    expect(stage.filters.size).toBe(0);
  });

  it('P-10.1 says nothing once it is fed', () => {
    const stage = new Stage();
    stage.tick(0);
    stage.transfer.lonely = false;
    for (let now = 0; now < 60_000; now += 1_000) stage.tick(now);
    expect(stage.said.length).toBe(1);
    expect(stage.announcements.deadline(stage.real)).toBe(Number.POSITIVE_INFINITY);
  });

  it('P-10.2 answers one in four of those that it hears, as one of 16 that may', () => {
    const stage = new Stage();
    stage.transfer.held.set(0);
    stage.tick(1);
    const have = stage.transfer.announcement(AT);
    let answered = 0;
    for (let i = 0; i < 1_000; i++) {
      const peer = { device: `d${i % 16}`, site: 'north', seed: false };
      if (stage.announcements.heard(stage.real, peer, have, 1)) answered++;
    }
    expect(answered).toBeGreaterThan(200);
    expect(answered).toBeLessThan(300);
  });
});

it('P-10.2 answers who says that it was not fed, whoever else may', () => {
  const stage = new Stage();
  stage.transfer.held.set(0);
  stage.tick(1);
  const have = { ...stage.transfer.announcement(AT), again: true };
  for (let i = 0; i < 100; i++) {
    expect(stage.announcements.heard(stage.real, { device: 'cam-2', site: 'north', seed: false }, have, 1)).toBe(true);
  }
});

it('P-11.4 knows its shard after a minute of listening, and not where the broker was away', () => {
  const stage = new Stage();
  stage.tick(0);
  expect(stage.transfer.heard.mostOfShard(60_000)).toBeUndefined();
  stage.transfer.held.set(0);
  stage.tick(1_000);
  expect(stage.transfer.heard.mostOfShard(61_000)).toBe(0);
  stage.link.online = false;
  stage.tick(50_000);
  stage.link.online = true;
  stage.tick(51_000);
  expect(stage.transfer.heard.mostOfShard(61_000)).toBeUndefined();
  expect(stage.transfer.heard.mostOfShard(111_000)).toBe(0);
});

it('P-10.2 a device of a fleet of one shard listens from the start', () => {
  const stage = new Stage('device', 1);
  stage.tick(0);
  expect([...stage.filters]).toEqual([topics.have(PREFIX, ARTIFACT, 0, '+')]);
  expect(stage.said).toEqual([0]);
});

it('P-10.1, P-10.2 a seed listens in 16 shards and announces itself there once', () => {
  const stage = new Stage('seed');
  for (let now = 0; now < 10_000; now += 1_000) stage.tick(now);
  expect(stage.said.length).toBe(16);
  expect(new Set(stage.said.map((shard) => topics.have(PREFIX, ARTIFACT, shard, '+')))).toEqual(stage.filters);
});

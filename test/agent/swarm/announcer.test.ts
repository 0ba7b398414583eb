import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Announcer, MembersHeard } from '../../../agent/swarm/announcer.js';
import { HEARD_WINDOW_MS, KNOWS_ITS_SHARD_MS, MAX_MEMBERS_HEARD } from '../../../agent/swarm/limits.js';

const ALMOST_ONE = 1 - 2 ** -47;

describe('P-10.1 when to announce', () => {
  it.each([
    [0, 1000],
    [0.25, 1250],
    [ALMOST_ONE, 2000],
  ])('waits a random part of the join window: %d', (random, due) => {
    expect(new Announcer(1000, 1000, () => random).due).toBeCloseTo(due, 6);
  });

  it('begins at once without a join window', () => {
    expect(new Announcer(1000, 0, () => ALMOST_ONE).due).toBe(1000);
  });

  it.each([
    [ALMOST_ONE, [2, 2, 2, 4, 4, 4, 8, 8, 8, 16, 16, 16, 30, 30]],
    [0, [1, 1, 1, 2, 2, 2, 4, 4, 4, 8, 8, 8, 15, 15]],
  ])(
    'repeats after 2 s, doubled after each third time up to 30 s, each from the upper half: random %d',
    (random, seconds) => {
      const announcer = new Announcer(0, 0, () => random);
      const waits = seconds.map(() => {
        const now = announcer.due;
        announcer.announced(now);
        return Math.round(announcer.due - now) / 1000;
      });
      expect(waits).toEqual(seconds);
    },
  );

  it('never repeats sooner than 1 s or later than 30 s, however often it has', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: ALMOST_ONE, noNaN: true }), { minLength: 1, maxLength: 40 }),
        (drawn) => {
          let i = 0;
          const announcer = new Announcer(0, 0, () => drawn[i++ % drawn.length] ?? 0);
          for (let round = 0; round < 200; round++) {
            announcer.announced(0);
            expect(announcer.due).toBeGreaterThanOrEqual(1000);
            expect(announcer.due).toBeLessThanOrEqual(30_000);
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  it('goes through all shards by four announcements 2 to 4 s apart, and goes on as before', () => {
    const announcer = new Announcer(0, 0, () => ALMOST_ONE);
    const waits = Array.from({ length: 14 }, () => {
      const now = announcer.due;
      announcer.nextShards(64, true);
      announcer.announced(now);
      return Math.round((announcer.due - now) / 1000);
    });
    expect(waits).toEqual([2, 2, 2, 4, 4, 4, 8, 8, 4, 4, 4, 4, 30, 30]);
  });

  it('begins anew when it is alone again: within 2 s, then from the first interval', () => {
    const announcer = new Announcer(0, 0, () => 0.5);
    for (let i = 0; i < 30; i++) announcer.announced(0);
    announcer.restart(100);
    expect(announcer.due).toBe(1100);
    announcer.announced(1100);
    expect(announcer.due).toBe(1100 + 1500);
  });

  it('is put off by no restart', () => {
    const announcer = new Announcer(0, 1000, () => 0.1);
    announcer.restart(50);
    expect(announcer.due).toBe(100);
  });
});

describe('P-10.2 whom to offer to', () => {
  const heardOf = (count: number): MembersHeard => {
    const members = new MembersHeard();
    for (let i = 0; i < count; i++) members.heard(`d${i}`, 0);
    return members;
  };

  const answersUpTo = (members: MembersHeard, probability: number, shards: number, listensIn = 1): void => {
    expect(members.offers(() => probability - 1e-9, shards, listensIn)).toBe(true);
    expect(members.offers(() => Math.min(probability, ALMOST_ONE), shards, listensIn)).toBe(probability === 1);
  };

  it('answers each of up to 12 members of a small fleet, and of 13 and more with probability 12 / members', () => {
    for (const count of [0, 1, 12]) answersUpTo(heardOf(count), 1, 1);
    for (const count of [13, 24, 1000]) answersUpTo(heardOf(count), 12 / count, 1);
  });

  it('P-10.9: takes it that 16 listen where there are several shards and fewer were heard', () => {
    for (const count of [0, 1, 16]) answersUpTo(heardOf(count), 4 / 16, 2);
    answersUpTo(heardOf(17), 4 / 17, 2);
  });

  it('counts for each of the shards that a seed listens in', () => {
    answersUpTo(heardOf(320), 4 / 20, 64, 16);
    answersUpTo(heardOf(32), 4 / 16, 64, 16);
  });

  it('counts a member once, however often it is heard', () => {
    const members = new MembersHeard();
    for (let i = 0; i < 1000; i++) members.heard('loud', i);
    expect(members.size).toBe(1);
  });

  it('counts who was heard in the last minute', () => {
    const members = new MembersHeard();
    members.heard('early', 0);
    members.heard('late', HEARD_WINDOW_MS - 1);
    expect(members.size).toBe(2);
    members.heard('later', HEARD_WINDOW_MS);
    expect(members.size).toBe(2);
    members.heard('last', 2 * HEARD_WINDOW_MS + 1);
    expect(members.size).toBe(1);
  });

  it('P-11.4 knows how many a shard has after a minute of listening, of the most that it ever heard', () => {
    const members = heardOf(40);
    members.listening(16, 0);
    expect([members.mostOfShard(KNOWS_ITS_SHARD_MS - 1), members.mostOfShard(KNOWS_ITS_SHARD_MS)]).toEqual([
      undefined,
      3,
    ]);
    members.heard('late', 10 * HEARD_WINDOW_MS);
    expect(members.mostOfShard(10 * HEARD_WINDOW_MS)).toBe(3);
  });

  it('P-11.4 knows nothing of it where it does not listen, nor for a minute after the broker was away', () => {
    const members = new MembersHeard();
    expect(members.mostOfShard(1e9)).toBeUndefined();
    members.listening(1, 0);
    members.listening(1, 30_000);
    expect(members.mostOfShard(KNOWS_ITS_SHARD_MS)).toBe(0);
    members.listening(0, 100_000);
    expect(members.mostOfShard(1e9)).toBeUndefined();
    members.listening(1, 101_000);
    expect(members.mostOfShard(101_000 + KNOWS_ITS_SHARD_MS - 1)).toBeUndefined();
    expect(members.mostOfShard(101_000 + KNOWS_ITS_SHARD_MS)).toBe(0);
  });

  it(`remembers ${MAX_MEMBERS_HEARD} at most, the latest of them`, () => {
    const members = heardOf(MAX_MEMBERS_HEARD);
    expect(members.size).toBe(MAX_MEMBERS_HEARD);
    for (let i = 0; i < 100; i++) members.heard(`more ${i}`, 1);
    expect(members.size).toBe(MAX_MEMBERS_HEARD);
    members.heard('more 99', 1);
    expect(members.size).toBe(MAX_MEMBERS_HEARD);
  });
});

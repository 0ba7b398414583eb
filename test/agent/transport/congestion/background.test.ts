import { describe, expect, it } from 'vitest';
import type { Background } from '../../../../agent/transport/congestion/background.js';
import { MIN_TARGET_MS, Scavenger, TARGET_MS } from '../../../../agent/transport/congestion/scavenger.js';
import { initialWindow } from '../../../../agent/transport/congestion.js';
import { DATAGRAM, rttOf as rttEstimatorOf, sampleOf } from './samples.js';

const MAX = 3072 * DATAGRAM;

/** One session of an agent, a window's worth of ACKs each round trip. */
class Rounds {
  readonly controller: Background;
  delivered = 0;
  now: number;

  constructor(scavenger: Scavenger, now = 0) {
    this.controller = scavenger.controller(DATAGRAM, MAX) as Background;
    this.now = now;
    this.controller.onPacketSent(now);
  }

  /** @param rtt of all, or of each ACK of so many. */
  play(rtt: number | ((ack: number, acks: number) => number)): void {
    const rttOf = typeof rtt === 'number' ? () => rtt : rtt;
    const longest = rttOf(1, 1);
    this.now += longest;
    const prior = this.delivered;
    const acks = Math.max(1, Math.round(this.controller.windowBytes / DATAGRAM / 8));
    for (let i = 0; i < acks; i++) {
      const rttMs = rttOf(i, acks);
      this.controller.onPacketSent(this.now);
      this.controller.onAcked(this.now, this.now - rttMs, DATAGRAM, true);
      const ackedBytes = Math.min(8 * DATAGRAM, this.controller.windowBytes);
      this.delivered += ackedBytes;
      const round = { ackedBytes, delivered: this.delivered, priorDelivered: i === acks - 1 ? prior : 0 };
      this.controller.onAckDone(sampleOf({ now: this.now, rttMs, ...round }));
    }
  }

  /** @returns the round trips that it took. */
  until(state: Background['state'], rttMs: number): number {
    let count = 0;
    for (; count < 60 && this.controller.state !== state; count++) this.play(rttMs);
    return count;
  }

  /** Through the slow start, to 45 ms of queue, and the first slowdown. */
  settle(): this {
    for (let i = 0; i < 12; i++) this.play(50);
    this.until('still', 100);
    this.until('steady', 50);
    return this;
  }
}

describe('draft-irtf-iccrg-ledbat-plus-plus-01, the background controller', () => {
  it('§4.1, §4.2 grows by a third each round trip of 50 ms, and ends its slow start at three quarters of the target', () => {
    const rounds = new Rounds(new Scavenger());
    rounds.play(50);
    const { windowBytes } = rounds.controller;
    rounds.play(50);
    expect(rounds.controller.windowBytes / windowBytes).toBeGreaterThan(1.2);
    expect(rounds.controller.windowBytes / windowBytes).toBeLessThan(1.5);
    for (let i = 0; i < 4; i++) rounds.play(50 + 0.8 * TARGET_MS);
    expect(rounds.controller.state).not.toBe('slowStart');
  });

  it('§4.4 makes room two round trips after that, and is back by doubling', () => {
    const rounds = new Rounds(new Scavenger());
    for (let i = 0; i < 12; i++) rounds.play(50);
    const before = rounds.controller.windowBytes;
    expect(rounds.until('still', 100)).toBeLessThan(8);
    expect(rounds.controller.windowBytes).toBe(2 * DATAGRAM);
    const count = rounds.until('steady', 50);
    expect(count).toBeLessThan(20);
    expect(rounds.controller.windowBytes).toBeGreaterThan(0.5 * before);
  });

  it('§4.3 gives way once a round trip, by no more than empties a queue that is all its own', () => {
    const rounds = new Rounds(new Scavenger()).settle();
    expect(rounds.controller.state).toBe('steady');
    const before = rounds.controller.windowBytes;
    rounds.play(50 + 1.2 * TARGET_MS);
    expect(rounds.controller.windowBytes).toBeLessThan(before);
    expect(rounds.controller.windowBytes).toBeGreaterThan(before * (50 / (50 + 1.2 * TARGET_MS)));
    for (let i = 0; i < 20; i++) rounds.play(150);
    expect(rounds.controller.windowBytes).toBe(2 * DATAGRAM);
  });

  it('takes ACKs that come late in a round whose others are in time for no queue', () => {
    const late = new Rounds(new Scavenger()).settle();
    const before = late.controller.windowBytes;
    for (let i = 0; i < 30; i++) late.play((ack, acks) => (ack < acks / 3 ? 50 : 200));
    expect(late.controller.windowBytes).toBeGreaterThanOrEqual(before);
    const queued = new Rounds(new Scavenger()).settle();
    for (let i = 0; i < 30; i++) queued.play(200);
    expect(queued.controller.windowBytes).toBeLessThan(before / 2);
  });

  it('takes a loss without a queue for no congestion', () => {
    const scavenger = new Scavenger();
    const rounds = new Rounds(scavenger).settle();
    const before = rounds.controller.windowBytes;
    for (let i = 0; i < 20; i++) {
      rounds.controller.onLost(rounds.now, rounds.now - 1, DATAGRAM, before);
      rounds.play(50);
    }
    expect(rounds.controller.windowBytes).toBeGreaterThanOrEqual(before);
    expect(scavenger.targetMs).toBe(TARGET_MS);
  });

  it('aims at two fifths of the queue at which one overflowed, and forgets that where nothing was lost', () => {
    const scavenger = new Scavenger();
    const rounds = new Rounds(scavenger).settle();
    rounds.play(80);
    const sentAt = rounds.now - 1;
    rounds.controller.onLost(rounds.now, sentAt, DATAGRAM, 0);
    rounds.play(95);
    expect(scavenger.targetMs).toBeCloseTo(18, 6);
    // Another was, which says nothing of this one.
    rounds.controller.onSpuriousLoss(rounds.now, sentAt - 5, DATAGRAM);
    expect(scavenger.targetMs).toBeCloseTo(18, 6);
    rounds.controller.onSpuriousLoss(rounds.now, sentAt, DATAGRAM);
    expect(scavenger.targetMs).toBe(TARGET_MS);
    rounds.controller.onLost(rounds.now, rounds.now - 1, DATAGRAM, 0);
    rounds.controller.onSpuriousLoss(rounds.now, rounds.now - 1, DATAGRAM);
    rounds.play(95);
    expect(scavenger.targetMs).toBe(TARGET_MS);
    scavenger.onOverflow(rounds.now, 0.1, true);
    expect(scavenger.targetMs).toBe(MIN_TARGET_MS);
  });

  it('guesses how deep a queue is that it has never seen empty, and knows it after a slowdown', () => {
    const scavenger = new Scavenger();
    const rounds = new Rounds(scavenger);
    // It begins in a queue of 60 ms on a path of 20.
    for (let i = 0; i < 8; i++) rounds.play(80);
    for (let i = 0; i < 3; i++) rounds.play(120);
    rounds.controller.onLost(rounds.now, rounds.now - 1, DATAGRAM, 0);
    rounds.play(120);
    expect(scavenger.targetMs).toBeCloseTo(0.4 * 40, 6);
    expect(rounds.controller.state).toBe('still');
    rounds.until('steady', 20);
    expect(scavenger.targetMs).toBeCloseTo(0.4 * 100, 6);
  });

  it('P-7.3 keeps its rate where ACKs wait on their way back, and takes that for no queue', () => {
    const rounds = new Rounds(new Scavenger()).settle();
    const { windowBytes } = rounds.controller;
    const { now, delivered } = rounds;
    const sample = sampleOf({ now, delivered, rttMs: 50, forwardMs: 7 });
    rounds.controller.onAckDone(sample);
    // A queue of 25 ms, as much as half of the round trip, comes and stays.
    for (let i = 0; i < 50; i++) rounds.controller.onAckDone({ ...sample, now: now + i / 10, rttMs: 75 });
    expect(rounds.controller.delay.queueMs).toBeLessThan(0.1);
    expect(rounds.controller.windowBytes / windowBytes).toBeCloseTo(1.5, 1);
  });

  it('P-7.3 stretches its window to twice at most', () => {
    const rounds = new Rounds(new Scavenger()).settle();
    const { windowBytes } = rounds.controller;
    const { now, delivered } = rounds;
    const sample = sampleOf({ now, delivered, rttMs: 50, forwardMs: 7 });
    for (let i = 0; i < 50; i++)
      rounds.controller.onAckDone({ ...sample, now: now + i / 10, rttMs: i === 0 ? 50 : 145 });
    expect(rounds.controller.windowBytes / windowBytes).toBeLessThan(2.1);
  });

  it('§4.4 slows down a minute after the last time at the latest, however late who comes back', () => {
    const scavenger = new Scavenger();
    scavenger.onRecovered(3_600_000);
    expect(scavenger.isSlowdownDue(3_660_000)).toBe(true);
    scavenger.beginSlowdown(3_660_000);
    scavenger.onRecovered(3_660_100);
    scavenger.onRecovered(3_667_000);
    expect(scavenger.isSlowdownDue(3_668_100)).toBe(true);
  });

  it('aims at less the more it has, so that a latecomer finds room', () => {
    const rounds = new Rounds(new Scavenger());
    expect(rounds.controller.targetMs).toBe(TARGET_MS);
    for (let i = 0; i < 12; i++) rounds.play(50);
    const datagrams = rounds.controller.windowBytes / DATAGRAM;
    expect(datagrams).toBeGreaterThan(128);
    expect(rounds.controller.targetMs).toBeCloseTo((TARGET_MS * 128) / datagrams, 6);
  });
});

describe('the sessions of an agent are one flow', () => {
  it('begin with one window between them, and share one least window by pacing', () => {
    const scavenger = new Scavenger();
    const sessions = Array.from({ length: 12 }, () => new Rounds(scavenger));
    expect(sessions[11]?.controller.windowBytes).toBe(2 * DATAGRAM);
    const begun = sessions[11]?.controller.pacingRate(rttEstimatorOf(50)) ?? 0;
    expect(begun).toBeLessThanOrEqual((2 * initialWindow(DATAGRAM)) / 12 / 50);
    for (let i = 0; i < 40; i++) for (const session of sessions) session.play(i < 2 ? 50 : 300);
    const rate = sessions.reduce((sum, { controller }) => sum + controller.pacingRate(rttEstimatorOf(300)), 0);
    expect(rate).toBeLessThan((2.2 * 2 * DATAGRAM) / 300);
  });

  it('grow together as fast as one', () => {
    const growthOf = (count: number) => {
      const scavenger = new Scavenger();
      const sessions = Array.from({ length: count }, () => new Rounds(scavenger).settle());
      const sum = () => sessions.reduce((total, { controller }) => total + controller.windowBytes, 0);
      for (const session of sessions) session.now = 5000;
      for (const session of sessions) session.play(52);
      const before = sum();
      for (let i = 0; i < 5; i++) for (const session of sessions) session.play(52);
      return sum() - before;
    };
    expect(growthOf(6) / growthOf(1)).toBeGreaterThan(0.5);
    expect(growthOf(6) / growthOf(1)).toBeLessThan(2);
  });

  it('make room at one time', () => {
    const scavenger = new Scavenger();
    const one = new Rounds(scavenger).settle();
    const other = new Rounds(scavenger, one.now).settle();
    scavenger.beginSlowdown(one.now);
    for (const rounds of [one, other]) rounds.play(50);
    expect([one.controller.state, other.controller.state]).toEqual(['still', 'still']);
  });

  it('leave out who has sent nothing for two seconds', () => {
    const scavenger = new Scavenger();
    const one = new Rounds(scavenger);
    new Rounds(scavenger);
    expect(scavenger.share(1000)).toBe(0.5);
    one.controller.onPacketSent(2500);
    expect(scavenger.share(3000)).toBe(1);
  });
});

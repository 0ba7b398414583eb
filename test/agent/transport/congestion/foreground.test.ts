import { describe, expect, it } from 'vitest';
import { Foreground } from '../../../../agent/transport/congestion/foreground.js';
import { DATAGRAM, rttOf, sampleOf } from './samples.js';

const MAX = 3072 * DATAGRAM;

/** A path that delivers `rate` bytes a millisecond, one round trip at a time. */
class Rounds {
  readonly controller = new Foreground(DATAGRAM, MAX);
  now = 0;
  delivered = 0;

  play(rate: number, rttMs: number, lostDatagrams = 0, inFlight = rate * rttMs): void {
    const prior = this.delivered;
    this.now += rttMs;
    for (let i = 0; i < lostDatagrams; i++) this.controller.onLost(this.now, this.now - rttMs, DATAGRAM, inFlight);
    this.delivered += rate * rttMs;
    const acked = { ackedBytes: rate * rttMs, delivered: this.delivered, priorDelivered: prior, deliveryRate: rate };
    const sample = sampleOf({ now: this.now, rttMs, priorInFlight: inFlight, inFlight, ...acked });
    this.controller.onAckDone(sample, rttOf(rttMs));
  }
}

/** Startup over: 12.5 bytes a microsecond, that is 100 Mbit/s, and 50 ms. */
function settled(): Rounds {
  const rounds = new Rounds();
  for (const rate of [500, 1500, 4500, 12_500, 12_500, 12_500, 12_500, 12_500]) rounds.play(rate, 50);
  return rounds;
}

describe('draft-ietf-ccwg-bbr-06, the foreground controller', () => {
  it('RFC 9002 §7.2 begins with ten datagrams, at 2.77 of them a round trip', () => {
    const controller = new Foreground(DATAGRAM, MAX);
    expect(controller.windowBytes).toBe(12_000);
    expect(controller.pacingRate(rttOf(100))).toBeCloseTo((2.77 * 12_000) / 100, 6);
    expect(new Foreground(8952, MAX).windowBytes).toBe(4 * 8952);
  });

  it('§5.3.1 ends its startup when three rounds bring no more', () => {
    const rounds = new Rounds();
    for (const rate of [500, 1500, 4500, 12_500, 12_500, 12_500]) rounds.play(rate, 50);
    expect(rounds.controller.state).toBe('startup');
    rounds.play(12_500, 50);
    expect(rounds.controller.state).not.toBe('startup');
  });

  it('§5.3.1 does not end it for rounds that the application limited', () => {
    const { controller } = new Rounds();
    for (let i = 1; i < 20; i++) {
      const round = { delivered: i * 1e4, priorDelivered: (i - 1) * 1e4, deliveryRate: 200, rttMs: 50 };
      controller.onAckDone(sampleOf({ now: i * 50, appLimited: true, ...round }), rttOf(50));
    }
    expect(controller.state).toBe('startup');
  });

  it('ends it for rounds that the application limited where something waits all the same', () => {
    const { controller } = new Rounds();
    for (let i = 1; i < 20; i++) {
      const round = { delivered: i * 1e4, priorDelivered: (i - 1) * 1e4, deliveryRate: 200, rttMs: i < 3 ? 50 : 90 };
      controller.onAckDone(sampleOf({ now: i * 50, appLimited: true, ...round }), rttOf(50));
    }
    expect(controller.state).not.toBe('startup');
  });

  it('keeps to the model: a window of two flights, a pace of 99 %, and nine tenths of that to let a queue drain', () => {
    const { controller } = settled();
    expect(controller.bandwidth).toBe(12_500);
    expect(controller.windowBytes).toBeLessThanOrEqual(2 * 625_000 + controller.model.extraAcked);
    expect(controller.state).toBe('down');
    expect(controller.pacingRate(rttOf(50))).toBeCloseTo(0.9 * 0.99 * 12_500, 0);
  });

  it('takes loss without a queue for the path itself, though it be 5 %', () => {
    const rounds = settled();
    for (let i = 0; i < 30; i++) rounds.play(12_000, 50, 26);
    expect(rounds.controller.bandwidth).toBeGreaterThan(11_900);
    expect(rounds.controller.model.lossRate).toBeGreaterThan(0.04);
  });

  it('§5.5.10 takes it for congestion on a path that lost nothing before', () => {
    const rounds = settled();
    rounds.play(10_000, 90, 60);
    expect(rounds.controller.bandwidth).toBeLessThan(12_500);
    expect(rounds.controller.bandwidth).toBeGreaterThanOrEqual(0.7 * 12_500);
  });

  it('forgets nothing for an outage, and charges it with no loss', () => {
    const rounds = settled();
    const { windowBytes } = rounds.controller;
    rounds.now += 400;
    rounds.controller.onPersistentCongestion();
    rounds.play(1000, 50, 500);
    rounds.play(12_500, 50);
    expect(rounds.controller.bandwidth).toBe(12_500);
    expect(rounds.controller.windowBytes).toBeGreaterThan(0.5 * windowBytes);
  });

  it('follows a path that slows down within a few rounds, though it remembers better', () => {
    const rounds = settled();
    for (let i = 0; i < 4; i++) rounds.play(2500, 250, 0, 625_000);
    expect(rounds.controller.bandwidth).toBe(2500);
  });

  it('competes where a queue stays that it does not make, and takes no less than a TCP would', () => {
    const rounds = settled();
    for (let i = 0; i < 60 && rounds.controller.state !== 'compete'; i++) rounds.play(9_000, 80);
    expect(rounds.controller.state).toBe('compete');
    const { windowBytes } = rounds.controller;
    rounds.play(9_000, 80, 1);
    expect(rounds.controller.windowBytes).toBeLessThan(windowBytes);
    expect(rounds.controller.windowBytes).toBeGreaterThan(0.7 * windowBytes);
  });

  it('drains a queue that stays though nearly all of the rate comes, for it is its own, and competes where it outlasts that', () => {
    const rounds = settled();
    const { controller } = rounds;
    for (let i = 0; i < 100 && controller.state !== 'drain'; i++) rounds.play(12_250, 80);
    expect(controller.state).toBe('drain');
    expect(controller.bandwidth).toBeCloseTo(12_250, 6);
    for (let i = 0; i < 200; i++) {
      rounds.play(12_250, 50, 0, 600_000);
      expect(controller.state).not.toBe('compete');
    }
    for (let i = 0; i < 100 && controller.state !== 'drain'; i++) rounds.play(12_250, 80);
    for (let i = 0; i < 100 && controller.state !== 'compete'; i++) rounds.play(12_250, 80, 0, 600_000);
    expect(controller.state).toBe('compete');
  });

  it('competes where a queue outlasts eight rounds of draining, though as much stays in flight', () => {
    const rounds = settled();
    const { controller } = rounds;
    for (let i = 0; i < 100 && controller.state !== 'drain'; i++) rounds.play(12_250, 80);
    expect(controller.state).toBe('drain');
    for (let i = 0; i < 7; i++) rounds.play(7_000, 150);
    expect(controller.state).toBe('drain');
    for (let i = 0; i < 2; i++) rounds.play(7_000, 150);
    expect(controller.state).toBe('compete');
  });

  it('keeps no more in flight than there are records for', () => {
    const rounds = new Rounds();
    for (let i = 0; i < 30; i++) rounds.play(1000 * 1.5 ** i, 50);
    expect(rounds.controller.windowBytes).toBeLessThanOrEqual(MAX);
  });
});

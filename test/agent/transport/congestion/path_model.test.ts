import { describe, expect, it } from 'vitest';
import { PathModel } from '../../../../agent/transport/congestion/path_model.js';
import { RoundTally } from '../../../../agent/transport/congestion/round_tally.js';
import { DATAGRAM, sampleOf } from './samples.js';

function modelOf(rate: number, rttMs: number): PathModel {
  const model = new PathModel(DATAGRAM);
  model.onAck(sampleOf({ now: 1, deliveryRate: rate, rttMs }));
  return model;
}

describe('draft-ietf-ccwg-bbr-06 §5.5 the model of a path', () => {
  it('remembers the best rate of this cycle and the one before', () => {
    const model = modelOf(1000, 50);
    model.onAck(sampleOf({ deliveryRate: 800 }));
    expect(model.rate).toBe(1000);
    model.onCycle();
    model.onAck(sampleOf({ deliveryRate: 700 }));
    expect(model.rate).toBe(1000);
    model.onCycle();
    expect(model.rate).toBe(700);
  });

  it('believes a sample that the application limited only where it is better than all else', () => {
    const model = modelOf(1000, 50);
    model.onCycle();
    model.onAck(sampleOf({ deliveryRate: 500, appLimited: true }));
    model.onCycle();
    expect(model.rate).toBe(0);
    model.onAck(sampleOf({ deliveryRate: 1200, appLimited: true }));
    expect(model.rate).toBe(1200);
  });

  it('fills a path by rate and round trip, and a short path by what processes handle between two timers', () => {
    expect(modelOf(1000, 50).inFlight(1)).toBe(50_000);
    expect(modelOf(1000, 50).inFlight(2)).toBe(100_000);
    expect(modelOf(100_000, 0.1).inFlight(1)).toBe(800_000);
    expect(modelOf(1, 1).inFlight(1)).toBe(4 * DATAGRAM);
    expect(modelOf(100_000, 0.1).flightMs).toBe(8);
  });

  it('believes a shortest round trip for 10 s, wants to look again after 5, and not where it was seen anew', () => {
    const model = modelOf(1000, 50);
    model.onAck(sampleOf({ now: 5000, rttMs: 80 }));
    expect([model.minRttMs, model.wantsProbeRtt(5000), model.wantsProbeRtt(5002)]).toEqual([50, false, true]);
    model.onAck(sampleOf({ now: 6000, rttMs: 51 }));
    expect(model.wantsProbeRtt(10_000)).toBe(false);
    model.onAck(sampleOf({ now: 16_001, rttMs: 80 }));
    expect(model.minRttMs).toBe(80);
  });

  it('learns what a path loses from rounds without a queue, and only from those', () => {
    const model = modelOf(1000, 50);
    const round = new RoundTally();
    const play = (rttMs: number) => {
      round.onLost(DATAGRAM, 0);
      round.onAck(sampleOf({ ackedBytes: 19 * DATAGRAM, rttMs }));
      model.onRound(round);
      round.begin(sampleOf({}));
    };
    for (let i = 0; i < 100; i++) play(100);
    expect(model.lossRate).toBe(0);
    for (let i = 0; i < 100; i++) play(50);
    expect(model.lossRate).toBeCloseTo(0.05, 3);
  });

  it('§5.5.9 remembers what ACKs brought beyond the model, for a while', () => {
    const model = modelOf(1000, 50);
    model.onAck(sampleOf({ now: 10, ackedBytes: 1000 }));
    model.onAck(sampleOf({ now: 10, ackedBytes: 20_000 }));
    expect(model.extraAcked).toBeGreaterThan(15_000);
    const round = new RoundTally();
    for (let i = 0; i < 20; i++) model.onRound(round);
    expect(model.extraAcked).toBe(0);
  });
});

import { describe, expect, it } from 'vitest';
import { NewReno } from '../../../agent/transport/congestion/new_reno.js';
import { RttEstimator } from '../../../agent/transport/rtt.js';

const MAX = 10_000_000;

describe('RFC 9002 §7 NewReno', () => {
  it('§7.2 begins with ten datagrams, and with fewer of jumbo ones', () => {
    expect(new NewReno(1200, MAX).windowBytes).toBe(12_000);
    expect(new NewReno(1472, MAX).windowBytes).toBe(14_720);
    expect(new NewReno(8952, MAX).windowBytes).toBe(2 * 8952);
  });

  it('§7.3.1 doubles each round trip in slow start', () => {
    const reno = new NewReno(1200, MAX);
    for (let i = 0; i < 10; i++) reno.onAcked(10, 0, 1200, true);
    expect(reno.windowBytes).toBe(24_000);
  });

  it('§7.3.3 adds a datagram each round trip after that', () => {
    const reno = new NewReno(1200, MAX);
    reno.onLost(1, 0);
    expect(reno.windowBytes).toBe(6000);
    for (let i = 0; i < 5; i++) reno.onAcked(10, 2, 1200, true);
    expect(reno.windowBytes).toBeGreaterThan(7000);
    expect(reno.windowBytes).toBeLessThanOrEqual(7200);
  });

  it('§7.3.2 halves once for all losses of one round trip', () => {
    const reno = new NewReno(1200, MAX);
    for (let i = 0; i < 5; i++) reno.onLost(100, 90 + i);
    expect(reno.windowBytes).toBe(6000);
    reno.onLost(200, 101);
    expect(reno.windowBytes).toBe(3000);
  });

  it('§7.3.2 does not grow by packets of before the recovery', () => {
    const reno = new NewReno(1200, MAX);
    reno.onLost(100, 90);
    reno.onAcked(110, 100, 1200, true);
    expect(reno.windowBytes).toBe(6000);
  });

  it('§7.2 goes no lower than two datagrams', () => {
    const reno = new NewReno(1200, MAX);
    for (let i = 0; i < 20; i++) reno.onLost(i * 10 + 1, i * 10);
    expect(reno.windowBytes).toBe(2400);
  });

  it('§7.6 falls to two datagrams on persistent congestion', () => {
    const reno = new NewReno(1200, MAX);
    reno.onPersistentCongestion();
    expect(reno.windowBytes).toBe(2400);
  });

  it('§7.8 does not grow while something else limits', () => {
    const reno = new NewReno(1200, MAX);
    for (let i = 0; i < 100; i++) reno.onAcked(10, 0, 1200, false);
    expect(reno.windowBytes).toBe(12_000);
  });

  it('grows no larger than what records are kept of', () => {
    const reno = new NewReno(1200, 50_000);
    for (let i = 0; i < 1000; i++) reno.onAcked(10, 0, 1200, true);
    expect(reno.windowBytes).toBe(50_000);
  });

  it('takes a reduction back when every loss that caused it was reordering, and only then', () => {
    const reno = new NewReno(1200, MAX);
    reno.onLost(100, 90);
    reno.onLost(100, 91);
    reno.onSpuriousLoss(110, 90);
    expect(reno.windowBytes).toBe(6000);
    reno.onSpuriousLoss(111, 91);
    expect([reno.windowBytes, reno.inSlowStart]).toEqual([12_000, true]);
  });

  it('P-8.4 paces at 1.25 windows a round trip', () => {
    const rtt = new RttEstimator();
    rtt.onSample(0, 10, 0);
    expect(new NewReno(1200, MAX).pacingRate(rtt)).toBe(1500);
  });
});

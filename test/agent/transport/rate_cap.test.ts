import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RateCap } from '../../../agent/transport/rate_cap.js';

/** Sends datagrams of `bytes` whenever the cap lets, and looks again when it says to, `late` ms late. @returns bytes sent. */
function sendAll(cap: RateCap, fromMs: number, toMs: number, bytes = 1200, late = 0): number {
  let sent = 0;
  for (let now = fromMs; now < toMs; now = Math.max(now, cap.nextSendAt) + late) {
    while (cap.maySend(now)) {
      cap.onSent(now, bytes);
      sent += bytes;
    }
  }
  return sent;
}

function capOf(bytesPerSecond: number): RateCap {
  const cap = new RateCap();
  cap.set(0, bytesPerSecond);
  return cap;
}

describe('RateCap', () => {
  it('holds a rate within 3 % over 5 s, whatever the rate, the datagrams, and the timer', () => {
    const rates = fc.integer({ min: 50_000, max: 100_000_000 });
    fc.assert(
      fc.property(
        rates,
        fc.integer({ min: 100, max: 8952 }),
        fc.double({ min: 0, max: 20, noNaN: true }),
        (rate, bytes, late) => {
          const sent = sendAll(capOf(rate), 0, 5000, Math.min(bytes, rate * 0.02), late);
          expect(Math.abs(sent / 5 - rate) / rate).toBeLessThan(0.03);
        },
      ),
      { numRuns: 30 },
    );
  });

  it('lets everything through to begin with, and when it is lifted', () => {
    const cap = new RateCap();
    expect([cap.maySend(0), cap.nextSendAt]).toEqual([true, Number.NEGATIVE_INFINITY]);
    cap.set(0, 1000);
    cap.onSent(0, 1_000_000);
    cap.set(1, Number.POSITIVE_INFINITY);
    expect(cap.maySend(1)).toBe(true);
  });

  it('lets nothing through at 0', () => {
    const cap = capOf(0);
    expect([cap.maySend(1e9), cap.nextSendAt]).toEqual([false, Number.POSITIVE_INFINITY]);
  });

  it('changes while it runs, up and down', () => {
    const cap = capOf(1_000_000);
    expect(sendAll(cap, 0, 5000) / 5).toBeGreaterThan(970_000);
    cap.set(5000, 200_000);
    expect(sendAll(cap, 5000, 10_000) / 5).toBeLessThan(206_000);
    cap.set(10_000, 3_000_000);
    expect(sendAll(cap, 10_000, 15_000) / 5).toBeGreaterThan(2_910_000);
  });

  it('saves up no more than 50 ms of silence', () => {
    const cap = capOf(1_000_000);
    let burst = 0;
    for (; cap.maySend(60_000); burst += 1000) cap.onSent(60_000, 1000);
    expect(burst).toBeLessThanOrEqual(51_000);
  });

  it('owes no more than a second of its rate, whatever was sent that may not wait', () => {
    const cap = capOf(10_000);
    for (let i = 0; i < 10_000; i++) cap.onSent(0, 60);
    expect(cap.nextSendAt).toBeLessThanOrEqual(1001);
    const large = capOf(1_000);
    large.onSent(0, 8952);
    expect(large.nextSendAt).toBeCloseTo(8952, 0);
  });

  it('forgives a large datagram nothing for the sake of small ones that come after it', () => {
    const cap = capOf(1_000);
    cap.onSent(0, 8952);
    for (let i = 0; i < 100; i++) cap.onSent(0, 60);
    expect(cap.nextSendAt).toBeCloseTo(8952, 0);
  });

  it('owes nothing for what passed at 0', () => {
    const cap = capOf(0);
    for (let i = 0; i < 10_000; i++) cap.onSent(i, 60);
    cap.set(10_000, 10_000);
    expect(cap.maySend(10_000)).toBe(true);
  });

  it('owes from one rate to the next what it sent, in bytes, and saves nothing up', () => {
    const cap = capOf(10_000);
    cap.onSent(0, 8_000);
    cap.set(100, 35_000);
    expect([cap.maySend(299), cap.maySend(301)]).toEqual([false, true]);
    cap.set(1_000, 5_000);
    cap.onSent(1_000, 100);
    expect([cap.maySend(1_019), cap.maySend(1_021)]).toEqual([false, true]);
    cap.set(2_000, Number.POSITIVE_INFINITY);
    cap.onSent(2_000, 1_000_000);
    cap.set(2_001, 10_000);
    expect(cap.maySend(2_001)).toBe(true);
  });

  it('is no faster for being set again and again, and comes from a high rate to a low one in bounded time', () => {
    const cap = capOf(10_000);
    let sent = 0;
    for (let now = 0; now < 5_000; now += 1) {
      if (now % 10 === 0) cap.set(now, now % 20 === 0 ? 9_000 : 11_000);
      sent += sendAll(cap, now, now + 1);
    }
    expect(sent).toBeLessThanOrEqual(50_000 + 1_200);
    const fast = capOf(100_000_000);
    fast.onSent(0, 50_000_000);
    fast.set(0, 10_000);
    expect(fast.nextSendAt).toBeLessThanOrEqual(1_001);
  });

  it('is shared: what one sends the other may not', () => {
    const cap = capOf(1_000_000);
    cap.onSent(0, 100_000);
    expect([cap.maySend(99), cap.maySend(101)]).toEqual([false, true]);
  });
});

import { describe, expect, it } from 'vitest';
import { QueueDelay } from '../../../../agent/transport/congestion/queue_delay.js';

describe('RFC 6817 §2.5 queueing delay', () => {
  it('is the round trip of now less the least that was seen', () => {
    const delay = new QueueDelay();
    expect(delay.queueMs).toBe(0);
    for (const rtt of [50, 70, 70, 70, 70]) delay.onSample(0, rtt, Number.NaN);
    expect([delay.baseMs, delay.queueMs]).toEqual([50, 20]);
  });

  it('takes one late packet for no queue', () => {
    const delay = new QueueDelay();
    for (const rtt of [50, 50, 50, 400]) delay.onSample(0, rtt, Number.NaN);
    expect(delay.queueMs).toBe(0);
  });

  it('believes that a path grew longer after ten minutes, and not before', () => {
    const delay = new QueueDelay();
    delay.onSample(0, 50, Number.NaN);
    for (let minute = 1; minute < 10; minute++) delay.onSample(minute * 60_000, 80, Number.NaN);
    expect(delay.baseMs).toBe(50);
    for (let minute = 10; minute < 12; minute++) delay.onSample(minute * 60_000, 80, Number.NaN);
    expect(delay.baseMs).toBe(80);
  });

  it('learns how far samples lie apart', () => {
    const delay = new QueueDelay();
    for (let i = 0; i < 1000; i++) delay.onSample(i, i % 4 === 0 ? 50 : 60, Number.NaN);
    expect(delay.spreadMs).toBeGreaterThan(7);
    expect(delay.spreadMs).toBeLessThan(8);
  });

  it('is as long as it was when a queue overflowed', () => {
    const delay = new QueueDelay();
    expect(delay.peakMs).toBe(0);
    for (const rtt of [50, 60, 90, 150, 70, 60]) delay.onSample(0, rtt, Number.NaN);
    expect([delay.queueMs, delay.peakMs]).toEqual([10, 100]);
    for (let i = 0; i < 16; i++) delay.onSample(0, 60, Number.NaN);
    expect(delay.peakMs).toBe(10);
  });
});

describe('P-7.3 a queue on the way back', () => {
  /** An empty path of 50 ms, then one with queues; the peer's clock is far off. */
  const seen = (thereMs: number, backMs: number): number => {
    const delay = new QueueDelay();
    delay.onSample(0, 50, -7e6);
    for (let i = 0; i < 4; i++) delay.onSample(0, 50 + thereMs + backMs, -7e6 + thereMs);
    return delay.queueMs;
  };

  it('is none of ours', () => {
    expect(seen(0, 40)).toBe(0);
    expect(seen(30, 0)).toBe(30);
    expect(seen(30, 60)).toBe(30);
  });

  it('is believed up to 200 ms: who lies about when packets came gains no more', () => {
    expect(seen(0, 250)).toBe(50);
    const delay = new QueueDelay();
    delay.onSample(0, 50, 0);
    for (let i = 0; i < 4; i++) delay.onSample(0, 550, -1e9 * (i + 1));
    expect(delay.queueMs).toBe(300);
  });

  it('is never negative: who says that packets came late is believed as far as the round trip goes', () => {
    const delay = new QueueDelay();
    delay.onSample(0, 50, 0);
    for (let i = 0; i < 4; i++) delay.onSample(0, 55, 1e9);
    expect(delay.queueMs).toBe(5);
  });

  it('is not made up by a clock that loses 30 parts in a million', () => {
    const delay = new QueueDelay();
    delay.onSample(0, 50, 0);
    const minute = 60_000;
    // 20 ms of queue there, whose growth the clock hides.
    for (let i = 0; i < 4; i++) delay.onSample(minute, 70, 20 - 3e-5 * minute);
    expect(delay.queueMs).toBeCloseTo(20, 6);
  });

  it('is told from one ahead after minutes of use, by clocks that go alike or one that gains 50 parts in a million', () => {
    for (const gain of [0, 5e-5]) {
      const delay = new QueueDelay();
      let now = 0;
      for (; now < 300_000; now += 100) delay.onSample(now, 50 + (now % 500) / 50, gain * now);
      for (let i = 0; i < 4; i++) delay.onSample(now, 90, gain * now);
      expect(delay.queueMs).toBeLessThan(5);
      expect(delay.backMs).toBeGreaterThan(10);
    }
  });
});

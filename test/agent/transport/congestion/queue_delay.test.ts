import { describe, expect, it } from 'vitest';
import { QueueDelay } from '../../../../agent/transport/congestion/queue_delay.js';

describe('RFC 6817 §2.5 queueing delay', () => {
  it('is the round trip of now less the least that was seen', () => {
    const delay = new QueueDelay();
    expect(delay.queueMs).toBe(0);
    for (const rtt of [50, 70, 70, 70, 70]) delay.onSample(0, rtt);
    expect([delay.baseMs, delay.queueMs]).toEqual([50, 20]);
  });

  it('takes one late packet for no queue', () => {
    const delay = new QueueDelay();
    for (const rtt of [50, 50, 50, 400]) delay.onSample(0, rtt);
    expect(delay.queueMs).toBe(0);
  });

  it('believes that a path grew longer after ten minutes, and not before', () => {
    const delay = new QueueDelay();
    delay.onSample(0, 50);
    for (let minute = 1; minute < 10; minute++) delay.onSample(minute * 60_000, 80);
    expect(delay.baseMs).toBe(50);
    for (let minute = 10; minute < 12; minute++) delay.onSample(minute * 60_000, 80);
    expect(delay.baseMs).toBe(80);
  });

  it('learns how far samples lie apart', () => {
    const delay = new QueueDelay();
    for (let i = 0; i < 1000; i++) delay.onSample(i, i % 4 === 0 ? 50 : 60);
    expect(delay.spreadMs).toBeGreaterThan(7);
    expect(delay.spreadMs).toBeLessThan(8);
  });
});

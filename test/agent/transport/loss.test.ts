import { describe, expect, it } from 'vitest';
import { LossDetector, MAX_PACKET_THRESHOLD, MAX_TIME_THRESHOLD } from '../../../agent/transport/loss.js';
import { MAX_ACK_DELAY_MS, RttEstimator } from '../../../agent/transport/rtt.js';

function rttOf(ms: number): RttEstimator {
  const rtt = new RttEstimator();
  rtt.onSample(0, ms, 0);
  return rtt;
}

describe('RFC 9002 §6 loss', () => {
  it('§6.1.1 P-8.1 counts a packet lost when 3 later ones came, and not when 2 did', () => {
    const loss = new LossDetector();
    expect(loss.isLost(7, 9, 0, 1, 100)).toBe(false);
    expect(loss.isLost(7, 10, 0, 1, 100)).toBe(true);
  });

  it('§6.1.2 P-8.1 counts an overtaken packet lost after 9/8 of a round trip', () => {
    const loss = new LossDetector();
    const delay = loss.lossDelayMs(rttOf(80));
    expect(delay).toBe(90);
    expect(loss.isLost(7, 8, 1000, 1089.9, delay)).toBe(false);
    expect(loss.isLost(7, 8, 1000, 1090, delay)).toBe(true);
  });

  it('§6.1.2 waits at least the grain of timers', () => {
    expect(new LossDetector().lossDelayMs(rttOf(0.1))).toBe(1);
  });

  it('§6.2.1 doubles the probe timeout with each in a row, up to a cap', () => {
    const loss = new LossDetector();
    const rtt = rttOf(100);
    const first = 100 + 200 + MAX_ACK_DELAY_MS;
    const timeouts = [0, 1, 2, 3, 6, 7, 50].map((count) => {
      loss.probeCount = count;
      return (loss.probeDeadline(1000, rtt) - 1000) / first;
    });
    expect(timeouts).toEqual([1, 2, 4, 8, 64, 64, 64]);
  });

  it('§7.6.1 calls congestion persistent after three probe timeouts', () => {
    expect(new LossDetector().persistentCongestionMs(rttOf(100))).toBe(3 * (300 + MAX_ACK_DELAY_MS));
  });

  it('§6.1 learns how much a path reorders, and no more than its caps', () => {
    const loss = new LossDetector();
    loss.onSpuriousLoss(2);
    expect(loss.packetThreshold).toBe(3);
    loss.onSpuriousLoss(9);
    expect(loss.packetThreshold).toBe(10);
    expect(loss.isLost(0, 9, 0, 0, 100)).toBe(false);
    for (let i = 0; i < 100; i++) loss.onSpuriousLoss(100_000);
    expect([loss.packetThreshold, loss.timeThreshold]).toEqual([MAX_PACKET_THRESHOLD, MAX_TIME_THRESHOLD]);
  });
});

import { describe, expect, it } from 'vitest';
import { INITIAL_RTT_MS, MAX_ACK_DELAY_MS, RttEstimator } from '../../../agent/transport/rtt.js';

describe('RFC 9002 §5 round-trip time', () => {
  it('§6.2.2 begins at 333 ms, before a sample', () => {
    const rtt = new RttEstimator();
    expect([rtt.hasSample, rtt.smoothedMs, rtt.variationMs]).toEqual([false, INITIAL_RTT_MS, INITIAL_RTT_MS / 2]);
    expect(rtt.probeTimeoutMs).toBe(333 + 4 * 166.5 + MAX_ACK_DELAY_MS);
  });

  it('§5.3 takes the first sample whole', () => {
    const rtt = new RttEstimator();
    rtt.onSample(5, 100, 20);
    expect([rtt.minMs, rtt.smoothedMs, rtt.variationMs, rtt.firstSampleAt]).toEqual([100, 100, 50, 5]);
  });

  it('§5.3 smooths by eighths and quarters, less the delay that the peer names', () => {
    const rtt = new RttEstimator();
    rtt.onSample(0, 100, 0);
    rtt.onSample(1, 150, 10);
    expect(rtt.variationMs).toBe(0.75 * 50 + 0.25 * 40);
    expect(rtt.smoothedMs).toBe(0.875 * 100 + 0.125 * 140);
  });

  it('§5.2 keeps the minimum free of delays that the peer names', () => {
    const rtt = new RttEstimator();
    rtt.onSample(0, 100, 0);
    rtt.onSample(1, 90, 20);
    expect(rtt.minMs).toBe(90);
  });

  it('§5.3 takes no delay off that would go below the minimum, and no more than the longest', () => {
    const rtt = new RttEstimator();
    rtt.onSample(0, 100, 0);
    rtt.onSample(1, 104, 5);
    expect(rtt.smoothedMs).toBe(0.875 * 100 + 0.125 * 104);
    const other = new RttEstimator();
    other.onSample(0, 100, 0);
    other.onSample(1, 1000, 900);
    expect(other.smoothedMs).toBe(0.875 * 100 + 0.125 * (1000 - MAX_ACK_DELAY_MS));
  });

  it('§6.2.1 has a probe timeout of at least a millisecond over the round trip', () => {
    const rtt = new RttEstimator();
    for (let i = 0; i < 200; i++) rtt.onSample(i, 10, 0);
    expect(rtt.probeTimeoutMs).toBeCloseTo(10 + 1 + MAX_ACK_DELAY_MS, 6);
  });
});

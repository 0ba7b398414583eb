import { describe, expect, it } from 'vitest';
import { BURST_MS, MAX_BURST_BYTES, MIN_BURST_BYTES, Pacer } from '../../../agent/transport/pacer.js';

function burst(pacer: Pacer, now: number, rate: number): number {
  let count = 0;
  for (; pacer.maySend(now, rate); count++) pacer.onSent(1200);
  return count;
}

describe('P-8.4 pacing', () => {
  it('lets one burst of 16 datagrams go at once on a slow path, and no seventeenth', () => {
    expect(burst(new Pacer(0, 1200), 0, 1200)).toBe(MIN_BURST_BYTES / 1200);
  });

  it('lets no more than a burst go after any silence', () => {
    const pacer = new Pacer(0, 1200);
    burst(pacer, 0, 1200);
    expect(burst(pacer, 1e9, 1200)).toBe(MIN_BURST_BYTES / 1200);
  });

  it('lets no more than 4 ms of a fast path go after any silence, and no more than 1 MiB of the fastest', () => {
    const pacer = new Pacer(0, 1200);
    burst(pacer, 0, 12_000);
    expect(burst(pacer, 1000, 12_000)).toBe((BURST_MS * 12_000) / 1200);
    expect(burst(pacer, 2000, 1e6)).toBe(Math.floor(MAX_BURST_BYTES / 1200));
  });

  it('lets two jumbo datagrams go at once, and no third', () => {
    let count = 0;
    const pacer = new Pacer(0, 8952);
    for (; pacer.maySend(0, 1); count++) pacer.onSent(8952);
    expect(count).toBe(2);
  });

  it('is no wall at 250 MB/s to a timer with a grain of 1 ms that comes up to 1.3 ms late', () => {
    const rate = 250_000;
    const pacer = new Pacer(0, 1200);
    let sent = burst(pacer, 0, rate);
    let now = 0;
    for (let i = 0; now < 1000; i++) {
      now += Math.max(1, Math.trunc(pacer.nextSendAt(rate) - now)) + (i % 14) * 0.1;
      sent += burst(pacer, now, rate);
    }
    expect((sent * 1200) / now).toBeGreaterThan(0.99 * rate);
  });

  it('lets go what the rate earns, whatever the steps of time', () => {
    for (const step of [0.1, 0.7, 1, 3]) {
      const pacer = new Pacer(0, 1200);
      let sent = burst(pacer, 0, 2400);
      for (let now = step; now <= 1000; now += step) sent += burst(pacer, now, 2400);
      expect(sent).toBeGreaterThan(16 + 1990);
      expect(sent).toBeLessThan(16 + 2010);
    }
  });

  it('names a time at which there is credit, and none earlier', () => {
    const pacer = new Pacer(0, 1200);
    burst(pacer, 0, 600);
    const at = pacer.nextSendAt(600);
    expect(at).toBeCloseTo(2, 3);
    expect(pacer.maySend(at - 0.01, 600)).toBe(false);
    expect(pacer.maySend(at, 600)).toBe(true);
  });

  it('earns nothing by a clock that does not move, or moves back', () => {
    const pacer = new Pacer(10, 1200);
    burst(pacer, 10, 1200);
    expect(pacer.maySend(10, 1200)).toBe(false);
    expect(pacer.maySend(5, 1200)).toBe(false);
  });
});

import { describe, expect, it } from 'vitest';
import { MAX_BURST_DATAGRAMS, Pacer } from '../../../agent/transport/pacer.js';

function burst(pacer: Pacer, now: number, rate: number): number {
  let count = 0;
  for (; pacer.maySend(now, rate); count++) pacer.onSent(1200);
  return count;
}

describe('P-8.4 pacing', () => {
  it('lets one burst of 16 datagrams go at once, and no seventeenth', () => {
    expect(burst(new Pacer(0, 1200), 0, 1200)).toBe(MAX_BURST_DATAGRAMS);
  });

  it('lets no more than a burst go after any silence', () => {
    const pacer = new Pacer(0, 1200);
    burst(pacer, 0, 1200);
    expect(burst(pacer, 1e9, 1200)).toBe(MAX_BURST_DATAGRAMS);
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

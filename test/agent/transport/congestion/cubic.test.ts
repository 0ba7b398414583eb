import { describe, expect, it } from 'vitest';
import { Cubic } from '../../../../agent/transport/congestion/cubic.js';
import { DATAGRAM } from './samples.js';

/** A window's worth of ACKs each round trip of 50 ms. */
function run(cubic: Cubic, from: number, ms: number): number {
  let now = from;
  for (; now < from + ms; now += 50) {
    const { windowBytes } = cubic;
    for (let acked = 0; acked < windowBytes; acked += 8 * DATAGRAM) cubic.onAcked(now, 8 * DATAGRAM, 50);
  }
  return now;
}

describe('RFC 9438 CUBIC', () => {
  it('§4.2 is back where it was after a reduction, stays there for a while, then goes on', () => {
    const cubic = new Cubic(DATAGRAM);
    cubic.begin(400 * DATAGRAM, 400 * DATAGRAM);
    cubic.onCongestion();
    const seconds = Math.cbrt((400 * 0.15) / 2);
    const plateau = run(cubic, 0, seconds * 1000);
    expect(cubic.windowBytes / DATAGRAM).toBeGreaterThan(390);
    expect(cubic.windowBytes / DATAGRAM).toBeLessThan(410);
    run(cubic, plateau, 5000);
    expect(cubic.windowBytes / DATAGRAM).toBeGreaterThan(500);
  });

  it('§4.3 grows at least as Reno does', () => {
    const cubic = new Cubic(DATAGRAM);
    cubic.begin(10 * DATAGRAM, 10 * DATAGRAM);
    cubic.onCongestion();
    run(cubic, 0, 500);
    expect(cubic.windowBytes / DATAGRAM).toBeGreaterThan(8.5 + 4);
  });

  it('gives back more for each further loss of a round trip, down to half', () => {
    const cubic = new Cubic(DATAGRAM);
    cubic.begin(100_000, 100_000);
    cubic.onCongestion();
    expect(cubic.windowBytes).toBeCloseTo(85_000, 3);
    cubic.onFurtherLoss();
    expect(cubic.windowBytes).toBeCloseTo(80_000, 3);
    for (let i = 0; i < 20; i++) cubic.onFurtherLoss();
    expect(cubic.windowBytes).toBeCloseTo(50_000, 3);
  });
});

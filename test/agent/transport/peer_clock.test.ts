import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PeerClock } from '../../../agent/transport/peer_clock.js';

const TURN = 2 ** 32;

describe('P-7.3 the clock of a peer', () => {
  it('is told from its lower 32 bits, as long as readings lie less than half a turn apart', () => {
    const apart = fc.integer({ min: -TURN / 2 + 1, max: TURN / 2 - 1 });
    fc.assert(
      fc.property(fc.array(apart, { maxLength: 50 }), (steps) => {
        const clock = new PeerClock();
        let micros = 0;
        for (const step of steps) {
          micros += step;
          expect(clock.unroll(((micros % TURN) + TURN) % TURN)).toBe(micros);
        }
      }),
    );
  });

  it('stays a number whatever is said', () => {
    const clock = new PeerClock();
    for (let i = 0; i < 10_000; i++) expect(Number.isSafeInteger(clock.unroll((i * 0x7fff_ffff) % TURN))).toBe(true);
  });
});

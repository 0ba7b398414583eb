import { describe, expect, it } from 'vitest';
import { Feeding } from '../../../agent/swarm/feeding.js';
import { LOOK_AROUND_MS, LOOKING_MS, STARVED_MS } from '../../../agent/swarm/limits.js';

const NOW = 1_000_000;
/** So that no moment of looking around is near. */
const LATER = (): number => 0.5 - (NOW % LOOK_AROUND_MS) / LOOK_AROUND_MS;

describe('P-10.1 whether a device is fed', () => {
  it('is as long as a chunk was verified in the last 10 s', () => {
    const feeding = new Feeding(NOW, LATER);
    expect(feeding.isFed(NOW + STARVED_MS - 1)).toBe(true);
    expect(feeding.isFed(NOW + STARVED_MS)).toBe(false);
    feeding.progressed(NOW + STARVED_MS);
    expect(feeding.starvesAt).toBe(NOW + 2 * STARVED_MS);
    expect(feeding.isFed(NOW + 2 * STARVED_MS - 1)).toBe(true);
  });

  it('is not for a moment in five minutes, whatever comes, at a time of its own', () => {
    for (const random of [0, 0.25, 0.75]) {
      const feeding = new Feeding(0, () => random);
      let looking = 0;
      for (let now = 0; now < LOOK_AROUND_MS; now += 100) {
        feeding.progressed(now);
        if (feeding.isFed(now)) continue;
        looking += 100;
        expect((now + random * LOOK_AROUND_MS) % LOOK_AROUND_MS).toBeLessThan(LOOKING_MS);
      }
      expect(looking).toBe(LOOKING_MS);
    }
  });
});

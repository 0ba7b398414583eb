import { describe, expect, it } from 'vitest';
import { simulationSeed } from './random.js';
import { scenarios } from './scenarios.js';

/** `npm run test:sim` */
const LONG = process.env.CHUNKMESH_SIM === 'long';

/** Links of 100 Mbit/s, a round trip of 50 ms and a queue of as much, unless a scenario says otherwise. */
describe.each(Object.entries(scenarios))('%s', (_controller, list) => {
  const chosen = list.filter(({ long = false }) => LONG || !long);
  it.each(chosen)(
    '$name',
    ({ run, seeds = 1 }) => {
      for (let seed = 1; seed <= (LONG ? seeds : 1); seed++) {
        const used = simulationSeed(seed);
        for (const { metric, unit, value, least = Number.NEGATIVE_INFINITY, most = Number.POSITIVE_INFINITY } of run(
          used,
        )) {
          const label = `CHUNKMESH_SEED=${used}: ${metric} ${value.toFixed(1)} ${unit}`;
          expect(value, label).toBeGreaterThanOrEqual(least);
          expect(value, label).toBeLessThanOrEqual(most);
        }
      }
    },
    120_000,
  );
});

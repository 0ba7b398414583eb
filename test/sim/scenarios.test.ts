import { describe, expect, it } from 'vitest';
import { simulationSeed } from './random.js';
import { median } from './scenario.js';
import { scenarios } from './scenarios.js';

/** `npm run test:sim` */
const LONG = process.env.CHUNKMESH_SIM === 'long';

/** A bar is held by the median over the seeds. Links of 100 Mbit/s, 50 ms and a queue of as much, unless it says otherwise. */
describe.each(Object.entries(scenarios))('%s', (_controller, list) => {
  const chosen = list.filter(({ long = false }) => LONG || !long);
  it.each(chosen)(
    '$name',
    ({ run, seeds = 1 }) => {
      const used = Array.from({ length: LONG ? seeds : 1 }, (_, i) => simulationSeed(i + 1));
      const runs = used.map((seed) => run(seed));
      runs[0]?.forEach(({ metric, unit, least = Number.NEGATIVE_INFINITY, most = Number.POSITIVE_INFINITY }, i) => {
        const values = runs.map((figures) => figures[i]?.value ?? Number.NaN);
        const label = `CHUNKMESH_SEED=${used}: ${metric} ${values.map((value) => value.toFixed(1))} ${unit}`;
        expect(median(values), label).toBeGreaterThanOrEqual(least);
        expect(median(values), label).toBeLessThanOrEqual(most);
      });
    },
    300_000,
  );
});

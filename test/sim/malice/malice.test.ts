import { beforeAll, describe, expect, it } from 'vitest';
import { simulationSeed } from '../random.js';
import { MaliceFleet, type Outcome } from './fleet.js';
import { LARGE, MALICE_SCENARIOS, MOST_TIME, SMALL } from './scenarios.js';

/** `npm run test:sim` */
const LONG = process.env.CHUNKMESH_SIM === 'long';
const SEEDS = (LONG ? [1, 2, 3] : [1]).map(simulationSeed);
const SIZES = LONG ? [SMALL, LARGE] : [SMALL];

describe.each(SIZES)('$honest honest devices and a seed, and $malicious malicious ones', (options) => {
  let fleet: MaliceFleet;
  beforeAll(async () => {
    fleet = await MaliceFleet.make(options);
  });

  describe.each(SEEDS)('seed %d', (seed) => {
    let clean: Outcome;
    beforeAll(async () => {
      clean = await fleet.play(seed, []);
    });

    it('P-10.4 name nobody who is honest for what only the hostile do', () => {
      expect(
        clean.misnamed.filter(({ kind }) => kind !== 'slow'),
        `CHUNKMESH_SEED=${seed}`,
      ).toEqual([]);
    });

    it.each(MALICE_SCENARIOS)(
      'P-10.3 P-10.4 are done within twice the time, and name each: $name',
      async ({ malice }) => {
        const outcome = await fleet.play(seed, malice);
        const label = `CHUNKMESH_SEED=${seed}: ${outcome.seconds} s, alone ${clean.seconds} s`;
        expect(outcome.seconds / clean.seconds, label).toBeLessThan(MOST_TIME);
        for (const { device, malice: kind, by } of outcome.named) {
          expect(
            kind.named.some((how) => by.has(how)),
            `${label}; ${device}: ${[...by]}`,
          ).toBe(true);
        }
      },
    );
  });
});

import { beforeAll, describe, expect, it } from 'vitest';
import { simulationSeed } from '../random.js';
import { MaliceFleet, type Outcome } from './fleet.js';
import { STALLING, WRONG_BYTES } from './kinds.js';
import { ALL_OF_THEM, LARGE, MALICE_SCENARIOS, MOST_TIME, SMALL } from './scenarios.js';

/** `npm run test:sim`; the rest of what members may do, and larger fleets, with `npm run sim:malice` too. */
const LONG = process.env.CHUNKMESH_SIM === 'long';
const SEEDS = (LONG ? [1, 2, 3] : [1]).map(simulationSeed);
const SIZES = LONG ? [SMALL, LARGE] : [SMALL];
const SHORT = [WRONG_BYTES, STALLING].map((kind) => ({ name: kind.name, malice: [kind] }));
const SCENARIOS = LONG ? MALICE_SCENARIOS : [...SHORT, ALL_OF_THEM];
/** Of real time: arithmetic of some seconds, on a machine that has other things to do. */
const PATIENCE_MS = 600_000;
/** What a device that is honest never does. */
const HOSTILE = ['wrong-bytes', 'false-have', 'flood', 'protocol'];

describe.each(SIZES)('$honest honest devices and a seed, and $malicious malicious ones', (options) => {
  describe.each(SEEDS)('seed %d', (seed) => {
    let fleet: MaliceFleet;
    let clean: Outcome;
    beforeAll(async () => {
      fleet = await MaliceFleet.make(options);
      clean = await fleet.play(seed, []);
    }, PATIENCE_MS);

    it.each(SCENARIOS)(
      'P-10.3 P-10.4 are done within twice the time, name each, and no other: $name',
      async ({ malice }) => {
        const outcome = await fleet.play(seed, malice);
        const label = `CHUNKMESH_SEED=${seed}: ${outcome.seconds} s, alone ${clean.seconds} s`;
        expect(outcome.seconds / clean.seconds, label).toBeLessThan(MOST_TIME);
        for (const { device, malice: kind, by } of outcome.named) {
          const isNamed = kind.named.some((how) => by.has(how));
          expect(isNamed, `${label}; ${device}, ${kind.name}: ${[...by].join()}`).toBe(true);
        }
        expect(
          outcome.misnamed.filter(({ kind }) => HOSTILE.includes(kind)),
          label,
        ).toEqual([]);
      },
      PATIENCE_MS,
    );
  });
});

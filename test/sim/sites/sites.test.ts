import { describe, expect, it } from 'vitest';
import { simulationSeed } from '../random.js';
import type { Figures, SiteFigures } from './fleet.js';
import * as scenarios from './scenarios.js';

/** `npm run test:sim` */
const LONG = process.env.CHUNKMESH_SIM === 'long';
const SEEDS = (LONG ? [1, 2, 3] : [1]).map(simulationSeed);
/** Kinder than any lab: what packets, losses and other processes cost comes on top. */
const MOST_TIME = 1.2;
const MOST_COPIES = 1.15;
const MOST_WASTE_PERCENT = 1;

const sitesOf = ({ sites }: Figures): SiteFigures[] =>
  Object.entries(sites).flatMap(([name, site]) => (name === 'origin' ? [] : [site]));

describe.each(SEEDS)('a swarm, seed %d', (seed) => {
  function play(scenario: scenarios.SiteScenario) {
    const figures = scenarios.play(scenario, seed);
    const { seconds, originCopies, wastedPercent } = figures;
    const label = `CHUNKMESH_SEED=${seed}: ${seconds} s, ${originCopies} origin copies, ${wastedPercent} % wasted`;
    expect(seconds, label).toBeLessThan(MOST_TIME * scenario.fluidLimit);
    expect(wastedPercent, label).toBeLessThan(MOST_WASTE_PERCENT);
    return { figures, label };
  }

  it.each([
    scenarios.EIGHT,
    scenarios.ONE,
    scenarios.MIXED,
    scenarios.JOINING,
    scenarios.KILLED,
    scenarios.ORIGIN_GONE,
    scenarios.FAST_ORIGIN,
  ])('P-10.6 is near the fluid limit, with one copy of the origin: $name', (scenario) => {
    const { figures, label } = play(scenario);
    expect(figures.originCopies, label).toBeLessThan(MOST_COPIES);
  });

  it('P-10.6 has the origin help out where the devices cannot send as much themselves', () => {
    const { figures, label } = play(scenarios.ASYMMETRIC);
    expect(figures.originCopies, label).toBeGreaterThan(4);
  });

  it('P-10.6 serves those that say and give nothing at its full rate', () => {
    play(scenarios.METERED);
  });

  it('P-10.6 sends a device that reaches nobody else a copy of its own', () => {
    const { figures, label } = play(scenarios.SEED_ONLY);
    expect(figures.originCopies, label).toBeLessThan(2 * MOST_COPIES);
  });

  it.each([scenarios.THREE_SITES, scenarios.SHARED_UPLINK, scenarios.UNEVEN_SITES, scenarios.FIRST_SITE])(
    'P-10.7 starves no site, and crosses each uplink once: $name',
    (scenario) => {
      const { figures, label } = play(scenario);
      const all = sitesOf(figures);
      const first = all.map(({ firstCopy }) => firstCopy);
      expect(Math.max(...first) / Math.min(...first), label).toBeLessThan(1.3);
      for (const { copiesIn } of all) expect(copiesIn, label).toBeLessThan(1.1);
      expect(figures.originCopies, label).toBeLessThan(MOST_COPIES);
    },
  );

  it.runIf(LONG)('P-10.7 crosses each uplink little more than once where no device knows all of its site', () => {
    const { sites, seconds, originCopies } = scenarios.play(scenarios.LARGE_SITES, seed);
    const label = `CHUNKMESH_SEED=${seed}: ${seconds} s, ${originCopies} origin copies`;
    expect(seconds, label).toBeLessThan(1.6 * scenarios.LARGE_SITES.fluidLimit);
    for (const { copiesIn } of Object.values(sites)) expect(copiesIn, label).toBeLessThan(1.4);
  });
});

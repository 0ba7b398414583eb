import { argv, stdout } from 'node:process';
import { simulationSeed } from '../random.js';
import { median } from '../scenario.js';
import type { Figures } from './fleet.js';
import { play, SITE_SCENARIOS } from './scenarios.js';

/**
 * Prints what choosing peers buys over choosing at random, as a Markdown table or as JSON: medians over seeds.
 *
 *     npm run sim:sites [-- --json]
 */
const SEEDS = [1, 2, 3].map(simulationSeed);

const round = (value: number): number => Number(value.toFixed(2));

/** @param ratios of the last site's first copy to the first one's; 1 where there is one site */
function spread({ sites }: Figures): number {
  const first = Object.entries(sites).flatMap(([name, site]) => (name === 'origin' ? [] : [site.firstCopy]));
  return Math.max(...first) / Math.min(...first);
}

const crossings = ({ sites }: Figures): number =>
  Math.max(...Object.entries(sites).flatMap(([name, site]) => (name === 'origin' ? [] : [site.copiesIn])));

const rows = SITE_SCENARIOS.map((scenario) => {
  const figures = (choice: 'random' | 'sites') => {
    const runs = SEEDS.map((seed) => play(scenario, seed, choice));
    const of = (value: (figures: Figures) => number): number => round(median(runs.map(value)));
    return {
      timeOverLimit: of(({ seconds }) => seconds / scenario.fluidLimit),
      originCopies: of(({ originCopies }) => originCopies),
      uplinkCopies: of(crossings),
      siteSpread: of(spread),
      wastedPercent: of(({ wastedPercent }) => wastedPercent),
    };
  };
  return {
    scenario: scenario.name,
    limitSeconds: round(scenario.fluidLimit),
    random: figures('random'),
    chosen: figures('sites'),
  };
});

if (argv.includes('--json')) {
  stdout.write(`${JSON.stringify({ name: 'sites', rows })}\n`);
} else {
  const heads = [
    'fleet',
    'limit, s',
    'time / limit',
    'origin copies',
    'copies into a site',
    'last site / first',
    'wasted, %',
  ];
  stdout.write(`| ${heads.join(' | ')} |\n|${' --- |'.repeat(heads.length)}\n`);
  for (const { scenario, limitSeconds, random, chosen } of rows) {
    const cell = (key: keyof typeof random): string => `${random[key]} → ${chosen[key]}`;
    const isOneSite = random.uplinkCopies === 0 || !scenario.includes('site');
    const sites = isOneSite ? ['', ''] : [cell('uplinkCopies'), cell('siteSpread')];
    const cells = [
      scenario,
      `${limitSeconds}`,
      cell('timeOverLimit'),
      cell('originCopies'),
      ...sites,
      cell('wastedPercent'),
    ];
    stdout.write(`| ${cells.join(' | ')} |\n`);
  }
}

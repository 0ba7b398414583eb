import { argv, stdout } from 'node:process';
import { simulationSeed } from '../random.js';
import { median } from '../scenario.js';
import { type FleetOptions, MaliceFleet, type Outcome } from './fleet.js';
import { LARGE, MALICE_SCENARIOS, type MaliceScenario, SMALL } from './scenarios.js';

/**
 * Prints what malicious members cost the honest ones, as a Markdown table or as JSON: medians over seeds, and the worst.
 *
 *     npm run sim:malice [-- --json] [-- --seeds <n>] [-- --only <part of a scenario's name>] [-- --small | --large]
 */
const option = (name: string): string | undefined => (argv.includes(name) ? argv[argv.indexOf(name) + 1] : undefined);
const SEEDS = Array.from({ length: Number(option('--seeds') ?? 5) }, (_, i) => simulationSeed(i + 1));
const ONLY = option('--only') ?? '';
const SIZES = argv.includes('--small') ? [SMALL] : argv.includes('--large') ? [LARGE] : [SMALL, LARGE];

const round = (value: number): number => Number(value.toFixed(2));

/** How many of the malicious devices are named as they are to be, of those that could be seen. */
function named({ named: all }: Outcome): string {
  return `${all.filter(({ malice, by }) => malice.named.some((how) => by.has(how))).length} of ${all.length}`;
}

interface Row {
  readonly scenario: string;
  readonly honest: number;
  readonly malicious: number;
  /** Of honest devices alone, and among the others. */
  readonly cleanSeconds: number;
  readonly seconds: number;
  readonly timeOverClean: number;
  readonly worst: number;
  readonly wastedPercent: number;
  /** How many of the malicious are named as they are to be, in each of the runs. */
  readonly named: readonly string[];
  /** By what honest devices are named. */
  readonly misnamed: string;
}

async function measure(fleet: MaliceFleet, options: FleetOptions, scenario: MaliceScenario, clean: readonly Outcome[]) {
  const runs: Outcome[] = [];
  for (const seed of SEEDS) runs.push(await fleet.play(seed, scenario.malice));
  const ratios = runs.map(({ seconds }, i) => seconds / (clean[i]?.seconds ?? Number.NaN));
  const bytes = options.chunks * options.chunkBytes;
  return {
    ...{ scenario: scenario.name, honest: options.honest, malicious: options.malicious },
    cleanSeconds: round(median(clean.map(({ seconds }) => seconds))),
    seconds: round(median(runs.map(({ seconds }) => seconds))),
    timeOverClean: round(median(ratios)),
    worst: round(Math.max(...ratios)),
    wastedPercent: round(median(runs.map(({ wasted }) => (100 * wasted) / bytes))),
    named: [...new Set(runs.map(named))],
    misnamed: [...new Set(runs.flatMap(({ misnamed }) => misnamed.map(({ kind }) => kind)))].join(' '),
  } satisfies Row;
}

const isJson = argv.includes('--json');
const HEADS = ['fleet', 'what they do', 'alone, s', 'with them, s', 'times', 'worst', 'wasted, %', 'named', 'misnamed'];
const line = (cells: readonly unknown[]): void => void (isJson || stdout.write(`| ${cells.join(' | ')} |\n`));

const rows: Row[] = [];
line(HEADS);
line(HEADS.map(() => '---'));
for (const options of SIZES) {
  const fleet = await MaliceFleet.make(options);
  const clean: Outcome[] = [];
  for (const seed of SEEDS) clean.push(await fleet.play(seed, []));
  for (const scenario of MALICE_SCENARIOS) {
    if (!scenario.name.includes(ONLY)) continue;
    const row = await measure(fleet, options, scenario, clean);
    const { cleanSeconds, seconds, timeOverClean, worst, wastedPercent, misnamed } = row;
    const figures = [cleanSeconds, seconds, timeOverClean, worst, wastedPercent];
    const size = `${row.honest} + ${row.malicious}`;
    line([size, row.scenario, ...figures, row.named.join(', '), misnamed]);
    rows.push(row);
  }
}
if (isJson) stdout.write(`${JSON.stringify({ name: 'malice', rows })}\n`);

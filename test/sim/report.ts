import { argv, stdout } from 'node:process';
import { simulationSeed } from './random.js';
import { type Figure, median } from './scenario.js';
import { scenarios } from './scenarios.js';

/**
 * Prints what every scenario measures, as a Markdown table or as JSON: median, least and greatest over its seeds.
 *
 *     npm run sim [-- --json] [-- --quick]
 */
interface Row {
  readonly controller: string;
  readonly scenario: string;
  readonly metric: string;
  readonly unit: string;
  readonly bar: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly ok: boolean;
}

const quick = argv.includes('--quick');

function barOf({ least, most }: Figure): string {
  if (least !== undefined && most !== undefined) return `${least} to ${most}`;
  if (least !== undefined) return `>= ${least}`;
  return most === undefined ? '' : `<= ${most}`;
}

function rowOf(controller: string, scenario: string, figures: Figure[]): Row[] {
  const [first] = figures;
  if (first === undefined) return [];
  const values = figures.map(({ value }) => value).toSorted((a, b) => a - b);
  const at = (i: number) => Number((values[i] ?? 0).toFixed(1));
  const { least = Number.NEGATIVE_INFINITY, most = Number.POSITIVE_INFINITY } = first;
  const middle = median(values);
  const ok = middle >= least && middle <= most;
  const { metric, unit } = first;
  return [
    {
      controller,
      scenario,
      metric,
      unit,
      bar: barOf(first),
      median: Number(middle.toFixed(1)),
      min: at(0),
      max: at(values.length - 1),
      ok,
    },
  ];
}

function print(row: Row): void {
  const { controller, scenario, metric, unit, bar, min, max, ok } = row;
  const mark = bar === '' ? '' : ok ? 'yes' : 'NO';
  const cells = [
    controller,
    scenario,
    `${metric}${unit === '' ? '' : `, ${unit}`}`,
    bar,
    `${row.median} (${min} to ${max})`,
    mark,
  ];
  stdout.write(`| ${cells.join(' | ')} |\n`);
}

const rows: Row[] = [];
if (!argv.includes('--json')) {
  stdout.write('| controller | scenario | figure | bar | median (least to greatest) | met |\n');
  stdout.write('| --- | --- | --- | --- | --- | --- |\n');
}
for (const [controller, list] of Object.entries(scenarios)) {
  for (const { name, run, seeds = 1, long = false } of list) {
    if (quick && long) continue;
    const runs = Array.from({ length: quick ? 1 : seeds }, (_, i) => run(simulationSeed(i + 1)));
    const metrics = runs[0]?.length ?? 0;
    for (let i = 0; i < metrics; i++) {
      const figures = runs.flatMap((figures) => figures.slice(i, i + 1));
      const made = rowOf(controller, name, figures);
      rows.push(...made);
      if (!argv.includes('--json')) for (const row of made) print(row);
    }
  }
}
if (argv.includes('--json')) stdout.write(`${JSON.stringify({ name: 'sim', rows })}\n`);

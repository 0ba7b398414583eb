import { cpus, release } from 'node:os';
import { formatTable } from '../bin/table.js';
import type { Bar } from './bars.js';
import type { Result } from './statistics.js';

/** What a bench prints. */

export interface Report {
  readonly name: string;
  readonly machine: string;
  readonly rounds: number;
  readonly results: readonly Result[];
  readonly bars: readonly Bar[];
}

const SIGNIFICANT = 4;

export function machineName(): string {
  return `${cpus()[0]?.model.trim() ?? 'unknown'} x ${cpus().length}, Linux ${release()}, Node ${process.version}`;
}

/** Four digits say all that a bench knows. */
export const rounded = (value: number): number => Number(value.toPrecision(SIGNIFICANT));

const round = (value: number | null): number | null => (value === null ? null : rounded(value));

export function formatJson({ name, machine, rounds, results, bars }: Report): string {
  return JSON.stringify({
    ...{ name, machine, rounds },
    results: results.map(({ median, min, max, ...rest }) => ({
      ...rest,
      ...{ median: rounded(median), min: rounded(min), max: rounded(max) },
    })),
    bars: bars.map((bar) => ({ ...bar, bar: round(bar.bar), measured: round(bar.measured) })),
  });
}

export function formatText({ name, machine, rounds, results, bars }: Report): string {
  const number = (value: number | null): string => (value === null ? '-' : String(rounded(value)));
  const right = { align: 'right' } as const;
  const table = formatTable(
    [
      ...[{ title: 'subject' }, { title: 'metric' }, { title: 'median', ...right }, { title: 'min', ...right }],
      ...[{ title: 'max', ...right }, { title: 'unit' }],
    ],
    results.map(({ subject, metric, unit, median, min, max }) => [
      ...[subject, metric, number(median), number(min), number(max), unit],
    ]),
  );
  const judged = formatTable(
    [{ title: 'bar' }, { title: 'limit', ...right }, { title: 'measured', ...right }, { title: '' }],
    bars.map((bar) => [bar.name, number(bar.bar), number(bar.measured), bar.ok ? 'ok' : 'NOT MET']),
  );
  return `${name}: ${machine}, rounds: ${rounds}\n\n${table}\n${bars.length > 0 ? `\n${judged}\n` : ''}`;
}

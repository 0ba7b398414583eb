import type { Result } from './statistics.js';
import { measured } from './statistics.js';

/** What must be true of the results. Pure. */

export interface BarRule {
  readonly subject: string;
  readonly metric: string;
  readonly is: 'at least' | 'at most';
  readonly limit: number;
  /** The limit is so many times this figure of the same run, or so much above it. */
  readonly of?: { readonly subject: string; readonly metric: string; readonly above?: boolean };
}

export interface Bar {
  readonly name: string;
  /** The limit; null where the figure that it is a part of was not measured. */
  readonly bar: number | null;
  readonly measured: number | null;
  readonly ok: boolean;
}

/** A bar whose figures are not all there is not met: nobody may take silence for a pass. */
export function judge(rules: readonly BarRule[], results: readonly Result[]): Bar[] {
  return rules.map(({ subject, metric, is, limit, of }) => {
    const value = measured(results, subject, metric) ?? null;
    const base = of === undefined ? 1 : (measured(results, of.subject, of.metric) ?? null);
    const bar = base === null ? null : of?.above ? base + limit : base * limit;
    const relative = of === undefined ? '' : of.above ? ` ${limit} above ${of.subject}` : ` ${limit} x ${of.subject}`;
    const ok = value !== null && bar !== null && (is === 'at least' ? value >= bar : value <= bar);
    return { name: `${subject}: ${metric} ${is}${relative}`, bar, measured: value, ok };
  });
}

import type { DeviceRow, ReportRow } from '../broker/status/device_row.js';
import { INDEX_CHUNK } from '../shared/limits.js';
import { formatAge } from './units.js';

/** Who is said to have sent wrong bytes, and by whom (P-15.2): lines below the table of `chunkmesh status`. Pure. */

/** Lines for a person; `--json` has all. */
const MOST_ACCUSED = 20;
const MOST_REPORTERS = 4;

interface Said {
  readonly reporter: DeviceRow;
  readonly report: ReportRow;
}

export const chunkName = (chunk: number): string => (chunk === INDEX_CHUNK ? 'the index' : `chunk ${chunk}`);

/** As `chunk 7 of firmware 1.0.0`, by what the reporter's own rollouts call it. */
function what({ reporter, report }: Said): string {
  const named = reporter.rollouts.find(({ artifact }) => artifact === report.artifact);
  const of = named === undefined ? `artifact ${report.artifact.slice(0, 12)}` : `${named.name} ${named.version}`;
  return `${chunkName(report.chunk)} of ${of}`;
}

function clause(said: Said, now: number): string {
  const { reporter, report } = said;
  const times = report.count > 1 ? `, ${report.count} in all` : '';
  return `${reporter.device} (${what(said)}${times}, ${formatAge(now - report.at)} ago)`;
}

/** One line for each accused, those first whom most report. @param now seconds since the epoch */
export function formatReports(rows: readonly DeviceRow[], now: number): string[] {
  const byAccused = new Map<string, Said[]>();
  for (const reporter of rows) {
    for (const report of reporter.reports) {
      byAccused.set(report.device, [...(byAccused.get(report.device) ?? []), { reporter, report }]);
    }
  }
  const accused = [...byAccused].sort(([, a], [, b]) => b.length - a.length);
  const lines = accused.slice(0, MOST_ACCUSED).map(([device, said]) => {
    const more = said.length > MOST_REPORTERS ? ` and ${said.length - MOST_REPORTERS} more` : '';
    const by = said.slice(0, MOST_REPORTERS).map((one) => clause(one, now));
    return `wrong bytes from ${device}, by report of ${by.join(', ')}${more}`;
  });
  return accused.length > MOST_ACCUSED
    ? [...lines, `and ${accused.length - MOST_ACCUSED} devices more are reported`]
    : lines;
}

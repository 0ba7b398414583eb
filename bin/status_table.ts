import type { DeviceRow, RolloutRow } from '../broker/status/device_row.js';
import { formatTable } from './table.js';
import { formatAge, formatPercent, formatRate } from './units.js';

/** What `chunkmesh status` prints: one line for each rollout of each device. Pure. */

const COLUMNS = [
  { title: 'device' },
  { title: 'site' },
  { title: 'link' },
  { title: 'rollout' },
  { title: 'version' },
  { title: 'state' },
  { title: 'progress', align: 'right' },
  { title: 'peers', align: 'right' },
  { title: 'throughput', align: 'right' },
  { title: 'last seen', align: 'right' },
] as const;

/** @param now seconds since the epoch */
function cells(row: DeviceRow, rollout: RolloutRow | undefined, now: number): string[] {
  const error = rollout?.error ? ` ${rollout.error}` : '';
  return [
    row.device,
    row.site,
    row.online ? 'online' : 'offline',
    rollout?.name ?? '-',
    rollout?.version ?? '-',
    rollout === undefined ? '-' : `${rollout.state}${error}`,
    rollout === undefined ? '-' : formatPercent(rollout.held, rollout.chunks),
    String(row.peers),
    row.bytesPerSecond > 0 ? formatRate(row.bytesPerSecond) : '-',
    `${formatAge(now - row.at)} ago`,
  ];
}

export function formatStatus(rows: readonly DeviceRow[], now: number): string {
  if (rows.length === 0) return 'no device has reported yet';
  const lines = rows.flatMap((row) =>
    row.rollouts.length === 0 ? [cells(row, undefined, now)] : row.rollouts.map((rollout) => cells(row, rollout, now)),
  );
  return formatTable(COLUMNS, lines);
}

/** A row without what only the next row needs. */
export function statusJson({ sample: _, ...row }: DeviceRow): object {
  return { ...row, bytesPerSecond: Math.round(row.bytesPerSecond) };
}

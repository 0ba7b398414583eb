import type { Member } from '../broker/fleet/fleet_file.js';
import type { DeviceRow, RolloutRow } from '../broker/status/device_row.js';
import { UNKNOWN_TIME } from '../shared/control/envelope.js';
import { standingLines } from './status_standing.js';
import { formatTable } from './table.js';
import { formatAge, formatBytes, formatPercent, formatRate } from './units.js';

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
  { title: 'http', align: 'right' },
  { title: 'throughput', align: 'right' },
  { title: 'last seen', align: 'right' },
] as const;

/** A device of the roster, and its row once it has reported. */
export interface Listed {
  readonly device: string;
  readonly site: string;
  readonly row?: DeviceRow;
}

/** Who has reported, and who of the roster's devices and seeds has not; by id. */
export function listDevices(rows: readonly DeviceRow[], roster: readonly Member[]): Listed[] {
  const listed = new Map<string, Listed>();
  for (const { id, role, site } of roster) {
    if (role === 'device' || role === 'seed') listed.set(id, { device: id, site });
  }
  for (const row of rows) listed.set(row.device, { device: row.device, site: row.site, row });
  return [...listed.values()].sort((a, b) => (a.device < b.device ? -1 : 1));
}

function link({ online, metered, standing, wiped }: DeviceRow): string {
  if (wiped) return 'wiped';
  if (standing !== undefined) return standing;
  if (!online) return 'offline';
  return metered === undefined ? 'online' : `metered: ${metered}`;
}

/** @param now seconds since the epoch */
function cells(row: DeviceRow, rollout: RolloutRow | undefined, now: number): string[] {
  const error = rollout?.error ? ` ${rollout.error}` : '';
  return [
    row.device,
    row.site,
    link(row),
    rollout?.name ?? '-',
    rollout?.version ?? '-',
    rollout === undefined ? '-' : `${rollout.hold ? 'held' : rollout.state}${error}`,
    rollout === undefined ? '-' : formatPercent(rollout.held, rollout.chunks),
    String(row.peers),
    rollout?.fromHttp === undefined ? '-' : formatBytes(rollout.fromHttp),
    row.bytesPerSecond > 0 ? formatRate(row.bytesPerSecond) : '-',
    row.at === UNKNOWN_TIME ? 'no clock' : `${formatAge(now - row.at)} ago`,
  ];
}

const unseen = ({ device, site }: Listed): string[] => [device, site, ...Array<string>(8).fill('-'), 'never seen'];

export function formatStatus(devices: readonly Listed[], now: number): string {
  if (devices.length === 0) return 'the fleet has no device yet';
  const lines = devices.flatMap((listed) => {
    const { row } = listed;
    if (row === undefined) return [unseen(listed)];
    return row.rollouts.length === 0
      ? [cells(row, undefined, now)]
      : row.rollouts.map((rollout) => cells(row, rollout, now));
  });
  const below = standingLines(
    devices.flatMap(({ row }) => row ?? []),
    now,
  );
  return [formatTable(COLUMNS, lines), ...below].join('\n');
}

/** A row without what only the next row needs. */
export function statusJson({ device, site, row }: Listed): object {
  if (row === undefined) {
    return {
      device,
      site,
      certificate: null,
      seen: false,
      online: false,
      agent: null,
      peers: 0,
      at: null,
      rollouts: [],
      reports: [],
      bytesPerSecond: 0,
    };
  }
  const { sample: _, n: __, bytesPerSecond, ...kept } = row;
  return { ...kept, seen: true, bytesPerSecond: Math.round(bytesPerSecond) };
}

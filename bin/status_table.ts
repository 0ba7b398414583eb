import type { Member } from '../broker/fleet/fleet_file.js';
import type { DeviceRow, RolloutRow } from '../broker/status/device_row.js';
import { UNKNOWN_TIME } from '../shared/control/envelope.js';
import type { Standing } from '../shared/control/revocation.js';
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
  /** Of the newest certificate that the roster has of it; seconds since the epoch. */
  readonly certificateEnds?: number;
  /** What the fleet folder's register says of that certificate (P-14.5). */
  readonly standing?: Exclude<Standing, 'good'>;
  readonly row?: DeviceRow;
}

/** Who has reported, and who of the roster's devices and seeds has not; by id. @param standingOf by the fleet folder's register */
export function listDevices(
  rows: readonly DeviceRow[],
  roster: readonly Member[],
  standingOf: (member: Member) => Standing = () => 'good',
): Listed[] {
  const listed = new Map<string, Listed>();
  for (const member of roster) {
    const { id, role, site, notAfter } = member;
    if (role !== 'device' && role !== 'seed') continue;
    const standing = standingOf(member);
    listed.set(id, { device: id, site, certificateEnds: notAfter, ...(standing !== 'good' && { standing }) });
  }
  for (const row of rows)
    listed.set(row.device, { ...listed.get(row.device), device: row.device, site: row.site, row });
  return [...listed.values()].sort((a, b) => (a.device < b.device ? -1 : 1));
}

const TOLD: Readonly<Record<Standing, string>> = {
  good: '-',
  revoked: 'revoked',
  quarantined: 'to quarantine',
  wiped: 'to wipe',
};

/** What the device says itself comes first: it has heard; then what it is to hear when it comes. */
function link({ online, metered, standing, wiped }: DeviceRow, listed: Standing | undefined): string {
  if (wiped) return 'wiped';
  if (standing !== undefined) return standing;
  if (listed !== undefined) return TOLD[listed];
  if (!online) return 'offline';
  return metered === undefined ? 'online' : `metered: ${metered}`;
}

/** @param now seconds since the epoch */
function cells(row: DeviceRow, rollout: RolloutRow | undefined, now: number, listed: Standing | undefined): string[] {
  const error = rollout?.error ? ` ${rollout.error}` : '';
  return [
    row.device,
    row.site,
    link(row, listed),
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

const unseen = ({ device, site, standing }: Listed): string[] => [
  device,
  site,
  standing === undefined ? '-' : TOLD[standing],
  ...Array<string>(7).fill('-'),
  'never seen',
];

export function formatStatus(devices: readonly Listed[], now: number): string {
  if (devices.length === 0) return 'the fleet has no device yet';
  const lines = devices.flatMap((listed) => {
    const { row, standing } = listed;
    if (row === undefined) return [unseen(listed)];
    return row.rollouts.length === 0
      ? [cells(row, undefined, now, standing)]
      : row.rollouts.map((rollout) => cells(row, rollout, now, standing));
  });
  const below = standingLines(
    devices.flatMap(({ row }) => row ?? []),
    now,
  );
  return [formatTable(COLUMNS, lines), ...below].join('\n');
}

/** A row without what only the next row needs. */
export function statusJson({ device, site, certificateEnds: ends, standing, row }: Listed): object {
  const certificateEnds = ends ?? null;
  const listed = standing ?? null;
  if (row === undefined) {
    return {
      device,
      site,
      certificateEnds,
      listed,
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
  return { ...kept, certificateEnds, listed, seen: true, bytesPerSecond: Math.round(bytesPerSecond) };
}

/** P-13.12: as many days as an agent warns before. */
const ENDING_DAYS = 14;
const DAY_SECONDS = 86_400;
const MOST_NAMED = 8;

/** One line for the devices whose certificates end soon or have ended, or none. @param now seconds since the epoch */
export function endingNote(devices: readonly Listed[], now: number): string | null {
  const ending = devices.filter(({ certificateEnds = Number.POSITIVE_INFINITY }) => {
    return certificateEnds < now + ENDING_DAYS * DAY_SECONDS;
  });
  if (ending.length === 0) return null;
  const names = ending.slice(0, MOST_NAMED).map(({ device, certificateEnds = 0 }) => {
    const days = Math.floor((certificateEnds - now) / DAY_SECONDS);
    return days < 0 ? `${device} (ended)` : `${device} (${days} d)`;
  });
  const more = ending.length > names.length ? ` and ${ending.length - names.length} more` : '';
  return `certificates that end soon: ${names.join(', ')}${more}; see that a registrar runs, or chunkmesh enroll --renew`;
}

import type { DeviceRow } from '../broker/status/device_row.js';
import { formatAge } from './units.js';

/** What `chunkmesh status` prints below its table: alerts, and what is installed and is not right. Pure. */

type Standing = Pick<DeviceRow, 'device' | 'integrity' | 'alerts' | 'moreAlerts'>;

/** @param now seconds since the epoch */
export function standingLines(rows: readonly Standing[], now: number): string[] {
  return [...rows.flatMap((row) => alertLines(row, now)), ...rows.flatMap((row) => integrityLines(row, now))];
}

/** `ALERT cam-1 #41 tamper: case opened (2 times, 3 s ago)` */
function alertLines({ device, alerts = [], moreAlerts = 0 }: Standing, now: number): string[] {
  const lines = alerts.map(({ n, kind, text, at, count }) => {
    const times = count > 1 ? `${count} times, ` : '';
    return `ALERT ${device} #${n} ${kind}${text === '' ? '' : `: ${text}`} (${times}${formatAge(now - at)} ago)`;
  });
  if (moreAlerts > 0) lines.unshift(`ALERT ${device}: ${moreAlerts} more, shown once those below are acknowledged`);
  return lines;
}

/** What is `ok` is said in the JSON alone. */
function integrityLines({ device, integrity = [] }: Standing, now: number): string[] {
  return integrity
    .filter(({ state }) => state !== 'ok')
    .map(({ name, version, state, at, ranges = [], more, repaired = 0 }) => {
      const what = version === undefined ? name : `${name} ${version}`;
      const [first] = ranges;
      const others = ranges.length > 1 || more ? ' and elsewhere' : '';
      const where = first === undefined ? '' : `: ${first[1]} bytes at ${first[0]}${others}`;
      const mended = repaired > 0 ? `, ${repaired} chunks mended so far` : '';
      return `${state === 'mismatch' ? 'MISMATCH' : state} ${device} ${what}${where}${mended} (${formatAge(now - at)} ago)`;
    });
}

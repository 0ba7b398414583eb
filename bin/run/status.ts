import { setTimeout as delay } from 'node:timers/promises';
import { type Member, readFleetFile } from '../../broker/fleet/fleet_file.js';
import { standingIn } from '../../broker/revocation/register.js';
import { readRegister } from '../../broker/revocation/register_file.js';
import { FleetStatus } from '../../broker/status/fleet_status.js';
import { endingNotes } from '../../broker/trust/endings.js';
import type { StatusFlags } from '../commands/status.js';
import { memberOfFolder } from '../fleet_folder.js';
import { stopRequested } from '../lifetime.js';
import { output } from '../output.js';
import { formatReports } from '../reports_text.js';
import { endingNote, formatStatus, listDevices, statusJson } from '../status_table.js';

/** Every device's last status is retained by the broker: after this much silence, all of them are here. */
const QUIET_MS = 500;
const WATCH_INTERVAL_MS = 1000;
/** What it says of a device meanwhile was true then. */
const LOST = 'the broker is lost: what is shown is what was known then';
/** MQTT 3.1.1 denies a subscription as silently as it has nothing to deliver. */
const NOBODY = 'no device has reported yet, or the broker does not let the operator read';

async function print(
  status: FleetStatus,
  roster: readonly Member[],
  { fleet, json, watch }: StatusFlags,
): Promise<void> {
  const register = await readRegister(fleet);
  const devices = listDevices(status.rows(), roster, ({ id, notBefore }) => standingIn(register, id, notBefore));
  if (json) {
    output.json({ at: Math.floor(Date.now() / 1000), devices: devices.map(statusJson) });
    return;
  }
  const now = Date.now() / 1000;
  const known = [formatStatus(devices, now), ...formatReports(status.rows(), now)].join('\n');
  const table = status.online ? known : `${known}\n${LOST}`;
  if (watch && process.stdout.isTTY) output.screen(table);
  else output.line(table);
}

export async function runStatus(flags: StatusFlags): Promise<void> {
  const { fleet, broker, watch } = flags;
  // Before anything is printed: who stops it at the first table is to find it listening.
  const stop = watch ? stopRequested() : undefined;
  const { roster } = await readFleetFile(fleet);
  const credential = await memberOfFolder(fleet, 'operator');
  const status = new FleetStatus({ credential, ...(broker !== undefined && { broker }) });
  status.on('refused', ({ code, message }, times) => {
    output.note(`refused a status: ${code}: ${message}${times > 1 ? ` (${times} times)` : ''}`);
  });
  status.on('offline', () => output.note(LOST));
  status.on('online', () => output.note('the broker is back'));
  const show = async (): Promise<void> => {
    await status.start();
    await status.settle(QUIET_MS);
    await print(status, roster, flags);
    if (status.rows().length === 0) output.note(NOBODY);
    const ending = endingNote(listDevices([], roster), Date.now() / 1000);
    if (ending !== null) output.note(ending);
    for (const note of await endingNotes(fleet, Math.floor(Date.now() / 1000))) output.note(note);
    if (stop !== undefined) await printUntil(stop, status, roster, flags);
  };
  try {
    await Promise.race([show(), ...(stop === undefined ? [] : [stop])]);
  } finally {
    await status.close();
    credential.key.close();
  }
}

async function printUntil(
  stop: Promise<unknown>,
  status: FleetStatus,
  roster: readonly Member[],
  flags: StatusFlags,
): Promise<void> {
  const stopped = stop.then(() => true);
  while (!(await Promise.race([delay(WATCH_INTERVAL_MS, false), stopped]))) await print(status, roster, flags);
}

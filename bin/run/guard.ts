import { readFleetFile } from '../../broker/fleet/fleet_file.js';
import { FleetQuarantine } from '../../broker/guard/fleet_quarantine.js';
import { Guard } from '../../broker/guard/guard.js';
import { NoQuarantine, type Quarantine } from '../../broker/guard/quarantine.js';
import { FolderMemory, ShortMemory } from '../../broker/guard/remembered.js';
import type { Accusation } from '../../broker/guard/verdict.js';
import { FleetStatus } from '../../broker/status/fleet_status.js';
import { ChunkmeshError } from '../../shared/errors.js';
import { type Credential, loadCredential } from '../../shared/identity/bundle.js';
import type { GuardFlags } from '../commands/guard.js';
import { memberOfFolder } from '../fleet_folder.js';
import { stopRequested } from '../lifetime.js';
import { output } from '../output.js';
import { revocationOptions } from '../revocation_options.js';

/** As of `chunkmesh status`: after this much silence, every status that the broker retains is here. */
const QUIET_MS = 500;
/** Reports of one liar come together, and one look does for them. */
const SOON_MS = 1_000;
/** Reports grow too old, and devices are let in again, without a word from anybody. */
const LOOK_MS = 30_000;
const DAY_SECONDS = 86_400;

/** What is done about who is thrown out. @throws E_ARGUMENT */
async function quarantineOf(flags: GuardFlags): Promise<Quarantine> {
  // By the fleet's operator, not by the bundle that watches: a broker lets an id be connected once (P-2.5).
  const { bundle: _, ...common } = flags;
  const quarantine = new FleetQuarantine(await revocationOptions(common));
  if (flags.dryRun) return new NoQuarantine(() => quarantine.standing());
  if (flags.once || flags.bundle !== undefined) return quarantine;
  const own =
    '`enroll guard --role operator` makes one: the list is published by operator.json, whose connection would end this one';
  throw new ChunkmeshError('E_ARGUMENT', `a guard that watches needs a --bundle of its own; ${own}`);
}

/** @throws E_ARGUMENT, and as loadCredential does */
async function watcher(fleet: string, bundle: string | undefined): Promise<Credential> {
  if (bundle === undefined) return memberOfFolder(fleet, 'operator');
  const credential = await loadCredential(bundle);
  const { id, role } = credential.identity;
  if (role === 'operator') return credential;
  throw new ChunkmeshError('E_ARGUMENT', `--bundle is of ${id}, role ${role}; a guard is an operator`);
}

const by = ({ reporters, sites }: Accusation): string =>
  `by report of ${reporters.length} (${reporters.slice(0, 8).join(', ')}) of ${sites.length} site${sites.length === 1 ? '' : 's'}`;

function tell(guard: Guard, { json, dryRun, threshold }: GuardFlags): void {
  const said = (event: string, what: object, text: string): void => {
    if (json) output.json({ event, ...what, ...(dryRun && { dryRun }) });
    else output.line(text);
  };
  guard.on('quarantined', (accusation, reason) => {
    const verb = dryRun ? 'WOULD QUARANTINE' : 'QUARANTINED';
    said('quarantine', { ...accusation, reason }, `${verb} ${accusation.device}: ${reason}`);
    // Beside the data too, where a log is looked at for it.
    output.note(`${verb} ${accusation.device}, which sent wrong bytes ${by(accusation)}`);
  });
  guard.on('contested', (one) => {
    said(
      'contested',
      one,
      `${one.device} is accused ${by(one)}, and of its own accusers as many accuse it back: see for yourself`,
    );
  });
  guard.on('braked', (one) => {
    output.note(`NOT QUARANTINED ${one.device}: too many in a day for it to be done without a person`);
    said('braked', one, `${one.device} is accused ${by(one)}: too many in a day, see for yourself`);
  });
  guard.on('accused', (one) =>
    said('accused', one, `${one.device} is accused ${by(one)}, below the threshold of ${threshold}`),
  );
  guard.on('suspicious', (one) => {
    said('suspicious', one, `${one.device} accuses ${one.accuses} devices: not counted, see what is wrong with it`);
  });
  guard.on('failed', ({ code, message, remedy }) => output.note(`${code}: ${message}\nwhat to do: ${remedy}`));
}

/** What makes the command of no use, and is no error. */
async function noteOn({ fleet, threshold, sites }: GuardFlags): Promise<void> {
  const { roster } = await readFleetFile(fleet);
  const peers = roster.filter(({ role }) => role === 'device' || role === 'seed');
  if (peers.length <= threshold) {
    output.note(`note: ${peers.length} devices and seeds are enrolled: ${threshold} of them cannot report another`);
  }
  if (new Set(peers.map(({ site }) => site)).size < sites) {
    output.note(`note: the fleet has fewer than ${sites} sites: nobody can be thrown out`);
  }
}

export async function runGuard(flags: GuardFlags): Promise<void> {
  const { fleet, bundle, threshold, sites, days, broker, once } = flags;
  const stop = once ? undefined : stopRequested({ untilStdinEnds: flags.untilStdinEnds === true });
  const quarantine = await quarantineOf(flags);
  const credential = await watcher(fleet, bundle);
  const status = new FleetStatus({ credential, ...(broker !== undefined && { broker }) });
  const guard = new Guard({
    rules: { threshold, sites, windowSeconds: days * DAY_SECONDS },
    rows: () => status.rows(),
    roster: async () => (await readFleetFile(fleet)).roster,
    quarantine,
    memory: flags.dryRun ? new ShortMemory() : new FolderMemory(fleet),
    now: () => Date.now() / 1000,
  });
  tell(guard, flags);
  status.on('refused', ({ code, message }, times) => {
    output.note(`refused a status: ${code}: ${message}${times > 1 ? ` (${times} times)` : ''}`);
  });
  try {
    await status.start();
    await noteOn(flags);
    await status.settle(QUIET_MS);
    // Who quarantines connects by the same id, perhaps, and a broker lets that be connected once (P-2.5).
    if (once) await status.close();
    await guard.look();
    if (stop !== undefined) await watch(status, guard, flags, stop);
  } finally {
    await status.close();
  }
}

async function watch(status: FleetStatus, guard: Guard, { json }: GuardFlags, stop: Promise<string>): Promise<void> {
  let soon: NodeJS.Timeout | undefined;
  const look = (): void => {
    soon = undefined;
    void guard.look();
  };
  status.on('row', ({ reports }) => {
    if (reports.length > 0) soon ??= setTimeout(look, SOON_MS);
  });
  status.on('offline', () => output.note('the broker is lost: nobody is judged by what is not known'));
  status.on('online', () => output.note('the broker is back'));
  const timer = setInterval(look, LOOK_MS);
  if (json) output.json({ event: 'watching' });
  await stop;
  clearInterval(timer);
  clearTimeout(soon);
  await guard.idle();
}

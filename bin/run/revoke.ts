import type { Entry } from '../../broker/revocation/register.js';
import { readRegister } from '../../broker/revocation/register_file.js';
import { type Listing, publishList, putOnList, takeOffLists } from '../../broker/revocation/revoke.js';
import { lastWord, untilWiped, type WipeBegun } from '../../broker/revocation/wipe.js';
import type { ListName } from '../../shared/control/revocation.js';
import { ChunkmeshError } from '../../shared/errors.js';
import type { ListFlags, RevokedFlags, RevokeFlags, WipeFlags } from '../commands/revoke.js';
import { output } from '../output.js';
import { printable } from '../printable.js';
import { revocationOptions } from '../revocation_options.js';
import { formatTable } from '../table.js';

const NO_CRL =
  "note: ca.key is not in this folder, so broker/ca.crl is as it was: make it anew where the CA's key is, with `chunkmesh revoked --publish`";
const COLUMNS = [
  { title: 'device' },
  { title: 'list' },
  { title: 'since' },
  { title: 'by' },
  { title: 'reason' },
] as const;

function print({ crl, ...listing }: Listing, { json }: ListFlags, more: object = {}): void {
  const { device, standing, version, was } = listing;
  if (json) output.json({ ...listing, crl, ...more });
  else output.line(`${device}: ${standing} (revocation list ${version})`);
  if (!crl && standing === 'revoked') output.note(NO_CRL);
  if (was === 'wiped' && standing === 'revoked') {
    output.note(`${device} was to be wiped: if it has not said yet that it is, it will not hear of that any more`);
  }
}

/** P-14.11: a person is told where the device is on a graver list, and stays there. */
function printListed(wanted: ListName, listing: Listing, flags: ListFlags): void {
  print(listing, flags);
  const { device, standing } = listing;
  if (standing === wanted) return;
  output.note(`${device} is ${standing} already, and stays so: \`chunkmesh restore ${device}\` takes it off`);
}

export async function runRevoke(list: ListName, device: string, flags: RevokeFlags): Promise<void> {
  const options = { ...(await revocationOptions(flags)), forceId: flags.forceId === true };
  printListed(list, await putOnList(options, device, list, flags.reason), flags);
}

export async function runRestore(device: string, flags: ListFlags): Promise<void> {
  print(await takeOffLists(await revocationOptions(flags), device), flags);
}

export async function runWipe(device: string, flags: WipeFlags): Promise<void> {
  const options = { ...(await revocationOptions(flags)), forceId: flags.forceId === true };
  const { credential, broker } = options;
  const wait = { credential, device, timeoutMs: flags.timeout * 1000, ...(broker !== undefined && { broker }) };
  const begun = await wipeBegun(flags.fleet, wait);
  const listing = await putOnList(options, device, 'wiped', flags.reason);
  if (listing.standing !== 'wiped') {
    const deaf = `${device} is ${listing.standing}, and does not hear that it is to be wiped: chunkmesh restore ${device} first`;
    throw new ChunkmeshError('E_ARGUMENT', deaf);
  }
  const since = begun.since ?? (await entryOfFolder(flags.fleet, device))?.since ?? 0;
  const wiped = await untilWiped({ ...wait, ...begun, since });
  if (!wiped) {
    const pending = `${device} has not said in ${flags.timeout} s that it is wiped: the wipe is pending, and done when the device is seen`;
    throw new ChunkmeshError('E_TIMEOUT', pending);
  }
  print(listing, flags, { wiped });
  if (!flags.json) output.line(`${device} has nothing left; now: chunkmesh revoke ${device} --reason wiped`);
}

const entryOfFolder = async (fleet: string, device: string): Promise<Entry | undefined> =>
  (await readRegister(fleet)).entries.find((one) => one.device === device);

/** Said again it is the wipe of before: what the device said since then counts. Without a broker, `putOnList` says what is wrong with it. */
async function wipeBegun(fleet: string, wait: Parameters<typeof lastWord>[0]): Promise<Partial<WipeBegun>> {
  const entry = await entryOfFolder(fleet, wait.device);
  if (entry?.list === 'wiped') return { since: entry.since };
  return { before: await lastWord(wait).catch(() => undefined) };
}

const dateOf = (seconds: number): string => new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');

function cells({ device, name, list, since, by, reason }: Entry): string[] {
  return [device ?? `(${name})`, list, dateOf(since), by, printable(reason)];
}

export async function runRevoked(flags: RevokedFlags): Promise<void> {
  const { fleet, publish, json } = flags;
  const { version, entries } = publish ? await publishList(await revocationOptions(flags)) : await readRegister(fleet);
  if (json) {
    output.json({ version, entries });
    return;
  }
  output.line(entries.length === 0 ? 'nobody is revoked' : formatTable(COLUMNS, entries.map(cells)));
  output.line(`revocation list ${version}${publish ? ', published' : ''}`);
}

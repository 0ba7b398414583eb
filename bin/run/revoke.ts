import type { Entry } from '../../broker/revocation/register.js';
import { readRegister } from '../../broker/revocation/register_file.js';
import { type Listing, publishList, putOnList, takeOffLists } from '../../broker/revocation/revoke.js';
import { untilWiped } from '../../broker/revocation/wipe.js';
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

function print({ device, standing, version, crl }: Listing, { json }: ListFlags, more: object = {}): void {
  if (json) output.json({ device, standing, version, crl, ...more });
  else output.line(`${device}: ${standing} (revocation list ${version})`);
  if (!crl && standing === 'revoked') output.note(NO_CRL);
}

export async function runRevoke(list: ListName, device: string, flags: RevokeFlags): Promise<void> {
  const options = { ...(await revocationOptions(flags)), forceId: flags.forceId === true };
  print(await putOnList(options, device, list, flags.reason), flags);
}

export async function runRestore(device: string, flags: ListFlags): Promise<void> {
  print(await takeOffLists(await revocationOptions(flags), device), flags);
}

export async function runWipe(device: string, flags: WipeFlags): Promise<void> {
  const options = { ...(await revocationOptions(flags)), forceId: flags.forceId === true };
  const listing = await putOnList(options, device, 'wiped', flags.reason);
  const { credential, broker } = options;
  const entry = (await readRegister(flags.fleet)).entries.find((one) => one.device === device);
  const wait = { credential, device, since: entry?.since ?? 0, timeoutMs: flags.timeout * 1000 };
  const wiped = await untilWiped({ ...wait, ...(broker !== undefined && { broker }) });
  if (!wiped) {
    const pending = `${device} has not said in ${flags.timeout} s that it is wiped: the wipe is pending, and done when the device is seen`;
    throw new ChunkmeshError('E_TIMEOUT', pending);
  }
  print(listing, flags, { wiped });
  if (!flags.json) output.line(`${device} has nothing left; now: chunkmesh revoke ${device} --reason wiped`);
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

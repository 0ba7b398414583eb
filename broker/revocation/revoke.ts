import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkId } from '../../shared/control/ids.js';
import { type ListName, MAX_SINCE, recordName, type Standing } from '../../shared/control/revocation.js';
import { mayPublish, topics } from '../../shared/control/topics.js';
import { ChunkmeshError } from '../../shared/errors.js';
import type { Credential } from '../../shared/identity/bundle.js';
import type { ControlLink } from '../../shared/mqtt/control_link.js';
import { Fleet } from '../fleet/fleet.js';
import { type FleetFile, type Member, readFleetFile } from '../fleet/fleet_file.js';
import { withFleetLock } from '../fleet/fleet_lock.js';
import { serialsMeant } from '../fleet/member.js';
import { connectMember } from '../member_link.js';
import { hasAuthority, writeAcl } from './broker_files.js';
import { ListPublication, type PublicationOptions } from './publication.js';
import {
  entryOf,
  MAX_REASON_CHARACTERS,
  messageOf,
  nextVersion,
  type Register,
  standingIn,
  withEntry,
  withoutEntry,
} from './register.js';
import { readRegister, writeRegister } from './register_file.js';
import { sealList } from './sealed_list.js';

/** The operator's verbs: a member is put on a list of the register, or taken off, and the list brought to the broker (P-14). */

export interface RevocationOptions {
  readonly fleetFolder: string;
  /** Of an operator. */
  readonly credential: Credential;
  /** Instead of the bundle's. */
  readonly broker?: string;
  /** A member that the roster does not know. */
  readonly forceId?: boolean;
  /** Seconds since the epoch. */
  readonly now?: () => number;
  /** With the list at the broker: what is left to do there. */
  readonly published?: (link: ControlLink, register: Register) => Promise<void>;
}

export interface Listing {
  readonly device: string;
  readonly standing: Standing;
  /** Where it was before, if it was on another list. */
  readonly was?: ListName;
  /** The number of the list that says so. */
  readonly version: number;
  /** Whether `broker/ca.crl` says so too: it needs the CA's key, which may be elsewhere. */
  readonly crl: boolean;
}

/** Not quite the moment: a certificate that is made in this second may be good (P-14.10). */
const sinceAt = (now: number): number => Math.floor(now) - 1;

/**
 * P-14.1, P-14.11. Who is on a graver list stays there.
 * @throws E_ID, E_ARGUMENT, E_DEVICE_UNKNOWN, E_MESSAGE_UNTRUSTED, E_PEER_REVOKED, E_REVOCATION_FULL before anything is written; E_BROKER_*,
 *   E_TIMEOUT, E_REVOCATION_SPENT once the fleet folder says so: `publishList` says it to the broker
 */
export async function putOnList(
  options: RevocationOptions,
  device: string,
  list: ListName,
  reason: string,
): Promise<Listing> {
  checkReason(reason);
  const now = options.now ?? (() => Date.now() / 1000);
  const by = options.credential.identity.id;
  const change = async (member: Member | undefined): Promise<(register: Register) => Register> => {
    const known = member === undefined ? {} : await certificateOf(options.fleetFolder, member);
    const entry = {
      ...{ name: recordName(device), device, list, since: sinceAt(now()), at: Math.floor(now()), by, reason },
      serials: member === undefined ? [] : serialsMeant({ ...member, ...known }, MAX_SINCE),
    };
    return (register) => withEntry(register, entry, known.notBefore);
  };
  const isKnown = (member: Member | undefined): boolean => member !== undefined || options.forceId === true;
  return changed(options, device, isKnown, change);
}

/** Off every list: certificates of the member are good again, save those that were revoked before it was enrolled anew. @throws as `putOnList` */
export function takeOffLists(options: RevocationOptions, device: string): Promise<Listing> {
  const isKnown = (member: Member | undefined, register: Register): boolean =>
    member !== undefined || entryOf(register, device) !== undefined;
  return changed(options, device, isKnown, async () => (register) => withoutEntry(register, device));
}

/** What the folder says, said to the broker again: after it lost what it retained, or was away. @throws as `putOnList` */
export async function publishList(options: RevocationOptions): Promise<Register> {
  checkOperator(options.credential);
  return withFleetLock(options.fleetFolder, async () =>
    bring(options, await readRegister(options.fleetFolder), (same) => same),
  );
}

async function changed(
  options: RevocationOptions,
  device: string,
  isKnown: (member: Member | undefined, register: Register) => boolean,
  makeChange: (member: Member | undefined) => Promise<(register: Register) => Register>,
): Promise<Listing> {
  checkId(device, 'device');
  checkOperator(options.credential);
  const { fleetFolder } = options;
  return withFleetLock(fleetFolder, async () => {
    const { roster } = await readFleetFile(fleetFolder);
    const member = roster.find(({ id }) => id === device);
    const register = await readRegister(fleetFolder);
    if (!isKnown(member, register)) {
      throw new ChunkmeshError('E_DEVICE_UNKNOWN', `${device} is not in the roster of ${fleetFolder}`);
    }
    const change = await makeChange(member);
    let was: ListName | undefined;
    const after = await bring(options, register, (base) => {
      was = entryOf(base, device)?.list;
      return change(base);
    });
    const { version } = after;
    const newest = member === undefined ? {} : await certificateOf(fleetFolder, member);
    const standing = standingIn(after, device, newest.notBefore);
    const crl = await hasAuthority(fleetFolder);
    return { device, standing, ...(was !== undefined && was !== standing && { was }), version, crl };
  });
}

/** The folder first: a broker that reads it, or is away, has the change all the same; so has one whose list a thief keeps from us. */
async function bring(
  options: RevocationOptions,
  register: Register,
  plain: (register: Register) => Register,
): Promise<Register> {
  const { fleetFolder: folder, credential, broker, now = () => Date.now() / 1000 } = options;
  const file = await readFleetFile(folder);
  const change = signedBy(credential, plain);
  const wanted = change(register);
  if (wanted !== register) await record(folder, file, { ...wanted, version: wanted.version + 1 });
  const publication = { credential, folder, roster: file.roster, now };
  let link: ControlLink;
  try {
    link = await connectMember(credential, broker);
  } catch (error) {
    if (wanted !== register) await sealAlone(publication, wanted);
    throw error;
  }
  try {
    const sealing = (of: Register): Promise<void> => writeBrokerFiles(folder, file, of);
    const after = await new ListPublication(link, { ...publication, sealing }).run(register, change);
    await sealing(after);
    await options.published?.(link, after);
    return after;
  } finally {
    await link.close();
  }
}

/**
 * P-14.2: a list whose signer is named, by itself or by the one before it, is refused by everybody: it would end revocation.
 * @throws E_PEER_REVOKED
 */
function signedBy(
  { identity: { id }, notBefore }: Credential,
  change: (register: Register) => Register,
): (register: Register) => Register {
  const checked = (register: Register): Register => {
    if (standingIn(register, id, notBefore) === 'good') return register;
    const why = `the list would name ${id}, who signs it, and be refused by everybody: use the bundle of another operator`;
    throw new ChunkmeshError('E_PEER_REVOKED', why);
  };
  return (register) => checked(change(checked(register)));
}

/** There is no broker now. */
async function sealAlone({ credential, folder, now }: PublicationOptions, wanted: Register): Promise<void> {
  const version = nextVersion(wanted, undefined, credential);
  await sealList(folder, messageOf(wanted, credential.identity.fleet, version, now()), credential);
}

async function record(folder: string, file: FleetFile, register: Register): Promise<void> {
  await writeRegister(folder, register);
  await writeBrokerFiles(folder, file, register);
}

async function writeBrokerFiles(folder: string, file: FleetFile, register: Register): Promise<void> {
  await writeAcl(folder, file, register);
  if (await hasAuthority(folder)) await (await Fleet.open(folder)).writeCrl(register);
}

/** Of a roster from before these were kept, the bundle tells, where it is still here. */
async function certificateOf(
  folder: string,
  { id, serial, notBefore }: Member,
): Promise<{ serial?: string; notBefore?: number }> {
  if (serial !== undefined && notBefore !== undefined) return { serial, notBefore };
  try {
    const { certificate } = JSON.parse(await readFile(join(folder, 'devices', `${id}.json`), 'utf8'));
    const parsed = new X509Certificate(String(certificate));
    return { serial: parsed.serialNumber.toLowerCase(), notBefore: Math.floor(Date.parse(parsed.validFrom) / 1000) };
  } catch {
    return {};
  }
}

function checkReason(reason: string): void {
  if (reason.length <= MAX_REASON_CHARACTERS && !/\p{Cc}/u.test(reason)) return;
  throw new ChunkmeshError('E_ARGUMENT', `a reason has at most ${MAX_REASON_CHARACTERS} characters, on one line`);
}

function checkOperator({ identity, prefix }: Credential): void {
  if (mayPublish(prefix, identity, topics.revoked(prefix))) return;
  throw new ChunkmeshError('E_MESSAGE_UNTRUSTED', `${identity.id} is a ${identity.role}, not an operator (P-2.2)`);
}

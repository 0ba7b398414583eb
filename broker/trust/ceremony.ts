import { type Key, type Metadata, MetadataKind, type TargetFile, type Targets } from '@tufjs/models';
import { ChunkmeshError } from '../../shared/errors.js';
import { MAX_KEYS_OF_ROLE } from '../../shared/trust/metadata.js';
import { BINS, binRole, DIRECTOR } from '../../shared/trust/names.js';
import {
  binKeysOf,
  directorKeysOf,
  type KeyedRole,
  type KeysOfRole,
  keysOfRoot,
  makeDirector,
  makeRoot,
  makeTargetList,
  makeTargets,
  ROOT_ROLES,
  type RootKeys,
  type SignedRole,
  type SigningKeyLike,
  sign,
  tufKey,
} from './metadata_edits.js';
import type { Current, TrustRepository } from './repository.js';
import { artifactsOf, Candidate, stage, type Waiting, waitingOf } from './staging.js';
import { stored } from './trust_folder.js';

export { isSignedBy, stage, type Waiting } from './staging.js';

/** What needs offline signatures: a first root, a change of keys. It is staged, signed here by the keys that are here, and counts when it is whole. */

const { Root: ROOT, Targets: TARGETS } = MetadataKind;
const DAY_SECONDS = 86_400;
/** Offline metadata: a ceremony every other year, with months to spare. */
export const OFFLINE_DAYS = 730;
export const ONLINE_DAYS = 30;

export type AllKeys = RootKeys & { readonly director: KeysOfRole };

/**
 * A first root, with one key for each role, all made and kept here: `changeKeys` has others take their places.
 * @param now seconds since the epoch @throws E_FLEET_EXISTS, E_STORE_IO
 */
export async function initTrust(repository: TrustRepository, now: number): Promise<void> {
  const isBegun = (await repository.staged.list()).some(({ role }) => role === ROOT);
  if ((await repository.metadata.list()).length > 0 || isBegun) {
    throw new ChunkmeshError('E_FLEET_EXISTS', 'this fleet has a root already');
  }
  const one = async (role: KeyedRole): Promise<KeysOfRole> => ({
    keys: [await repository.keys.create(role)],
    threshold: 1,
  });
  const keys: AllKeys = {
    root: await one('root'),
    release: await one('release'),
    director: await one('director'),
    snapshot: await one('snapshot'),
    timestamp: await one('timestamp'),
  };
  const at = { version: 1, expires: now + OFFLINE_DAYS * DAY_SECONDS };
  // Root last: it says that all is there.
  await stage(repository, TARGETS, makeTargets(keys.release, keys.director, at), keys.release);
  await stage(repository, ROOT, makeRoot(keys, at), keys.root);
  await promote(repository, now, ONLINE_DAYS);
}

/**
 * Stages a root with other keys, and whatever they sign. A change that waits already is gone on from, its signatures void.
 * @throws E_ARGUMENT where a role would have fewer keys than signatures are asked of it
 */
export async function changeKeys(
  repository: TrustRepository,
  change: (keys: AllKeys) => AllKeys | Promise<AllKeys>,
  now: number,
): Promise<readonly Waiting[]> {
  const current = await repository.current();
  const before = await keysNow(repository, current);
  const keys = await change(await stagedKeys(repository, current, before));
  checkKeys(keys);
  const at = { now, current };
  if (ROOT_ROLES.some((role) => !same(before[role], keys[role]))) await stageRoot(repository, before, keys, at);
  const [release, director] = [!same(before.release, keys.release), !same(before.director, keys.director)];
  if (release || director) await stageTargets(repository, keys, at, release);
  return promote(repository, now, ONLINE_DAYS);
}

/** Stages what is signed offline with new dates and the keys that it has: before it expires. */
export async function renew(
  repository: TrustRepository,
  role: 'root' | 'release',
  now: number,
): Promise<readonly Waiting[]> {
  const current = await repository.current();
  const before = await keysNow(repository, current);
  const keys = await stagedKeys(repository, current, before);
  if (role === 'root') await stageRoot(repository, before, keys, { now, current });
  else await stageTargets(repository, keys, { now, current }, true);
  return promote(repository, now, ONLINE_DAYS);
}

interface Moment {
  readonly now: number;
  readonly current: Current;
}

/** Signed by the keys of the root before and by its own (TUF 5.3.4, 5.3.5). */
async function stageRoot(
  repository: TrustRepository,
  before: AllKeys,
  keys: AllKeys,
  { now, current }: Moment,
): Promise<void> {
  const version = current.root.metadata.signed.version + 1;
  const signers = { keys: union(before.root.keys, keys.root.keys), threshold: 1 };
  const root = makeRoot(keys, { version, expires: now + OFFLINE_DAYS * DAY_SECONDS });
  await stage(repository, ROOT, root, signers);
}

async function stageTargets(
  repository: TrustRepository,
  { release, director }: AllKeys,
  { now, current }: Moment,
  withBins: boolean,
): Promise<void> {
  const at = (role: string) => ({
    version: (current.meta[role]?.version ?? 0) + 1,
    expires: now + OFFLINE_DAYS * DAY_SECONDS,
  });
  await stage(repository, TARGETS, makeTargets(release, director, at(TARGETS)), release);
  if (!withBins) return;
  for (const role of BINS.map(binRole)) {
    const list = await artifactsOf(repository, current, role);
    if (list.length > 0 || current.meta[role] !== undefined) {
      await stage(repository, role, makeTargetList(list, at(role)), release);
    }
  }
}

/** What the newest metadata has. */
export async function keysNow(repository: TrustRepository, current: Current): Promise<AllKeys> {
  const targets = await repository.role(current, TARGETS);
  const none: KeysOfRole = { keys: [], threshold: 1 };
  return { ...keysOfRoot(current.root.metadata), director: targets ? directorKeysOf(targets.metadata) : none };
}

/**
 * Has what is staged count, once it has its signatures: a bin for itself, a change of keys and all that it touches together, or not at all.
 * What a crash left half done is done.
 * @returns what waits for signatures
 * @throws E_TRUST_MISMATCH, E_TRUST_ROLLBACK where what is staged is not of this moment, E_TRUST_SIGNATURE where an online key is not here
 */
export async function promote(repository: TrustRepository, now: number, days: number): Promise<readonly Waiting[]> {
  await promoteBins(repository, now, days);
  if ((await repository.staged.list()).length === 0) return [];
  const candidate = await Candidate.read(repository, now + OFFLINE_DAYS * DAY_SECONDS);
  const waiting = candidate.waiting();
  if (waiting.length > 0) return waiting;
  const { newRoot, changed } = candidate;
  if (newRoot !== undefined || changed.size > 0) {
    const current = await repository.current(newRoot);
    const online = await onlineAnew(repository, current, candidate, now, days);
    await repository.seal(current, new Map([...changed, ...online]), now, days);
  }
  for (const { file } of await repository.staged.list()) await repository.staged.remove(file);
  return [];
}

/** Artifacts that release signed by hand need not wait for a change of keys that is under way. */
async function promoteBins(repository: TrustRepository, now: number, days: number): Promise<void> {
  const staged = (await repository.staged.list()).filter(({ role }) => BINS.map(binRole).includes(role));
  if (staged.length === 0 || (await repository.roots()).length === 0) return;
  const current = await repository.current();
  const targets = await repository.role(current, TARGETS);
  if (targets === undefined) return;
  const keys = binKeysOf(targets.metadata);
  const signed = new Map<string, Metadata<Targets>>();
  for (const { role, version } of staged) {
    const { metadata } = await repository.staged.read(role as 'targets', version);
    const isNext = version === (current.meta[role]?.version ?? 0) + 1;
    if (isNext && waitingOf(role, metadata, keys).signatures >= keys.threshold) signed.set(role, metadata);
  }
  if (signed.size === 0) return;
  await repository.seal(current, signed, now, days);
  for (const { file, role } of staged) if (signed.has(role)) await repository.staged.remove(file);
}

/**
 * Signs what is staged, each file with those of the keys that count for it.
 * @returns the files that were signed @throws E_ARGUMENT where none of the keys counts for any
 */
export async function signStaged(
  repository: TrustRepository,
  keys: readonly SigningKeyLike[],
  now = Math.floor(Date.now() / 1000),
): Promise<readonly { readonly role: string; readonly metadata: Metadata<SignedRole> }[]> {
  const expires = now + OFFLINE_DAYS * DAY_SECONDS;
  const candidate = (await repository.staged.list()).length === 0 ? null : await Candidate.read(repository, expires);
  const signed: { role: string; metadata: Metadata<SignedRole> }[] = [];
  for (const [role, metadata, signers] of candidate?.staged() ?? []) {
    const ids = new Set(signers.map(({ keyID }) => keyID));
    const counting = keys.filter(({ publicKey }) => ids.has(tufKey(publicKey).keyID));
    for (const key of counting) sign(metadata, key);
    if (counting.length === 0) continue;
    await repository.staged.write(role, stored(metadata));
    signed.push({ role, metadata });
  }
  if (signed.length > 0 || candidate === null) return signed;
  throw new ChunkmeshError('E_ARGUMENT', 'none of the keys counts for any file that is staged');
}

/** The director's files: signed anew where its keys changed, made where there are none. */
async function onlineAnew(
  repository: TrustRepository,
  current: Current,
  { changed }: Candidate,
  now: number,
  days: number,
): Promise<Map<string, Metadata<Targets>>> {
  const online = new Map<string, Metadata<Targets>>();
  const targets = changed.get(TARGETS);
  if (targets === undefined) return online;
  const director = directorKeysOf(targets);
  const expires = now + days * DAY_SECONDS;
  const groups = Object.keys(current.meta).filter((role) => role.startsWith(`${DIRECTOR}-`));
  const next = (role: string): number => (current.meta[role]?.version ?? 0) + 1;
  const names = groups.map((role) => role.slice(DIRECTOR.length + 1));
  online.set(DIRECTOR, makeDirector(director, names, { version: next(DIRECTOR), expires }));
  for (const role of groups) {
    const list: readonly TargetFile[] = await repository.targets(current, role);
    online.set(role, makeTargetList(list, { version: next(role), expires }));
  }
  for (const [role, metadata] of online) repository.signWith(metadata, director, role);
  return online;
}

async function stagedKeys(repository: TrustRepository, current: Current, before: AllKeys): Promise<AllKeys> {
  const files = await repository.staged.list();
  const root = files.find(({ role }) => role === ROOT);
  const targets = files.find(({ role }) => role === TARGETS);
  if (root === undefined || root.version !== current.root.metadata.signed.version + 1) return before;
  const { metadata } = await repository.staged.read(ROOT, root.version);
  const director = targets && directorKeysOf((await repository.staged.read(TARGETS, targets.version)).metadata);
  return { ...keysOfRoot(metadata), director: director ?? before.director };
}

/** @throws E_ARGUMENT */
function checkKeys(keys: AllKeys): void {
  for (const [role, { keys: list, threshold }] of Object.entries(keys) as [KeyedRole, KeysOfRole][]) {
    if (new Set(list.map(({ keyID }) => keyID)).size < list.length) {
      throw new ChunkmeshError('E_ARGUMENT', `a key of ${role} is there twice`);
    }
    if (list.length > MAX_KEYS_OF_ROLE) {
      throw new ChunkmeshError('E_ARGUMENT', `${role} has ${list.length} keys, more than ${MAX_KEYS_OF_ROLE}`);
    }
    if (!Number.isInteger(threshold) || threshold < 1 || threshold > list.length) {
      throw new ChunkmeshError('E_ARGUMENT', `${role} has ${list.length} keys, and ${threshold} of them are to sign`);
    }
  }
}

const union = (a: readonly Key[], b: readonly Key[]): Key[] => [
  ...new Map([...a, ...b].map((key) => [key.keyID, key])).values(),
];

function same(a: KeysOfRole, b: KeysOfRole): boolean {
  const ids = (of: KeysOfRole): string =>
    of.keys
      .map(({ keyID }) => keyID)
      .sort()
      .join();
  return a.threshold === b.threshold && ids(a) === ids(b);
}

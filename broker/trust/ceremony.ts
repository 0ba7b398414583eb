import { type Key, type Metadata, MetadataKind, type Root, type TargetFile, type Targets } from '@tufjs/models';
import { ChunkmeshError } from '../../shared/errors.js';
import { BINS, binRole, DIRECTOR, fileName } from '../../shared/trust/names.js';
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
import { stored } from './trust_folder.js';

/** What needs offline signatures: a first root, a change of keys. It is staged, signed here by the keys that are here, and counts when it is whole. */

const { Root: ROOT, Targets: TARGETS } = MetadataKind;
const DAY_SECONDS = 86_400;
/** Offline metadata: a ceremony every other year, with months to spare. */
export const OFFLINE_DAYS = 730;
export const ONLINE_DAYS = 30;

export type AllKeys = RootKeys & { readonly director: KeysOfRole };

/** A file that waits. */
export interface Waiting {
  readonly file: string;
  readonly role: string;
  readonly signatures: number;
  readonly threshold: number;
}

/**
 * A first root, with one key for each role, all made and kept here: `changeKeys` has others take their places.
 * @param now seconds since the epoch @throws E_FLEET_EXISTS, E_STORE_IO
 */
export async function initTrust(repository: TrustRepository, now: number): Promise<void> {
  if ((await repository.metadata.list()).length > 0 || (await repository.staged.list()).length > 0) {
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
  await stage(repository, ROOT, makeRoot(keys, at), keys.root);
  await stage(repository, TARGETS, makeTargets(keys.release, keys.director, at), keys.release);
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
  for (const role of BINS.map(binRole).filter((bin) => current.meta[bin] !== undefined)) {
    const list = makeTargetList(await repository.targets(current, role), at(role));
    await stage(repository, role, list, release);
  }
}

/** What the newest metadata has. */
export async function keysNow(repository: TrustRepository, current: Current): Promise<AllKeys> {
  const targets = await repository.role(current, TARGETS);
  const none: KeysOfRole = { keys: [], threshold: 1 };
  return { ...keysOfRoot(current.root.metadata), director: targets ? directorKeysOf(targets.metadata) : none };
}

/** Stages, signed by those of the keys that are here. */
export async function stage(
  repository: TrustRepository,
  role: string,
  metadata: Metadata<SignedRole>,
  keys: KeysOfRole,
): Promise<void> {
  repository.signHere(metadata, keys);
  await repository.staged.write(role, stored(metadata));
}

/**
 * Has what is staged count, once it has its signatures: a bin for itself, a change of keys and all that it touches together, or not at all.
 * @returns what waits for signatures
 */
export async function promote(repository: TrustRepository, now: number, days: number): Promise<readonly Waiting[]> {
  await promoteBins(repository, now, days);
  const candidate = await Candidate.read(repository);
  if (candidate === null) return [];
  const waiting = candidate.waiting();
  if (waiting.length > 0) return waiting;
  if (candidate.newRoot !== undefined) await repository.metadata.write(ROOT, stored(candidate.newRoot));
  const current = await repository.current();
  const online = await onlineAnew(repository, current, candidate, now, days);
  await repository.seal(current, new Map([...candidate.changed, ...online]), now, days);
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
    if (isNext && row(role, metadata, keys).signatures >= keys.threshold) signed.set(role, metadata);
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
): Promise<readonly { readonly role: string; readonly metadata: Metadata<SignedRole> }[]> {
  const candidate = await Candidate.read(repository);
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

/** What is staged, over what counts. */
class Candidate {
  readonly root: Metadata<Root>;
  readonly #before: Metadata<Root> | undefined;
  readonly newRoot: Metadata<Root> | undefined;
  /** By role. */
  readonly changed: ReadonlyMap<string, Metadata<Targets>>;
  /** Bins and `targets` that count and are not staged. */
  readonly #kept: ReadonlyMap<string, Metadata<Targets>>;

  private constructor(
    before: Metadata<Root> | undefined,
    newRoot: Metadata<Root> | undefined,
    root: Metadata<Root>,
    changed: ReadonlyMap<string, Metadata<Targets>>,
    kept: ReadonlyMap<string, Metadata<Targets>>,
  ) {
    this.#before = before;
    this.newRoot = newRoot;
    this.root = root;
    this.changed = changed;
    this.#kept = kept;
  }

  static async read(repository: TrustRepository): Promise<Candidate | null> {
    const files = await repository.staged.list();
    if (files.length === 0) return null;
    const before = (await repository.roots()).at(-1)?.metadata;
    const changed = new Map<string, Metadata<Targets>>();
    let newRoot: Metadata<Root> | undefined;
    for (const { role, version } of files) {
      if (role === ROOT) newRoot = (await repository.staged.read(ROOT, version)).metadata;
      else changed.set(role, (await repository.staged.read(role as 'targets', version)).metadata);
    }
    const root = newRoot ?? before;
    if (root === undefined) throw new ChunkmeshError('E_TRUST_MISMATCH', 'no root is staged, and none is there');
    return new Candidate(before, newRoot, root, changed, await keptOf(repository, before, changed));
  }

  /** Each file that is staged, and the keys of which some are to sign it. */
  staged(): [role: string, metadata: Metadata<SignedRole>, signers: readonly Key[]][] {
    const rows: [string, Metadata<SignedRole>, readonly Key[]][] = [];
    const { release } = keysOfRoot(this.root);
    if (this.newRoot !== undefined) {
      const before = this.#before === undefined ? [] : keysOfRoot(this.#before).root.keys;
      rows.push([ROOT, this.newRoot, union(before, keysOfRoot(this.newRoot).root.keys)]);
    }
    for (const [role, metadata] of this.changed) rows.push([role, metadata, release.keys]);
    return rows;
  }

  waiting(): Waiting[] {
    const rows: Waiting[] = [];
    if (this.newRoot !== undefined) {
      for (const by of [this.#before, this.newRoot]) if (by) rows.push(row(ROOT, this.newRoot, keysOfRoot(by).root));
    }
    const { release } = keysOfRoot(this.root);
    const targets = this.changed.get(TARGETS) ?? this.#kept.get(TARGETS);
    const bins = targets === undefined ? release : binKeysOf(targets);
    for (const [role, metadata] of [...this.#kept, ...this.changed]) {
      rows.push(row(role, metadata, role === TARGETS ? release : bins));
    }
    return rows.filter(({ signatures, threshold }) => signatures < threshold);
  }
}

async function keptOf(
  repository: TrustRepository,
  before: Metadata<Root> | undefined,
  changed: ReadonlyMap<string, unknown>,
): Promise<Map<string, Metadata<Targets>>> {
  const kept = new Map<string, Metadata<Targets>>();
  if (before === undefined) return kept;
  const current = await repository.current();
  for (const role of [TARGETS, ...BINS.map(binRole)]) {
    if (changed.has(role)) continue;
    const there = await repository.role(current, role);
    if (there !== undefined) kept.set(role, there.metadata);
  }
  return kept;
}

function row(role: string, metadata: Metadata<SignedRole>, { keys, threshold }: KeysOfRole): Waiting {
  const signatures = keys.filter((key) => isSignedBy(metadata, key)).length;
  return { file: fileName(role, metadata.signed.version), role, signatures, threshold };
}

export function isSignedBy(metadata: Metadata<SignedRole>, key: Key): boolean {
  try {
    key.verifySignature(metadata);
    return true;
  } catch {
    return false;
  }
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

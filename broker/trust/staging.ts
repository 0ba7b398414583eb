import { type Key, type Metadata, MetadataKind, type Root, type TargetFile, type Targets } from '@tufjs/models';
import { ChunkmeshError } from '../../shared/errors.js';
import { BINS, binRole, fileName } from '../../shared/trust/names.js';
import { binKeysOf, type KeysOfRole, keysOfRoot, makeTargetList, type SignedRole } from './metadata_edits.js';
import type { Current, TrustRepository } from './repository.js';
import { type Stored, stored } from './trust_folder.js';

/** What waits for signatures: staged, carried to where keys are and back, and held against what counts meanwhile. */

const { Root: ROOT, Targets: TARGETS } = MetadataKind;
const BIN_ROLES: readonly string[] = BINS.map(binRole);

/** A file that waits. */
export interface Waiting {
  readonly file: string;
  readonly role: string;
  readonly signatures: number;
  readonly threshold: number;
}

/** Stages, signed by those of the keys that are here, in the place of any other version of it. */
export async function stage(
  repository: TrustRepository,
  role: string,
  metadata: Metadata<SignedRole>,
  keys: KeysOfRole,
): Promise<void> {
  repository.signHere(metadata, keys);
  await repository.staged.write(role, stored(metadata));
  const file = fileName(role, metadata.signed.version);
  for (const other of await repository.staged.list()) {
    if (other.role === role && other.file !== file) await repository.staged.remove(other.file);
  }
}

/** Undefined where nothing of the role is staged. @throws E_TRUST_MALFORMED, E_TRUST_MISMATCH */
export async function stagedRole(repository: TrustRepository, role: string): Promise<Stored<Targets> | undefined> {
  const newest = (await repository.staged.list()).filter((one) => one.role === role).at(-1);
  return newest && (await repository.staged.read(role as 'targets', newest.version));
}

/** A bin as it counts, with what is staged for it: the next version has all that is to stay, an older one only what it adds. */
export async function artifactsOf(
  repository: TrustRepository,
  current: Current,
  role: string,
): Promise<readonly TargetFile[]> {
  const staged = (await stagedRole(repository, role))?.metadata.signed;
  const waiting = Object.values(staged?.targets ?? {});
  if (staged?.version === (current.meta[role]?.version ?? 0) + 1) return waiting;
  const counts = await repository.targets(current, role);
  return merged(counts, waiting);
}

/** Of a path in both the first counts. */
function merged(counts: readonly TargetFile[], waiting: readonly TargetFile[]): readonly TargetFile[] {
  const paths = new Set(counts.map(({ path }) => path));
  return [...counts, ...waiting.filter(({ path }) => !paths.has(path))];
}

/** What is staged, over what counts. */
export class Candidate {
  readonly root: Stored<Root>;
  readonly #before: Metadata<Root> | undefined;
  /** Undefined where none is staged, and where it counts already. */
  readonly newRoot: Stored<Root> | undefined;
  /** By role, without what counts already. */
  readonly changed: ReadonlyMap<string, Metadata<Targets>>;
  /** Bins and `targets` that count and are not staged. */
  readonly #kept: ReadonlyMap<string, Metadata<Targets>>;

  private constructor(
    before: Metadata<Root> | undefined,
    newRoot: Stored<Root> | undefined,
    root: Stored<Root>,
    changed: ReadonlyMap<string, Metadata<Targets>>,
    kept: ReadonlyMap<string, Metadata<Targets>>,
  ) {
    this.#before = before;
    this.newRoot = newRoot;
    this.root = root;
    this.changed = changed;
    this.#kept = kept;
  }

  /**
   * Bins that were published to since they were staged are staged once more, with both; their signatures are void.
   * @param expires of those, seconds since the epoch
   * @throws E_TRUST_MISMATCH, E_TRUST_ROLLBACK, E_TRUST_MALFORMED, E_STORE_IO
   */
  static async read(repository: TrustRepository, expires: number): Promise<Candidate> {
    const before = (await repository.roots()).at(-1);
    const newRoot = await stagedRoot(repository, before);
    const root = newRoot ?? before;
    if (root === undefined) throw new ChunkmeshError('E_TRUST_MISMATCH', 'no root is staged, and none is there');
    const current = await repository.current(root);
    const targets = await stagedTargets(repository, current);
    const keys = binKeysUnder(root, targets ?? (await repository.role(current, TARGETS))?.metadata);
    const changed = new Map<string, Metadata<Targets>>();
    if (targets !== undefined) changed.set(TARGETS, targets);
    const kept = new Map<string, Metadata<Targets>>();
    for (const role of BIN_ROLES) {
      const bin = await binOf(repository, current, role, keys, expires);
      if (bin !== undefined) (bin.isStaged ? changed : kept).set(role, bin.metadata);
    }
    if (targets === undefined) {
      const there = await repository.role(current, TARGETS);
      if (there !== undefined) kept.set(TARGETS, there.metadata);
    }
    return new Candidate(before?.metadata, newRoot, root, changed, kept);
  }

  /** Each file that is staged, and the keys of which some are to sign it. */
  staged(): [role: string, metadata: Metadata<SignedRole>, signers: readonly Key[]][] {
    const rows: [string, Metadata<SignedRole>, readonly Key[]][] = [];
    const { release } = keysOfRoot(this.root.metadata);
    if (this.newRoot !== undefined) {
      const before = this.#before === undefined ? [] : keysOfRoot(this.#before).root.keys;
      const all = [...before, ...keysOfRoot(this.newRoot.metadata).root.keys];
      rows.push([ROOT, this.newRoot.metadata, [...new Map(all.map((key) => [key.keyID, key])).values()]]);
    }
    for (const [role, metadata] of this.changed) rows.push([role, metadata, release.keys]);
    return rows;
  }

  waiting(): Waiting[] {
    const rows: Waiting[] = [];
    if (this.newRoot !== undefined) {
      const { metadata } = this.newRoot;
      for (const by of [this.#before, metadata]) if (by) rows.push(waitingOf(ROOT, metadata, keysOfRoot(by).root));
    }
    const { release } = keysOfRoot(this.root.metadata);
    const bins = binKeysUnder(this.root, this.changed.get(TARGETS) ?? this.#kept.get(TARGETS));
    for (const [role, metadata] of [...this.#kept, ...this.changed]) {
      rows.push(waitingOf(role, metadata, role === TARGETS ? release : bins));
    }
    return rows.filter(({ signatures, threshold }) => signatures < threshold);
  }
}

/** Undefined where what is staged counts already. */
async function stagedRoot(
  repository: TrustRepository,
  before: Stored<Root> | undefined,
): Promise<Stored<Root> | undefined> {
  const files = await repository.staged.list();
  const odd = files.find(({ role }) => role !== ROOT && role !== TARGETS && !BIN_ROLES.includes(role));
  if (odd !== undefined) {
    throw new ChunkmeshError('E_TRUST_MISMATCH', `${repository.staged.path}/${odd.file} is nothing that is staged`);
  }
  const version = files.filter(({ role }) => role === ROOT).at(-1)?.version;
  if (version === undefined) return undefined;
  const root = await repository.staged.read(ROOT, version);
  if (before !== undefined && root.metadata.signed.equals(before.metadata.signed)) return undefined;
  const next = (before?.metadata.signed.version ?? 0) + 1;
  if (version === next) return root;
  const code = version < next ? 'E_TRUST_ROLLBACK' : 'E_TRUST_MISMATCH';
  throw new ChunkmeshError(code, `${fileName(ROOT, version)} is staged, and the next root is ${next}`);
}

/** Undefined where none is staged, or it counts already. */
async function stagedTargets(repository: TrustRepository, current: Current): Promise<Metadata<Targets> | undefined> {
  const staged = await stagedRole(repository, TARGETS);
  if (staged === undefined || (await isThere(repository, current, TARGETS, staged))) return undefined;
  const { version } = staged.metadata.signed;
  if (version > (current.meta[TARGETS]?.version ?? 0)) return staged.metadata;
  throw new ChunkmeshError('E_TRUST_ROLLBACK', `${fileName(TARGETS, version)} is staged, and newer ones count`);
}

async function isThere(
  repository: TrustRepository,
  current: Current,
  role: string,
  { metadata }: Stored<Targets>,
): Promise<boolean> {
  return (await repository.role(current, role))?.metadata.signed.equals(metadata.signed) ?? false;
}

/** A bin as it would count. */
async function binOf(
  repository: TrustRepository,
  current: Current,
  role: string,
  keys: KeysOfRole,
  expires: number,
): Promise<{ readonly isStaged: boolean; readonly metadata: Metadata<Targets> } | undefined> {
  const there = await repository.role(current, role);
  const staged = await stagedRole(repository, role);
  const version = there?.metadata.signed.version ?? 0;
  const isNew = staged !== undefined && !(await isThere(repository, current, role, staged));
  if (isNew && staged.metadata.signed.version > version) return { isStaged: true, metadata: staged.metadata };
  if (!isNew && (there === undefined || waitingOf(role, there.metadata, keys).signatures >= keys.threshold)) {
    return there && { isStaged: false, metadata: there.metadata };
  }
  const list = await artifactsOf(repository, current, role);
  const metadata = makeTargetList(list, { version: version + 1, expires });
  await stage(repository, role, metadata, keys);
  return { isStaged: true, metadata };
}

/** Of a repository that has no targets yet, those that will be. */
function binKeysUnder(root: Stored<Root>, targets: Metadata<Targets> | undefined): KeysOfRole {
  return targets === undefined ? keysOfRoot(root.metadata).release : binKeysOf(targets);
}

export function waitingOf(role: string, metadata: Metadata<SignedRole>, { keys, threshold }: KeysOfRole): Waiting {
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

import { type Metadata, MetadataKind, type TargetFile, type Targets } from '@tufjs/models';
import type { ArtifactIndex } from '../../shared/artifact/index.js';
import { ChunkmeshError } from '../../shared/errors.js';
import { MAX_ROLLOUTS } from '../../shared/limits.js';
import type { Audience } from '../../shared/trust/audience.js';
import {
  artifactPath,
  binRoleOfArtifact,
  DIRECTOR,
  directorRole,
  fileName,
  parseRolloutPath,
  rolloutPath,
} from '../../shared/trust/names.js';
import { type ArtifactCustom, artifactCustomSchema, type RolloutCustom } from '../../shared/trust/verify.js';
import { OFFLINE_DAYS, stage } from './ceremony.js';
import { binKeysOf, directorKeysOf, makeDirector, makeTarget, makeTargetList } from './metadata_edits.js';
import type { Current, TrustRepository } from './repository.js';

/** Release signs artifacts, a director schedules them (P-12.2, P-12.3). */

const DAY_SECONDS = 86_400;
const TARGETS = MetadataKind.Targets;
/** A bin that grows past it is a name with hundreds of versions: what is old is to be retired. */
const MAX_ARTIFACTS_OF_BIN = 256;

export interface NewArtifact {
  readonly name: string;
  readonly version: string;
  readonly index: Pick<ArtifactIndex, 'artifact' | 'size' | 'chunkCount' | 'sha256'>;
  readonly audience?: Audience;
}

export interface Scheduled {
  readonly group: string;
  readonly name: string;
  readonly version: string;
  readonly how: RolloutCustom;
}

/**
 * The metadata of the artifact's bin with it, signed.
 * @returns null where release signed just that already; an audience that is not given stays as it was
 * @throws E_TRUST_SIGNATURE where a key of release is needed that is not here: the bin is staged then, and the message says where
 */
export async function releaseArtifact(
  repository: TrustRepository,
  current: Current,
  artifact: NewArtifact,
  now: number,
): Promise<{ role: string; metadata: Metadata<Targets> } | null> {
  const { name, version, index, audience } = artifact;
  const role = binRoleOfArtifact(name, version);
  const custom: ArtifactCustom = { artifact: index.artifact, chunks: index.chunkCount, ...audience };
  const sha256 = Buffer.from(index.sha256).toString('hex');
  const target = makeTarget(artifactPath(name, version), index.size, sha256, custom);
  const before = await repository.targets(current, role);
  const there = before.find(({ path }) => path === target.path);
  if (there !== undefined && isSame(there, target, audience !== undefined)) return null;
  const targets = await targetsOf(repository, current);
  await refuseDuringKeyChange(repository);
  const next = (current.meta[role]?.version ?? 0) + 1;
  const waiting = await stagedBin(repository, role, next);
  const listed = waiting === undefined ? before : Object.values(waiting.signed.targets);
  const list = [...listed.filter(({ path }) => path !== target.path), target];
  if (list.length > MAX_ARTIFACTS_OF_BIN) {
    throw new ChunkmeshError('E_ARGUMENT', `${role} has ${MAX_ARTIFACTS_OF_BIN} artifacts already`);
  }
  const waits = listed.some((one) => one.path === target.path && isSame(one, target, audience !== undefined));
  const made = makeTargetList(list, { version: next, expires: now + OFFLINE_DAYS * DAY_SECONDS });
  // What waits already, with the signatures that it has.
  const metadata = waits && waiting !== undefined ? waiting : made;
  const keys = binKeysOf(targets);
  const signatures = repository.signHere(metadata, keys);
  if (signatures >= keys.threshold) return { role, metadata };
  await stage(repository, role, metadata, keys);
  throw new ChunkmeshError(
    'E_TRUST_SIGNATURE',
    `${name} ${version} has ${signatures} of ${keys.threshold} signatures of release: sign ${repository.staged.path}/${fileName(role, next)}`,
  );
}

/** The rollout of that name is replaced, the others stay. @throws E_ARGUMENT, E_TRUST_SIGNATURE, E_TRUST_ARTIFACT */
export async function schedule(
  repository: TrustRepository,
  current: Current,
  released: TargetFile,
  { group, name, version, how }: Scheduled,
  at: { readonly now: number; readonly days: number },
): Promise<Map<string, Metadata<Targets>>> {
  const role = directorRole(group);
  const path = rolloutPath(group, name, version);
  const others = (await repository.targets(current, role)).filter((one) => parseRolloutPath(one.path)?.name !== name);
  if (others.length >= MAX_ROLLOUTS) {
    throw new ChunkmeshError('E_ARGUMENT', `group ${group} has ${MAX_ROLLOUTS} rollouts of other names already`);
  }
  const target = makeTarget(path, released.length, released.hashes.sha256 ?? '', how);
  return signOnline(repository, current, [{ group, targets: [...others, target] }], at);
}

/** The group's rollout of that name goes, the others stay. @returns undefined where it has none @throws E_TRUST_SIGNATURE */
export async function unschedule(
  repository: TrustRepository,
  current: Current,
  { group, name }: { readonly group: string; readonly name: string },
  at: { readonly now: number; readonly days: number },
): Promise<Map<string, Metadata<Targets>> | undefined> {
  const before = await repository.targets(current, directorRole(group));
  const targets = before.filter(({ path }) => parseRolloutPath(path)?.name !== name);
  if (targets.length === before.length) return undefined;
  return signOnline(repository, current, [{ group, targets }], at);
}

/** The director's files of these groups, signed. */
export async function signOnline(
  repository: TrustRepository,
  current: Current,
  groups: readonly { readonly group: string; readonly targets: readonly TargetFile[] }[],
  { now, days }: { readonly now: number; readonly days: number },
): Promise<Map<string, Metadata<Targets>>> {
  const director = directorKeysOf(await targetsOf(repository, current));
  const expires = now + days * DAY_SECONDS;
  const next = (role: string): number => (current.meta[role]?.version ?? 0) + 1;
  const known = new Set([...groupsOf(current), ...groups.map(({ group }) => group)]);
  const changed = new Map<string, Metadata<Targets>>();
  // It is in every group's bundle: a new one has all of them published anew.
  if (known.size > groupsOf(current).length || (await isHalfOver(repository, current, { now, days }))) {
    changed.set(DIRECTOR, makeDirector(director, [...known].sort(), { version: next(DIRECTOR), expires }));
  }
  for (const { group, targets } of groups) {
    const role = directorRole(group);
    changed.set(role, makeTargetList(targets, { version: next(role), expires }));
  }
  for (const [role, metadata] of changed) repository.signWith(metadata, director, role);
  return changed;
}

/** Whether the director's delegations are good for less than half of `days`. */
async function isHalfOver(
  repository: TrustRepository,
  current: Current,
  { now, days }: { readonly now: number; readonly days: number },
): Promise<boolean> {
  const director = await repository.role(current, DIRECTOR);
  if (director === undefined) return true;
  return Date.parse(director.metadata.signed.expires) / 1000 < now + (days * DAY_SECONDS) / 2;
}

/** The groups that were ever published to. */
export function groupsOf(current: Current): string[] {
  const head = directorRole('');
  return Object.keys(current.meta).flatMap((role) => (role.startsWith(head) ? [role.slice(head.length)] : []));
}

/** Undefined where release did not sign it. */
export async function releasedArtifact(
  repository: TrustRepository,
  current: Current,
  name: string,
  version: string,
): Promise<TargetFile | undefined> {
  const path = artifactPath(name, version);
  return (await repository.targets(current, binRoleOfArtifact(name, version))).find((one) => one.path === path);
}

/** The next version of a bin, where it waits for signatures: what it lists is not lost to what comes after it. */
async function stagedBin(
  repository: TrustRepository,
  role: string,
  version: number,
): Promise<Metadata<Targets> | undefined> {
  const there = (await repository.staged.list()).some((file) => file.role === role && file.version === version);
  return there ? (await repository.staged.read(role as 'targets', version)).metadata : undefined;
}

/** What is signed for the keys that go would be signed in vain. @throws E_TRUST_SIGNATURE */
export async function refuseDuringKeyChange(repository: TrustRepository): Promise<void> {
  if ((await repository.staged.list()).every((file) => file.role !== TARGETS)) return;
  throw new ChunkmeshError('E_TRUST_SIGNATURE', `a change of keys waits in ${repository.staged.path}: sign it first`);
}

/** @throws E_TRUST_SIGNATURE where none is signed yet */
export async function targetsOf(repository: TrustRepository, current: Current): Promise<Metadata<Targets>> {
  const targets = await repository.role(current, TARGETS);
  if (targets !== undefined) return targets.metadata;
  throw new ChunkmeshError(
    'E_TRUST_SIGNATURE',
    `targets is not signed yet: sign ${repository.staged.path}/1.targets.json`,
  );
}

function isSame(a: TargetFile, b: TargetFile, withAudience: boolean): boolean {
  const [one, two] = [a, b].map(({ custom, length, hashes: { sha256 } }) => {
    const { artifact, groups, sites } = artifactCustomSchema.safeParse(custom.chunkmesh).data ?? {};
    return JSON.stringify([length, sha256, artifact, ...(withAudience ? [groups, sites] : [])]);
  });
  return one === two;
}

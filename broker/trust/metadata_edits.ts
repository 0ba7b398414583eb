import { createHash } from 'node:crypto';
import { canonicalize } from '@tufjs/canonical-json';
import { Key, Metadata, MetaFile, Root, Signature, Snapshot, TargetFile, Targets, Timestamp } from '@tufjs/models';
import { Delegations } from '@tufjs/models/dist/delegations.js';
import { DelegatedRole, Role } from '@tufjs/models/dist/role.js';
import type { Signer } from '../../shared/control/envelope.js';
import {
  BINS,
  binRole,
  DIRECTOR,
  directorRole,
  fileName,
  ROLLOUT_PATTERN,
  rolloutPatternOf,
} from '../../shared/trust/names.js';

/** Metadata of a fleet (P-12.2), made and changed. Pure: times come in, nothing is signed but by `sign`. */

const SPEC_VERSION = '1.0.31';

export type SigningKeyLike = Signer['key'] & { readonly publicKey: Uint8Array };
export type SignedRole = Root | Targets | Snapshot | Timestamp;

/** The roles whose keys root names. `release` is `targets`: who signs what may be installed. */
export const ROOT_ROLES = ['root', 'release', 'snapshot', 'timestamp'] as const;
export type KeyedRole = (typeof ROOT_ROLES)[number] | 'director';
const inRoot = (role: Exclude<KeyedRole, 'director'>): string => (role === 'release' ? 'targets' : role);

export interface KeysOfRole {
  readonly keys: readonly Key[];
  readonly threshold: number;
}

/** RFC 3339 in whole seconds, as TUF 4.2.1 has it. @param at seconds since the epoch */
export const timeText = (at: number): string => new Date(Math.floor(at) * 1000).toISOString().replace('.000Z', 'Z');

/** TUF 4.2.1: the id is the SHA-256 of the key's canonical form. @param publicKey Ed25519, 32 bytes */
export function tufKey(publicKey: Uint8Array): Key {
  const value = { keytype: 'ed25519', scheme: 'ed25519', keyval: { public: Buffer.from(publicKey).toString('hex') } };
  return Key.fromJSON(createHash('sha256').update(canonicalize(value)).digest('hex'), value);
}

export function metadataBytes(metadata: Metadata<SignedRole>): Buffer {
  return Buffer.from(`${JSON.stringify(metadata.toJSON())}\n`);
}

/** Adds a signature; one that the same key made before is replaced. */
export function sign(metadata: Metadata<SignedRole>, key: SigningKeyLike): void {
  const { keyID } = tufKey(key.publicKey);
  metadata.sign((bytes) => new Signature({ keyID, sig: Buffer.from(key.sign(bytes)).toString('hex') }));
}

interface Head {
  readonly version: number;
  /** Seconds since the epoch. */
  readonly expires: number;
}

const head = ({ version, expires }: Head) => ({ specVersion: SPEC_VERSION, version, expires: timeText(expires) });

export type RootKeys = Readonly<Record<Exclude<KeyedRole, 'director'>, KeysOfRole>>;

export function makeRoot(keys: RootKeys, at: Head): Metadata<Root> {
  const roles = ROOT_ROLES.map((role) => [inRoot(role), roleOf(keys[role])] as const);
  const all = ROOT_ROLES.flatMap((role) => keys[role].keys).map((key) => [key.keyID, key] as const);
  return new Metadata(
    new Root({
      ...head(at),
      keys: Object.fromEntries(all),
      roles: Object.fromEntries(roles),
      consistentSnapshot: true,
    }),
  );
}

/** The keys of each role, as a root has them. */
export function keysOfRoot({ signed }: Pick<Metadata<Root>, 'signed'>): RootKeys {
  const of = (role: Exclude<KeyedRole, 'director'>): KeysOfRole => keysOf(signed.keys, signed.roles[inRoot(role)]);
  return { root: of('root'), release: of('release'), snapshot: of('snapshot'), timestamp: of('timestamp') };
}

/** P-12.2: who may schedule, and the bins, which the release keys sign. */
export function makeTargets(release: KeysOfRole, director: KeysOfRole, at: Head): Metadata<Targets> {
  const all = [...release.keys, ...director.keys].map((key) => [key.keyID, key] as const);
  const roles = [
    delegated(DIRECTOR, director, { paths: [ROLLOUT_PATTERN] }),
    ...BINS.map((bin) => delegated(binRole(bin), release, { pathHashPrefixes: [bin] })),
  ];
  const delegations = new Delegations({
    keys: Object.fromEntries(all),
    roles: Object.fromEntries(roles.map((role) => [role.name, role])),
  });
  return new Metadata(new Targets({ ...head(at), targets: {}, delegations }));
}

/** The keys that may schedule, as a `targets` has them. */
export function directorKeysOf({ signed }: Pick<Metadata<Targets>, 'signed'>): KeysOfRole {
  return keysOf(signed.delegations?.keys ?? {}, signed.delegations?.roles?.[DIRECTOR]);
}

/** The keys of release, as a `targets` delegates to its bins. */
export function binKeysOf({ signed }: Pick<Metadata<Targets>, 'signed'>): KeysOfRole {
  return keysOf(signed.delegations?.keys ?? {}, signed.delegations?.roles?.[binRole(BINS[0] ?? '')]);
}

/** P-12.2: delegates the rollouts of each group, to its own keys. */
export function makeDirector(director: KeysOfRole, groups: readonly string[], at: Head): Metadata<Targets> {
  const keys = Object.fromEntries(director.keys.map((key) => [key.keyID, key]));
  const roles = groups.map((group) => delegated(directorRole(group), director, { paths: [rolloutPatternOf(group)] }));
  const delegations = new Delegations({ keys, roles: Object.fromEntries(roles.map((role) => [role.name, role])) });
  return new Metadata(new Targets({ ...head(at), targets: {}, delegations }));
}

/** A bin, or a group's rollouts. */
export function makeTargetList(targets: readonly TargetFile[], at: Head): Metadata<Targets> {
  return new Metadata(new Targets({ ...head(at), targets: Object.fromEntries(targets.map((one) => [one.path, one])) }));
}

export function makeTarget(path: string, length: number, sha256: string, custom: object): TargetFile {
  // What is undefined has no canonical form, to be signed.
  const chunkmesh = Object.fromEntries(Object.entries(custom).filter(([, value]) => value !== undefined));
  return TargetFile.fromJSON(path, { length, hashes: { sha256 }, custom: { chunkmesh } });
}

/** @param files by role, of every role but the top ones: their bytes as they lie there */
export function makeSnapshot(meta: Readonly<Record<string, MetaFile>>, at: Head): Metadata<Snapshot> {
  return new Metadata(new Snapshot({ ...head(at), meta: { ...meta } }));
}

/** With `at`, the time of its signature (P-12.6): a field that the specification leaves to us, under the signature. */
export function makeTimestamp(snapshot: MetaFile, at: Head & { readonly now: number }): Metadata<Timestamp> {
  const unrecognizedFields = { at: Math.floor(at.now) };
  return new Metadata(new Timestamp({ ...head(at), snapshotMeta: snapshot, unrecognizedFields }));
}

/** TUF 4.4: with length and hash, so that a wrong file is refused before it is parsed. */
export function metaFileOf(metadata: Metadata<SignedRole>, bytes: Uint8Array): MetaFile {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return new MetaFile({ version: metadata.signed.version, length: bytes.length, hashes: { sha256 } });
}

export const fileNameOf = (role: string, metadata: Metadata<SignedRole>): string =>
  fileName(role, metadata.signed.version);

function roleOf({ keys, threshold }: KeysOfRole): Role {
  return new Role({ keyIDs: keys.map(({ keyID }) => keyID), threshold });
}

type Reach = { readonly paths: string[] } | { readonly pathHashPrefixes: string[] };

function delegated(name: string, { keys, threshold }: KeysOfRole, reach: Reach): DelegatedRole {
  return new DelegatedRole({ name, keyIDs: keys.map(({ keyID }) => keyID), threshold, terminating: true, ...reach });
}

function keysOf(known: Readonly<Record<string, Key>>, role: Role | undefined): KeysOfRole {
  const keys = (role?.keyIDs ?? []).flatMap((id) => known[id] ?? []);
  return { keys, threshold: role?.threshold ?? 1 };
}

import { createHash } from 'node:crypto';
import { canonicalize } from '@tufjs/canonical-json';
import { SigningKey } from '../../shared/crypto/signature.js';
import type { Files } from '../../shared/trust/bundle.js';
import {
  artifactPath,
  BINS,
  binOf,
  binRole,
  binRoleOfArtifact,
  directorRole,
  parseRolloutPath,
  rolloutPath,
} from '../../shared/trust/names.js';
import type { TrustState } from '../../shared/trust/trusted_set.js';
import { type Verdict, verifyBundle } from '../../shared/trust/verify.js';

/**
 * A fleet's metadata as plain JSON, written without the code that is tested, so that any of it can be forged: what is signed, by whom, and
 * what becomes of it afterwards. Nothing is checked here.
 */

export const NOW = 1_800_000_000;
export const DAY = 86_400;
export const GROUP = 'cameras';

export type Json = Record<string, unknown>;
export interface Doc {
  signatures: Json[];
  signed: Json;
}
export type ForgedRole = 'root' | 'release' | 'director' | 'snapshot' | 'timestamp';
export type Keys = Record<ForgedRole, { keys: SigningKey[]; threshold: number }>;

/** How one role's file differs from an honest one. */
export interface Forgery {
  version?: number;
  expires?: number;
  /** Before it is signed. */
  edit?: (signed: Json) => void;
  signers?: readonly SigningKey[];
  /** After it was signed. */
  tamper?: (doc: Doc) => void;
  /** Its bytes, last of all. */
  text?: (json: string) => string;
}

export const newKeys = (count: number): SigningKey[] => Array.from({ length: count }, () => SigningKey.generate());
export const timeOf = (at: number): string => new Date(at * 1000).toISOString().replace('.000Z', 'Z');

export function keyJson(key: SigningKey): Json {
  return {
    keytype: 'ed25519',
    scheme: 'ed25519',
    keyval: { public: Buffer.from(key.publicKey).toString('hex') },
  };
}

export const keyIdOf = (key: SigningKey): string =>
  createHash('sha256')
    .update(canonicalize(keyJson(key)))
    .digest('hex');

export const keysJson = (keys: readonly SigningKey[]): Json =>
  Object.fromEntries(keys.map((key) => [keyIdOf(key), keyJson(key)]));

export function signedBy(signed: Json, keys: readonly SigningKey[]): Doc {
  const bytes = Buffer.from(canonicalize(signed));
  const signatures = keys.map((key) => ({ keyid: keyIdOf(key), sig: Buffer.from(key.sign(bytes)).toString('hex') }));
  return { signatures, signed };
}

export const bytesOf = (doc: unknown): Uint8Array => new Uint8Array(Buffer.from(JSON.stringify(doc)));

export function fileMeta(version: number, bytes: Uint8Array): Json {
  return { version, length: bytes.length, hashes: { sha256: createHash('sha256').update(bytes).digest('hex') } };
}

/** A delegation, as `targets` has them. */
export function delegation(
  name: string,
  { keys, threshold }: { keys: readonly SigningKey[]; threshold: number },
  reach: Json,
  terminating = true,
): Json {
  return { name, keyids: keys.map(keyIdOf), threshold, terminating, ...reach };
}

export interface Released {
  length: number;
  hashes: Record<string, string>;
  custom: Json;
}

/** What release says of an artifact, made up from a number. */
export function artifactOf(seed: number, audience: Json = {}): Released {
  const hex = createHash('sha256').update(`${seed}`).digest('hex');
  return {
    length: 1000 + seed,
    hashes: { sha256: hex },
    custom: { chunkmesh: { artifact: createHash('sha256').update(hex).digest('hex'), chunks: 3, ...audience } },
  };
}

export class ForgedFleet {
  keys: Keys;
  /** Bytes of each root, the first first. */
  readonly roots: Uint8Array[] = [];
  /** By target path; all in their bins. */
  readonly artifacts: Record<string, Released> = {};
  /** By group and target path. */
  readonly rollouts: Record<string, Record<string, Json>> = {};
  /** By role. */
  readonly forge: Record<string, Forgery> = {};
  /** Files of further roles, which the snapshot has too: what the online keys can always add. */
  readonly more: Record<string, { signed: Json; signers: readonly SigningKey[] }> = {};
  #seeds = 0;

  constructor(count = 1, threshold = 1) {
    const offline = () => ({ keys: newKeys(count), threshold });
    const online = () => ({ keys: newKeys(1), threshold: 1 });
    this.keys = { root: offline(), release: offline(), director: online(), snapshot: online(), timestamp: online() };
    this.addRoot();
  }

  get state(): TrustState {
    return { root: Buffer.from(this.roots[0] ?? []).toString('utf8') };
  }

  /** An honest root, of `keys`, unless `forgery` has it otherwise; signed by all of the keys before and these. */
  addRoot(keys: Keys = this.keys, forgery: Forgery = {}): Uint8Array {
    const before = this.keys.root.keys;
    this.keys = keys;
    const signers = forgery.signers ?? [...new Set([...before, ...keys.root.keys])];
    const signed = {
      ...head('root', forgery.version ?? this.roots.length + 1, forgery.expires ?? NOW + 700 * DAY),
      ...{ consistent_snapshot: true, keys: keysJson(ROOT_ROLES.flatMap((role) => keys[role].keys)) },
      roles: Object.fromEntries(
        ROOT_ROLES.map((role) => [
          role === 'release' ? 'targets' : role,
          { keyids: keys[role].keys.map(keyIdOf), threshold: keys[role].threshold },
        ]),
      ),
    };
    const bytes = finished(signed, signers, forgery);
    this.roots.push(bytes);
    return bytes;
  }

  /** @returns what release signs, to be changed at will */
  release(name: string, version: string, audience: Json = {}): Released {
    const released = artifactOf(++this.#seeds, audience);
    this.artifacts[artifactPath(name, version)] = released;
    return released;
  }

  /** @returns what the director signs, to be changed at will */
  schedule(name: string, version: string, group = GROUP): Json {
    const { length, hashes } = this.artifacts[artifactPath(name, version)] ?? artifactOf(0);
    const rollout = { length, hashes, custom: { chunkmesh: { shards: 1 } } };
    this.rollouts[group] = { ...this.rollouts[group], [rolloutPath(group, name, version)]: rollout };
    return rollout;
  }

  /** Both. */
  publish(name: string, version: string, group = GROUP): Json {
    this.release(name, version);
    return this.schedule(name, version, group);
  }

  /** Of snapshot and timestamp, and of the roles named. */
  next(...roles: string[]): void {
    for (const role of ['snapshot', 'timestamp', ...roles]) {
      this.forge[role] = { ...this.forge[role], version: (this.forge[role]?.version ?? 1) + 1 };
    }
  }

  /** Every file of the repository, by its name. */
  files(): Map<string, Uint8Array> {
    const files = new Map<string, Uint8Array>();
    this.roots.forEach((bytes, i) => void files.set(`${i + 1}.root.json`, bytes));
    const meta: Json = {};
    const add = (role: string, signed: Json, signers: readonly SigningKey[]): void => {
      const forgery = this.forge[role] ?? {};
      const bytes = finished(signed, forgery.signers ?? signers, forgery);
      files.set(`${signed.version}.${role}.json`, bytes);
      meta[`${role}.json`] = fileMeta(Number(signed.version), bytes);
    };
    const { release, director } = this.keys;
    add('targets', this.#targets(), release.keys);
    for (const [role, targets] of Object.entries(this.#bins())) {
      add(role, { ...this.#head('targets', role, 700 * DAY), targets }, release.keys);
    }
    add('director', this.#director(), director.keys);
    for (const [group, targets] of Object.entries(this.rollouts)) {
      const role = directorRole(group);
      add(role, { ...this.#head('targets', role, 30 * DAY), targets }, director.keys);
    }
    for (const [role, { signed, signers }] of Object.entries(this.more)) add(role, signed, signers);
    this.#seal(files, meta);
    return files;
  }

  /** What a group's bundle has of the files. */
  bundle(group = GROUP): Map<string, Uint8Array> {
    const roles = new Set(['root', 'timestamp', 'snapshot', 'targets', 'director', directorRole(group)]);
    for (const path of Object.keys(this.rollouts[group] ?? {})) {
      const rollout = parseRolloutPath(path);
      if (rollout !== null) roles.add(binRoleOfArtifact(rollout.name, rollout.version));
    }
    for (const role of Object.keys(this.more)) roles.add(role);
    return new Map([...this.files()].filter(([name]) => roles.has(name.replace(/^\d+\.|\.json$/g, ''))));
  }

  verify(files: Files = this.files(), state: TrustState = this.state, group = GROUP, now = NOW): Verdict {
    return verifyBundle(state, files, group, () => now);
  }

  /** What a role that is delegated to has beside its targets. */
  head(role: string): Json {
    return this.#head('targets', role, 30 * DAY);
  }

  #seal(files: Map<string, Uint8Array>, meta: Json): void {
    const snapshot = { ...this.#head('snapshot', 'snapshot', 30 * DAY), meta };
    const forged = this.forge.snapshot ?? {};
    const bytes = finished(snapshot, forged.signers ?? this.keys.snapshot.keys, forged);
    files.set(`${snapshot.version}.snapshot.json`, bytes);
    const timestamp = {
      ...this.#head('timestamp', 'timestamp', 30 * DAY),
      ...{ at: NOW, meta: { 'snapshot.json': fileMeta(Number(snapshot.version), bytes) } },
    };
    const last = this.forge.timestamp ?? {};
    files.set('timestamp.json', finished(timestamp, last.signers ?? this.keys.timestamp.keys, last));
  }

  #head(type: string, role: string, seconds: number): Json & { version: number } {
    const { version = 1, expires = NOW + seconds } = this.forge[role] ?? {};
    return head(type, version, expires);
  }

  #bins(): Record<string, Json> {
    const bins: Record<string, Json> = {};
    for (const [path, released] of Object.entries(this.artifacts)) {
      const role = binRole(binOf(path));
      bins[role] = { ...bins[role], [path]: released };
    }
    return bins;
  }

  #targets(): Json {
    const { release, director } = this.keys;
    const bins = BINS.map((bin) => delegation(binRole(bin), release, { path_hash_prefixes: [bin] }));
    const roles = [delegation('director', director, { paths: ['rollouts/*/*/*'] }), ...bins];
    const keys = keysJson([...release.keys, ...director.keys]);
    return { ...this.#head('targets', 'targets', 700 * DAY), targets: {}, delegations: { keys, roles } };
  }

  #director(): Json {
    const { director } = this.keys;
    const roles = Object.keys(this.rollouts).map((group) =>
      delegation(directorRole(group), director, { paths: [`rollouts/${group}/*/*`] }),
    );
    const delegations = { keys: keysJson(director.keys), roles };
    return { ...this.#head('targets', 'director', 30 * DAY), targets: {}, delegations };
  }
}

const ROOT_ROLES = ['root', 'release', 'snapshot', 'timestamp'] as const;

function head(type: string, version: number, expires: number): Json & { version: number } {
  return { _type: type, spec_version: '1.0.31', version, expires: timeOf(expires) };
}

function finished(signed: Json, signers: readonly SigningKey[], { edit, tamper, text }: Forgery): Uint8Array {
  edit?.(signed);
  const doc = signedBy(signed, signers);
  tamper?.(doc);
  const json = JSON.stringify(doc);
  return new Uint8Array(Buffer.from(text?.(json) ?? json));
}

import { join } from 'node:path';
import { type Metadata, MetadataKind, type MetaFile, type Root, type TargetFile, type Targets } from '@tufjs/models';
import { ChunkmeshError } from '../../shared/errors.js';
import { MAX_CERTIFICATE_BYTES, MAX_CLOCK_AHEAD_SECONDS, MAX_MESSAGE_BYTES } from '../../shared/limits.js';
import { type Files, packBundle } from '../../shared/trust/bundle.js';
import {
  binRoleOfArtifact,
  DIRECTOR,
  directorRole,
  fileName,
  parseRolloutPath,
  TIMESTAMP_FILE,
} from '../../shared/trust/names.js';
import type { TrustState } from '../../shared/trust/trusted_set.js';
import { type Verdict, verifyBundle } from '../../shared/trust/verify.js';
import { KeyRing } from './key_files.js';
import {
  type KeysOfRole,
  keysOfRoot,
  makeSnapshot,
  makeTimestamp,
  metaFileOf,
  type SignedRole,
  sign,
} from './metadata_edits.js';
import { MetadataFolder, type Stored, stored } from './trust_folder.js';

/** A fleet's metadata as a TUF repository (P-12): what counts, what waits for signatures, and how the one becomes the other. */

const DAY_SECONDS = 86_400;
/** P-2.7, less the envelope around it. */
const MAX_PACKED_BYTES = MAX_MESSAGE_BYTES - MAX_CERTIFICATE_BYTES - 1024;
const { Root: ROOT, Snapshot: SNAPSHOT, Targets: TARGETS, Timestamp: TIMESTAMP } = MetadataKind;

/** What counts at one moment. */
export interface Current {
  readonly root: Stored<Root>;
  readonly timestampVersion: number;
  /** When the timestamp was signed, by its own word, where its role's keys are the same still. Seconds since the epoch. */
  readonly signedAt: number;
  readonly snapshotVersion: number;
  /** By role, as the snapshot has them. */
  readonly meta: Readonly<Record<string, MetaFile>>;
}

export class TrustRepository {
  readonly metadata: MetadataFolder;
  readonly staged: MetadataFolder;
  readonly keys: KeyRing;

  private constructor(folder: string, keys: KeyRing) {
    this.metadata = new MetadataFolder(join(folder, 'metadata'));
    this.staged = new MetadataFolder(join(folder, 'staged'));
    this.keys = keys;
  }

  /** @param fleetFolder the fleet's; the folder `trust` of it is meant @throws E_FILE_UNREADABLE, E_KEY_FILE_MODE, E_BUNDLE */
  static async open(fleetFolder: string): Promise<TrustRepository> {
    const folder = join(fleetFolder, 'trust');
    return new TrustRepository(folder, await KeyRing.open(join(folder, 'keys')));
  }

  /** Roots that count, the first first. */
  async roots(): Promise<Stored<Root>[]> {
    const files = (await this.metadata.list()).filter(({ role }) => role === ROOT);
    return Promise.all(files.map(({ version }) => this.metadata.read(ROOT, version)));
  }

  /** The newest root. @throws E_TRUST_SIGNATURE where none is signed yet */
  async root(): Promise<Stored<Root>> {
    const newest = (await this.roots()).at(-1);
    if (newest !== undefined) return newest;
    throw new ChunkmeshError(
      'E_TRUST_SIGNATURE',
      `no root is signed yet: sign ${join(this.staged.path, '1.root.json')}`,
    );
  }

  /** @param newRoot one that is to count with what is there */
  async current(newRoot?: Stored<Root>): Promise<Current> {
    const root = newRoot ?? (await this.root());
    const files = await this.metadata.list();
    if (!files.some(({ file }) => file === TIMESTAMP_FILE)) {
      return { root, timestampVersion: 0, signedAt: 0, snapshotVersion: 0, meta: {} };
    }
    const timestamp = (await this.metadata.read(TIMESTAMP, undefined)).metadata;
    const { signed } = timestamp;
    const snapshot = await this.metadata.read(SNAPSHOT, signed.snapshotMeta.version);
    const meta = Object.entries(snapshot.metadata.signed.meta).map(([file, one]) => [file.slice(0, -5), one] as const);
    return {
      root,
      timestampVersion: signed.version,
      signedAt: isSignedUnder(root.metadata, timestamp) ? Number(signed.unrecognizedFields.at ?? 0) : 0,
      snapshotVersion: snapshot.metadata.signed.version,
      meta: Object.fromEntries(meta),
    };
  }

  /** Undefined where the role has no metadata yet. */
  async role(current: Current, role: string): Promise<Stored<Targets> | undefined> {
    const version = current.meta[role]?.version;
    return version === undefined ? undefined : this.metadata.read(role as 'targets', version);
  }

  async targets(current: Current, role: string): Promise<readonly TargetFile[]> {
    return Object.values((await this.role(current, role))?.metadata.signed.targets ?? {});
  }

  /**
   * What was changed counts from now on: its files, a snapshot of them, the root where it is new, and last the timestamp. All is signed
   * before anything is written, and nothing that counts before is overwritten until the last.
   * @param changed by role, with the signatures that they need
   * @param now seconds since the epoch @param days how long snapshot and timestamp are good
   * @throws E_TRUST_SIGNATURE where the folder has not the online keys; E_TRUST_TIME where the last was signed later than now; E_STORE_IO
   */
  async seal(
    current: Current,
    changed: ReadonlyMap<string, Metadata<Targets>>,
    now: number,
    days: number,
  ): Promise<void> {
    const keys = keysOfRoot(current.root.metadata);
    const files = [...changed].map(([role, metadata]) => [role, stored(metadata)] as const);
    checkTime(current, now);
    const meta: Record<string, MetaFile> = {};
    for (const [role, one] of Object.entries(current.meta)) meta[`${role}.json`] = one;
    for (const [role, { metadata, bytes }] of files) meta[`${role}.json`] = metaFileOf(metadata, bytes);
    const expires = now + days * DAY_SECONDS;
    const snapshot = makeSnapshot(meta, { version: current.snapshotVersion + 1, expires });
    this.signWith(snapshot, keys.snapshot, 'snapshot');
    const sealed = stored(snapshot);
    const head = { version: current.timestampVersion + 1, expires, now };
    const timestamp = makeTimestamp(metaFileOf(snapshot, sealed.bytes), head);
    this.signWith(timestamp, keys.timestamp, 'timestamp');
    for (const [role, file] of files) await this.metadata.write(role, file);
    await this.metadata.write(SNAPSHOT, sealed);
    if (!(await this.metadata.has(ROOT, current.root.metadata.signed.version)))
      await this.metadata.write(ROOT, current.root);
    await this.metadata.write(TIMESTAMP, stored(timestamp));
    await this.metadata.prune();
  }

  /** Signs with every key of the role that is here. @returns how many have signed */
  signHere(metadata: Metadata<SignedRole>, { keys }: KeysOfRole): number {
    for (const { keyID } of keys) {
      const key = this.keys.get(keyID);
      if (key !== undefined) sign(metadata, key);
    }
    return keys.filter(({ keyID }) => metadata.signatures[keyID] !== undefined).length;
  }

  /** @throws E_TRUST_SIGNATURE */
  signWith(metadata: Metadata<SignedRole>, role: KeysOfRole, name: string): void {
    const signed = this.signHere(metadata, role);
    if (signed >= role.threshold) return;
    throw new ChunkmeshError(
      'E_TRUST_SIGNATURE',
      `${name} has ${signed} of ${role.threshold} signatures: its key is not here`,
    );
  }

  /** The files of a group's bundle (P-12.4), the bins of its rollouts among them. */
  async bundleFiles(current: Current, group: string): Promise<Files> {
    const files = new Map<string, Uint8Array>();
    const names = [
      TIMESTAMP_FILE,
      fileName(SNAPSHOT, current.snapshotVersion),
      ...(await this.filesOf(current, group)),
    ];
    for (const file of names) files.set(file, await this.metadata.bytes(file));
    return files;
  }

  /** Names of what a group's bundle has beside snapshot and timestamp: where these are others, it is to be published anew. */
  async filesOf(current: Current, group: string): Promise<string[]> {
    const roots = (await this.metadata.list()).filter(({ role }) => role === ROOT).map(({ file }) => file);
    const roles = [TARGETS, DIRECTOR, directorRole(group), ...(await this.#binsOf(current, group))];
    const files = roles.flatMap((role) => {
      const version = current.meta[role]?.version;
      return version === undefined ? [] : [fileName(role, version)];
    });
    return [...roots, ...files];
  }

  /**
   * Packed, with as many roots as a message has room for: a device that missed more is given a new credential bundle.
   * @throws E_MESSAGE_TOO_LARGE
   */
  async bundle(current: Current, group: string): Promise<Uint8Array> {
    const files = new Map(await this.bundleFiles(current, group));
    const roots = [...files.keys()].filter((file) => file.endsWith(`.${ROOT}.json`));
    for (;;) {
      const packed = packBundle(files);
      if (packed.length <= MAX_PACKED_BYTES) return packed;
      if (roots.length < 2)
        throw new ChunkmeshError(
          'E_MESSAGE_TOO_LARGE',
          `the trust bundle of group ${group} has ${packed.length} bytes`,
        );
      for (const file of roots.splice(0, Math.ceil(roots.length / 2))) files.delete(file);
    }
  }

  /** What a device that believes the first root makes of a group's bundle. */
  async verify(current: Current, group: string, now: number): Promise<Verdict> {
    const [first] = await this.roots();
    const state: TrustState = { root: first?.bytes.toString('utf8') ?? '' };
    return verifyBundle(state, await this.bundleFiles(current, group), group, () => now);
  }

  async #binsOf(current: Current, group: string): Promise<string[]> {
    const bins = new Set<string>();
    for (const { path } of await this.targets(current, directorRole(group))) {
      const rollout = parseRolloutPath(path);
      if (rollout !== null) bins.add(binRoleOfArtifact(rollout.name, rollout.version));
    }
    return [...bins];
  }
}

function isSignedUnder(root: Metadata<Root>, timestamp: Metadata<SignedRole>): boolean {
  try {
    root.verifyDelegate(TIMESTAMP, timestamp);
    return true;
  } catch {
    return false;
  }
}

/** P-12.6: devices take the latest time that the timestamp role ever said, and would judge what is signed now by that. */
function checkTime({ signedAt }: Current, now: number): void {
  if (signedAt <= now + MAX_CLOCK_AHEAD_SECONDS) return;
  const ahead = Math.round((signedAt - now) / 3600);
  throw new ChunkmeshError(
    'E_TRUST_TIME',
    `the last metadata was signed ${ahead} h later than this clock says, and devices believe that it is so late`,
  );
}

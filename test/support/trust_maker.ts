import { createHash } from 'node:crypto';
import { type Metadata, MetaFile } from '@tufjs/models';
import {
  type KeysOfRole,
  makeDirector,
  makeRoot,
  makeSnapshot,
  makeTarget,
  makeTargetList,
  makeTargets,
  makeTimestamp,
  metadataBytes,
  metaFileOf,
  type SignedRole,
  sign,
  tufKey,
} from '../../broker/trust/metadata_edits.js';
import type { Rollout } from '../../shared/control/messages.js';
import { SigningKey } from '../../shared/crypto/signature.js';
import { packBundle } from '../../shared/trust/bundle.js';
import {
  artifactPath,
  BINS,
  binRole,
  binRoleOfArtifact,
  DIRECTOR,
  directorRole,
  fileName,
  rolloutPath,
  TIMESTAMP_FILE,
} from '../../shared/trust/names.js';

/** A fleet's trust in memory, at a fixed time: signs whatever a test asks for, right or wrong. */

const DAY = 86_400;

export interface BundleOptions {
  /** Of timestamp, snapshot and the director's files. Default 1. */
  readonly version?: number;
  /** When it is signed, seconds since the epoch. */
  readonly at?: number;
  /** Of every role. Default a day later. */
  readonly expires?: number;
  /** Of each role, more than what is made. */
  readonly change?: (files: Map<string, Uint8Array>) => void;
}

type Keyed = 'root' | 'release' | 'director' | 'snapshot' | 'timestamp';

/** Names the bytes of a test's artifact; nobody looks into them. */
const fileHash = (artifact: Uint8Array): string => createHash('sha256').update('file').update(artifact).digest('hex');

export class TrustMaker {
  readonly #now: number;
  readonly #keys: Record<Keyed, SigningKey>;
  /** JSON text. */
  readonly root: string;

  /** @param name gives the same keys each time it is given, and so bundles of the same length */
  constructor(now: number, name?: string) {
    this.#now = now;
    const key = (role: Keyed): SigningKey => {
      if (name === undefined) return SigningKey.generate();
      return SigningKey.fromSeed(createHash('sha256').update(`${name} ${role}`).digest());
    };
    const roles: readonly Keyed[] = ['root', 'release', 'director', 'snapshot', 'timestamp'];
    this.#keys = Object.fromEntries(roles.map((role) => [role, key(role)])) as Record<Keyed, SigningKey>;
    const root = makeRoot(
      {
        root: this.#role('root'),
        release: this.#role('release'),
        snapshot: this.#role('snapshot'),
        timestamp: this.#role('timestamp'),
      },
      { version: 1, expires: now + 3650 * DAY },
    );
    this.root = this.#signed(root, 'root').toString('utf8');
  }

  files(group: string, rollouts: readonly Rollout[], options: BundleOptions = {}): Map<string, Uint8Array> {
    const { version = 1, at = this.#now, expires = at + DAY } = options;
    const head = { version, expires };
    const bins = new Map<string, Rollout[]>();
    for (const rollout of rollouts) {
      const role = binRoleOfArtifact(rollout.name, rollout.version);
      bins.set(role, [...(bins.get(role) ?? []), rollout]);
    }
    const roles: [string, Metadata<SignedRole>, Keyed][] = [
      ['targets', makeTargets(this.#role('release'), this.#role('director'), head), 'release'],
      [DIRECTOR, makeDirector(this.#role('director'), [group], head), 'director'],
      [
        directorRole(group),
        makeTargetList(
          rollouts.map((one) => scheduled(group, one)),
          head,
        ),
        'director',
      ],
    ];
    for (const [role, list] of bins) roles.push([role, makeTargetList(list.map(released), head), 'release']);
    const files = new Map<string, Uint8Array>();
    // A snapshot may lose no file (TUF 5.5.5): every bin is there from the first.
    const meta: Record<string, MetaFile> = {};
    for (const bin of BINS) meta[`${binRole(bin)}.json`] = new MetaFile({ version });
    for (const [role, metadata, by] of roles) {
      const bytes = this.#signed(metadata, by);
      files.set(fileName(role, version), bytes);
      meta[`${role}.json`] = metaFileOf(metadata, bytes);
    }
    const snapshot = makeSnapshot(meta, head);
    const bytes = this.#signed(snapshot, 'snapshot');
    files.set(fileName('snapshot', version), bytes);
    const timestamp = makeTimestamp(metaFileOf(snapshot, bytes), { ...head, now: at });
    files.set(TIMESTAMP_FILE, this.#signed(timestamp, 'timestamp'));
    options.change?.(files);
    return files;
  }

  /** As a trust message carries it. */
  bundle(group: string, rollouts: readonly Rollout[], options: BundleOptions = {}): Uint8Array {
    return packBundle(this.files(group, rollouts, options));
  }

  #role(of: Keyed): KeysOfRole {
    return { keys: [tufKey(this.#keys[of].publicKey)], threshold: 1 };
  }

  #signed(metadata: Metadata<SignedRole>, by: Keyed): Buffer {
    sign(metadata, this.#keys[by]);
    return metadataBytes(metadata);
  }
}

function released({ name, version, size, artifact, chunks, audience }: Rollout) {
  const custom = { artifact: Buffer.from(artifact).toString('hex'), chunks, ...audience };
  return makeTarget(artifactPath(name, version), size, fileHash(artifact), custom);
}

function scheduled(group: string, { name, version, size, artifact, ...how }: Rollout) {
  const { shards, urgent, emergency, priority, urls } = how;
  return makeTarget(rolloutPath(group, name, version), size, fileHash(artifact), {
    shards,
    urgent,
    emergency,
    priority,
    urls,
  });
}

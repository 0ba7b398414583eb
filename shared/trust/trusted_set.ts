import { Metadata, MetadataKind, type TargetFile, type Targets } from '@tufjs/models';
import { BadVersionError } from 'tuf-js/dist/error.js';
import { TrustedMetadataStore } from 'tuf-js/dist/store.js';
import { ChunkmeshError } from '../errors.js';
import type { Files } from './bundle.js';
import { checkShape, kindOf, type Shaped } from './metadata.js';
import { fileName, TIMESTAMP_FILE } from './names.js';
import { SoughtPath } from './patterns.js';
import { trustError } from './trust_errors.js';

/**
 * The client workflow of the specification (TUF 1.0.31, 5.3 to 5.6) over the files of a bundle. Every check of a signature, a version, a hash
 * and a date is tuf-js's `TrustedMetadataStore`; this gives it the files in order. tuf-js's own `Updater` is not used: it takes the time
 * from the system clock alone, keeps files by rules of its own, and loads an HTTP client into every agent.
 */

const { Root, Snapshot } = MetadataKind;
/** What may be between a path and the role that has it; this fleet's own layout has three. */
const MAX_ROLES_VISITED = 8;
/** What a Date holds, in seconds (ECMA-262 21.4.1.1). */
const MAX_TIME = 8.64e12;

/** What is trusted, as it is kept across restarts: JSON texts of metadata files. */
export interface TrustState {
  readonly root: string;
  readonly timestamp?: string | undefined;
  readonly snapshot?: string | undefined;
}

export interface FoundTarget {
  readonly target: TargetFile;
  readonly role: string;
}

/** The library's store at a time of ours (TUF 5.1: fixed for one update). */
class StoreAt extends TrustedMetadataStore {
  set time(seconds: number) {
    // Against a time that is none nothing would be expired.
    if (!(Math.abs(seconds) <= MAX_TIME)) throw new ChunkmeshError('E_INTERNAL', `${seconds} is no time`);
    Object.assign(this, { referenceTime: new Date(seconds * 1000) });
  }
}

export class TrustedSet {
  readonly #store: StoreAt;
  readonly #files: Files;
  /** Who delegated to whom, of what was verified. */
  readonly #delegations = new Set<string>();
  #state: TrustState;
  /** Seconds since the epoch: the earliest end of what was used. */
  #expires = Number.POSITIVE_INFINITY;
  /** The bundle's timestamp is not newer than what is trusted. */
  #older: ChunkmeshError | undefined;

  /**
   * TUF 5.2. The root is believed as it is, expired or not.
   * @throws E_TRUST_MALFORMED, E_TRUST_SIGNATURE where it does not verify itself
   */
  constructor(state: TrustState, files: Files) {
    this.#files = files;
    this.#state = state;
    const { bytes } = checkShape(Root, Buffer.from(state.root), 'the trusted root');
    this.#store = attempt('the trusted root', () => new StoreAt(bytes));
  }

  /** What was verified so far: also where a later file is refused (TUF 5.3.8, 5.4.5, 5.5.7). */
  get state(): TrustState {
    return this.#state;
  }

  get expires(): number {
    return this.#expires;
  }

  #until(expires: number): void {
    this.#expires = Math.min(this.#expires, expires);
  }

  get rootVersion(): number {
    return this.#store.root.signed.version;
  }

  /** Undefined before `takeTimestamp`. */
  get timestampVersion(): number | undefined {
    return this.#store.timestamp?.signed.version;
  }

  /** Sorted key ids of the timestamp role. */
  get timestampKeys(): string {
    return [...(this.#store.root.signed.roles[MetadataKind.Timestamp]?.keyIDs ?? [])].sort().join(' ');
  }

  /** TUF 5.3. @throws E_TRUST_* */
  takeRoots(): void {
    for (;;) {
      const name = fileName(Root, this.rootVersion + 1);
      if (!this.#files.has(name)) return; // A bundle has at most MAX_BUNDLE_FILES.
      const { bytes } = this.#read(Root, name, this.rootVersion + 1);
      attempt(name, () => this.#store.updateRoot(bytes));
      this.#state = { ...this.#state, root: bytes.toString('utf8') };
    }
  }

  /**
   * When the bundle's timestamp was signed, by its own word (P-12.6), where the timestamp role signed it; seconds since the epoch.
   * Undefined where it does not say, as the metadata of other tools. Nothing is trusted of it yet.
   */
  signedAt(): number | undefined {
    const bytes = this.#files.get(TIMESTAMP_FILE);
    if (bytes === undefined) return undefined;
    try {
      const shaped = checkShape('timestamp', bytes, TIMESTAMP_FILE);
      const metadata = Metadata.fromJSON(MetadataKind.Timestamp, JSON.parse(shaped.bytes.toString('utf8')));
      this.#store.root.verifyDelegate(MetadataKind.Timestamp, metadata);
      const { at } = metadata.signed.unrecognizedFields;
      // Who stole this key alone moves no clock past the end of what was signed offline.
      const end = Math.min(shaped.expires, secondsOf(this.#store.root.signed.expires));
      return typeof at === 'number' && Number.isSafeInteger(at) && at >= 0 && at < end ? at : undefined;
    } catch {
      return undefined;
    }
  }

  /** TUF 5.4, 5.5, and 5.6 for the top-level role. @param time seconds since the epoch @throws E_TRUST_* */
  takeTop(time: number): void {
    this.#store.time = time;
    this.#until(secondsOf(this.#store.root.signed.expires));
    this.#recall(this.#state.timestamp, 'timestamp', (bytes) => this.#store.updateTimestamp(bytes));
    this.#takeTimestamp();
    this.#until(secondsOf(this.#store.timestamp?.signed.expires ?? ''));
    this.#recall(this.#state.snapshot, 'snapshot', (bytes) => this.#store.updateSnapshot(bytes, true));
    this.#takeSnapshot();
    this.#role(MetadataKind.Targets, Root);
  }

  /** Names of the targets of a role, loaded through the delegations of `chain` that lead to it. @throws E_TRUST_* */
  targetsOf(chain: readonly string[]): readonly string[] {
    let delegator: string = MetadataKind.Targets;
    for (const role of chain) {
      this.#role(role, delegator);
      delegator = role;
    }
    return Object.keys(this.#store.getRole(delegator)?.signed.targets ?? {});
  }

  /** Whether the snapshot knows a file of the role. */
  hasRole(role: string): boolean {
    return this.#store.snapshot?.signed.meta[`${role}.json`] !== undefined;
  }

  /**
   * TUF 5.6.7: the delegations in their order, depth first.
   * @param path as SoughtPath has it @param barred a role that has no say here, nor who it delegates to
   * @throws E_TRUST_* where a role that leads there does not verify
   */
  find(path: string, barred?: string): FoundTarget | undefined {
    const sought = new SoughtPath(path);
    const toVisit: [role: string, delegator: string][] = [[MetadataKind.Targets, Root]];
    const visited = new Set<string>();
    for (let next = toVisit.pop(); next !== undefined; next = toVisit.pop()) {
      const [role, delegator] = next;
      if (visited.has(role)) continue; // 5.6.7.1
      if (visited.size >= MAX_ROLES_VISITED) break;
      visited.add(role);
      if (role === barred || !this.hasRole(role)) continue;
      const { targets, delegations } = this.#role(role, delegator);
      const target = Object.hasOwn(targets, path) ? targets[path] : undefined;
      if (target !== undefined) return { target, role };
      const children: [string, string][] = [];
      for (const child of Object.values(delegations?.roles ?? {})) {
        if (!sought.isReachedBy(child)) continue;
        children.push([child.name, role]);
        if (!child.terminating) continue;
        toVisit.length = 0; // 5.6.7.2.1
        break;
      }
      toVisit.push(...children.reverse());
    }
    return undefined;
  }

  /** Of what is not trusted any more, as after a rotation, or too old, what counts is that nothing older comes after it. */
  #recall(text: string | undefined, kind: 'timestamp' | 'snapshot', take: (bytes: Buffer) => void): void {
    if (text === undefined) return;
    try {
      const { bytes, expires } = checkShape(kind, Buffer.from(text), `the trusted ${kind}`);
      take(bytes);
      if (kind === 'snapshot') this.#until(expires);
    } catch {
      // TUF 5.4: one that does not verify under the new root is no bar to what comes (fast-forward recovery), and one that is
      // expired still is: the library keeps it before it says so.
    }
  }

  #takeTimestamp(): void {
    const { bytes, version } = this.#read('timestamp', TIMESTAMP_FILE);
    try {
      this.#store.updateTimestamp(bytes);
    } catch (error) {
      // TUF 5.4.3.1: what is trusted stays. Its snapshot may well name the very files that this bundle of a group has, if it was
      // another group that changed since; where it does not, this is a rollback.
      // A newer one that names an older snapshot is no other group's (TUF 5.4.3.2).
      const isOlder = error instanceof BadVersionError && version <= (this.timestampVersion ?? 0);
      if (!isOlder) throw trustError(error, TIMESTAMP_FILE);
      this.#older = trustError(error, TIMESTAMP_FILE);
      return;
    }
    this.#state = { ...this.#state, timestamp: bytes.toString('utf8') };
  }

  #takeSnapshot(): void {
    const version = this.#store.timestamp?.signed.snapshotMeta.version ?? 0;
    if (this.#store.snapshot?.signed.version === version) return;
    const name = fileName(Snapshot, version);
    const { bytes, expires } = this.#read(Snapshot, name, version);
    attempt(name, () => this.#store.updateSnapshot(bytes));
    this.#until(expires);
    this.#state = { ...this.#state, snapshot: bytes.toString('utf8') };
  }

  #role(role: string, delegator: string): Targets {
    const known = this.#store.getRole(role);
    if (known !== undefined) return this.#alsoBy(known, role, delegator);
    const version = this.#store.snapshot?.signed.meta[`${role}.json`]?.version;
    if (version === undefined) throw new ChunkmeshError('E_TRUST_MISMATCH', `the snapshot knows no ${role}.json`);
    const name = fileName(role, version);
    const { bytes, expires } = this.#read(role, name, version);
    attempt(name, () => this.#store.updateDelegatedTargets(bytes, role, delegator));
    this.#until(expires);
    const taken = this.#store.getRole(role);
    if (taken === undefined) throw new ChunkmeshError('E_INTERNAL', `${name} is nowhere`);
    this.#delegations.add(`${delegator}/${role}`);
    return taken.signed;
  }

  /**
   * TUF 5.6.3, for each who delegates: whoever may delegate anything could else have a file of its own keys believed under the name of a
   * role that another delegates to others.
   */
  #alsoBy(known: Metadata<Targets>, role: string, delegator: string): Targets {
    const delegation = `${delegator}/${role}`;
    if (!this.#delegations.has(delegation)) {
      attempt(role, () => this.#store.getRole(delegator)?.verifyDelegate(role, known));
      this.#delegations.add(delegation);
    }
    return known.signed;
  }

  /** A file that is not what its name says is of another snapshot (TUF 5.5.4, 5.6.4). */
  #read(role: string, name: string, version?: number): Shaped {
    const bytes = this.#files.get(name);
    if (bytes === undefined) throw this.#older ?? new ChunkmeshError('E_TRUST_MISMATCH', `the bundle has no ${name}`);
    const shaped = checkShape(kindOf(role), bytes, name);
    if (version !== undefined && shaped.version !== version) {
      throw new ChunkmeshError('E_TRUST_MISMATCH', `${name} is version ${shaped.version}`);
    }
    return shaped;
  }
}

const secondsOf = (expires: string): number => Math.floor(Date.parse(expires) / 1000);

function attempt<T>(what: string, step: () => T): T {
  try {
    return step();
  } catch (error) {
    throw trustError(error, what);
  }
}

import type { ArtifactIndex } from '../../shared/artifact/artifact_index.js';
import type { Bitfield } from '../../shared/artifact/bitfield.js';
import { digestLacks, digestOffers, makeDigest } from '../../shared/artifact/digest.js';
import type { HaveMessage, Rollout, RolloutProgress } from '../../shared/control/messages.js';
import type { ChunkmeshError } from '../../shared/errors.js';
import { MAX_SESSIONS_PER_ARTIFACT } from '../../shared/limits.js';
import { CLOSE, type CloseReason } from '../../shared/wire/frames/close.js';
import type { PeerName } from '../../shared/wire/frames/peers.js';
import type { SeedFile } from '../io/store/seed_file.js';
import type { StoredArtifact } from '../io/store/stored_artifact.js';
import { Announcer, MembersHeard } from '../swarm/announcer.js';
import { MAX_SESSIONS_PER_SEED } from '../swarm/limits.js';
import type { Session } from '../transport/session.js';
import type { SessionEvents } from '../transport/session_types.js';
import { Attempt } from './attempt.js';
import { copyFromSeeds } from './copy.js';
import { Fetch, type FetchCounters } from './fetch.js';
import type { MeshPeer, TransferHost } from './host.js';
import type { Link } from './link.js';
import { Mesh } from './mesh.js';
import type { Shelf } from './serving.js';

/** One rollout's artifact on one device: its state, its sessions, and both directions of chunks. */

export interface TransferOptions {
  readonly rollout: Rollout;
  readonly artifact: string;
  /** The group whose trust message named the rollout first. */
  readonly group: string;
  readonly host: TransferHost;
  readonly joinWindowMs: number;
  /** The device's role is `seed`. */
  readonly isSeed: boolean;
  /** Files of the device's own; one may be the artifact, others may share chunks with it. */
  readonly seeds: readonly SeedFile[];
  readonly openStored: () => Promise<StoredArtifact>;
  /** Learned of another device from a peer (P-7.9, P-10.3). */
  readonly onPeerNamed: (peer: PeerName) => void;
}

type State = RolloutProgress['state'];

const NO_COUNTERS: FetchCounters = { fromSeed: 0, fromPeers: 0, fromDisk: 0, wasted: 0 };

export class Transfer {
  readonly artifact: string;
  readonly rollout: Rollout;
  /** Groups whose trust messages name the rollout: who holds one of them is in the audience (P-5.4). */
  readonly groups: Set<string>;
  readonly announcer: Announcer;
  readonly heard = new MembersHeard();
  readonly #options: TransferOptions;
  readonly #host: TransferHost;
  readonly #mesh: Mesh;
  readonly #startedAt: number;
  #finishedAt: number | null = null;
  #state: State = 'waiting';
  #error = '';
  #stored: StoredArtifact | null = null;
  #seed: SeedFile | null = null;
  #fetch: Fetch | null = null;
  readonly #opening: Attempt;
  readonly #finishing: Attempt;
  #stopped = false;

  constructor(options: TransferOptions) {
    this.#options = options;
    this.#host = options.host;
    this.artifact = options.artifact;
    this.rollout = options.rollout;
    this.groups = new Set([options.group]);
    this.#startedAt = this.#host.now();
    this.announcer = new Announcer(this.#startedAt, options.joinWindowMs, () => this.#host.random());
    this.#mesh = new Mesh({
      host: this.#host,
      held: () => this.held,
      complete: () => this.complete,
      shelf: () => this.#shelf(),
      fetch: () => this.#fetch,
      peerNamed: options.onPeerNamed,
      left: () => this.#left(),
    });
    const now = (): number => this.#host.now();
    const refused = (error: ChunkmeshError): void => this.#onRefused(error);
    this.#opening = new Attempt(() => this.#open(), now, refused);
    this.#finishing = new Attempt(() => this.#finish(), now, refused);
  }

  /** Opens what the device already has. Until it is done the transfer takes no sessions. */
  start(): Promise<void> {
    return this.#opening.run();
  }

  async stop(reason: CloseReason): Promise<void> {
    this.#stopped = true;
    this.#mesh.links.closeAll(reason);
    this.#host.wake();
    await this.#fetch?.stop();
    await this.#stored?.close();
  }

  get complete(): boolean {
    return this.#state === 'complete';
  }

  get held(): Bitfield | null {
    return this.#seed?.held ?? this.#stored?.held ?? null;
  }

  get peers(): number {
    return this.#mesh.links.openCount;
  }

  /** Whether chunks are missing and no session could bring them (P-10.1). */
  get lonely(): boolean {
    return (
      !this.#stopped &&
      this.held !== null &&
      !this.complete &&
      this.#state !== 'failed' &&
      !(this.#fetch?.isFed ?? false)
    );
  }

  /** Sessions that may still be agreed (P-10.3). */
  get room(): number {
    if (this.held === null || this.#stopped || this.#state === 'failed') return 0;
    const most = this.#options.isSeed ? MAX_SESSIONS_PER_SEED : MAX_SESSIONS_PER_ARTIFACT;
    return Math.max(0, most - this.#mesh.links.size);
  }

  /** P-5.4 */
  isAudience(groups: readonly string[]): boolean {
    return groups.some((group) => this.groups.has(group));
  }

  isBanned(device: string): boolean {
    return this.#mesh.isBanned(device);
  }

  /** When the session with the device began, or undefined where there is none. Monotonic ms. */
  sessionSince(device: string): number | undefined {
    return this.#mesh.links.get(device)?.since;
  }

  /** P-4.4 */
  announcement(at: number): HaveMessage | null {
    const { held } = this;
    if (held === null) return null;
    return { t: 'have', at, held: held.count, room: Math.min(255, this.room), digest: makeDigest(held) };
  }

  /** P-10.2: whether either side holds what the other lacks. */
  isOfInterest(have: HaveMessage): boolean {
    const { held } = this;
    return held !== null && (digestLacks(have, held) || digestOffers(have, held));
  }

  /** As Mesh.connect. */
  connect(peer: MeshPeer, make: (events: SessionEvents) => Session): { session: Session; pump: () => void } {
    return this.#mesh.connect(peer, make);
  }

  /** P-10.3: with every session taken by peers that hold nothing it lacks, a device makes room for one that may. */
  makeRoom(): void {
    if (this.lonely && this.room === 0) this.#mesh.dropOneUnfed();
  }

  /** Whatever is due. */
  tick(): void {
    this.#fetch?.schedule();
    void this.#opening.tick();
    void this.#finishing.tick();
  }

  /** `now` where something is due. */
  nextDeadline(now: number): number {
    const fetching = this.#fetch?.nextDeadline() ?? Number.POSITIVE_INFINITY;
    return Math.max(now, Math.min(fetching, this.#opening.deadline, this.#finishing.deadline));
  }

  progress(): RolloutProgress {
    const { name, version, artifact, chunks, size } = this.rollout;
    return {
      name,
      version,
      artifact,
      state: this.#state,
      held: this.held?.count ?? 0,
      chunks,
      size,
      ...(this.#fetch?.counters ?? NO_COUNTERS),
      seconds: ((this.#finishedAt ?? this.#host.now()) - this.#startedAt) / 1000,
      error: this.#error,
    };
  }

  #left(): void {
    if (this.#stopped) return;
    if (this.lonely) this.announcer.restart(this.#host.now());
    this.#fetch?.schedule();
    this.#host.changed();
    this.#host.wake();
  }

  /** P-10.4 */
  #onWrongBytes(link: Link, error: ChunkmeshError): void {
    this.#host.warning(error);
    this.#mesh.ban(link);
    this.#left();
  }

  async #open(): Promise<void> {
    const { seeds, isSeed, openStored } = this.#options;
    const whole = seeds.find((seed) => seed.index.artifact === this.artifact);
    if (isSeed && whole !== undefined) {
      this.#seed = whole;
      this.#finishedAt = this.#host.now();
      this.#setState('complete');
      return;
    }
    const stored = this.#stored ?? (await openStored());
    this.#stored = stored;
    if (this.#stopped) return stored.close();
    this.#fetch ??= new Fetch(stored, this.rollout, this.#mesh.links, this.#host, {
      indexed: () => void this.#onIndexed(),
      changed: (error) => this.#onFetchChanged(error),
      wrongBytes: (link, error) => this.#onWrongBytes(link, error),
      failed: (error) => this.#fail(error),
    });
    this.#setState('indexing');
    if (stored.index === undefined && whole !== undefined) await stored.installIndex(whole.index.bytes);
    if (stored.index !== undefined) await this.#onIndexed();
  }

  async #onIndexed(): Promise<void> {
    const stored = this.#stored;
    const fetch = this.#fetch;
    if (stored?.index === undefined || fetch === null) return;
    // What kept the index from being installed is over; should it come again, it is told again.
    this.#error = '';
    this.#setState('fetching');
    await copyFromSeeds(stored, stored.index, this.#options.seeds, (chunk, bytes) => {
      fetch.counters.fromDisk += bytes;
      fetch.tellHeld(chunk);
    }).catch((error: unknown) => this.#host.logger.warn({ error }, 'copying from seed files stopped'));
    await this.#finishing.run();
    fetch.begin();
  }

  #onFetchChanged(error: ChunkmeshError | null): void {
    if (error !== null) {
      this.#onRefused(error);
      return;
    }
    if (this.#state === 'blocked') {
      this.#error = '';
      this.#setState('fetching');
    }
    this.#host.changed();
    if (this.held?.isFull) void this.#finishing.run();
  }

  async #finish(): Promise<void> {
    const stored = this.#stored;
    if (stored === null || !stored.held.isFull || this.complete || this.#stopped) return;
    const path = await stored.finish();
    this.#finishedAt = this.#host.now();
    this.#error = '';
    this.#setState('complete');
    const { name, version, size } = this.rollout;
    this.#host.completed({ name, version, artifact: this.artifact, path, size });
    this.#mesh.dropUseless();
  }

  /** What may work later blocks the transfer, told once; what may not ends it. */
  #onRefused(error: ChunkmeshError): void {
    if (!error.retryable) {
      this.#fail(error);
      return;
    }
    if (this.#error !== error.code) this.#host.warning(error);
    this.#error = error.code;
    this.#setState('blocked');
  }

  #fail(error: ChunkmeshError): void {
    this.#error = error.code;
    this.#host.warning(error);
    this.#setState('failed');
    this.#mesh.links.closeAll(CLOSE.done);
  }

  #setState(state: State): void {
    this.#state = state;
    this.#host.changed();
  }

  #shelf(): Shelf {
    const source = this.#seed ?? this.#stored;
    const index: ArtifactIndex | undefined = source?.index;
    return source === null || index === undefined ? null : { source, index };
  }
}

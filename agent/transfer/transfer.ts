import type { ArtifactIndex } from '../../shared/artifact/artifact_index.js';
import type { Bitfield } from '../../shared/artifact/bitfield.js';
import { digestLacks, digestOffers, makeDigest } from '../../shared/artifact/digest.js';
import type { HaveMessage, Rollout, RolloutProgress } from '../../shared/control/messages.js';
import { ChunkmeshError } from '../../shared/errors.js';
import { MAX_HAVE_BYTES, MAX_PEERS_NAMED, MAX_SESSIONS_PER_ARTIFACT } from '../../shared/limits.js';
import { CLOSE, type CloseReason } from '../../shared/wire/frames/close.js';
import type { PeerName } from '../../shared/wire/frames/peers.js';
import type { SeedFile } from '../io/store/seed_file.js';
import type { StoredArtifact } from '../io/store/stored_artifact.js';
import { Announcer, MembersHeard } from '../swarm/announcer.js';
import { MAX_SESSIONS_PER_SEED } from '../swarm/limits.js';
import type { Session } from '../transport/session.js';
import type { SessionEvents } from '../transport/session_types.js';
import { copyFromSeeds } from './copy.js';
import { Fetch, type FetchCounters } from './fetch.js';
import type { MeshPeer, TransferHost } from './host.js';
import { type Link, Links } from './link.js';
import { Serving, type Shelf } from './serving.js';

/** One rollout's artifact on one device: its state, its sessions, and both directions of chunks. */

export interface TransferOptions {
  readonly rollout: Rollout;
  readonly artifact: string;
  /** The group whose trust message named the rollout: the audience (P-5.4). */
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

/** How long after a full disk, say, the finished file is put in place again. */
const FINISH_RETRY_MS = 5_000;

type State = RolloutProgress['state'];

const NO_COUNTERS: FetchCounters = { fromSeed: 0, fromPeers: 0, fromDisk: 0, wasted: 0 };

export class Transfer {
  readonly artifact: string;
  readonly rollout: Rollout;
  readonly group: string;
  readonly announcer: Announcer;
  readonly heard = new MembersHeard();
  readonly #options: TransferOptions;
  readonly #host: TransferHost;
  readonly #links = new Links();
  readonly #banned = new Set<string>();
  readonly #startedAt: number;
  #finishedAt: number | null = null;
  #state: State = 'waiting';
  #error = '';
  #stored: StoredArtifact | null = null;
  #seed: SeedFile | null = null;
  #fetch: Fetch | null = null;
  #finishing = false;
  #finishAgainAt = Number.POSITIVE_INFINITY;
  #stopped = false;

  constructor(options: TransferOptions) {
    this.#options = options;
    this.#host = options.host;
    this.artifact = options.artifact;
    this.rollout = options.rollout;
    this.group = options.group;
    this.#startedAt = this.#host.now();
    this.announcer = new Announcer(this.#startedAt, options.joinWindowMs, () => this.#host.random());
  }

  /** Opens what the device already has. Until it is done the transfer takes no sessions. */
  async start(): Promise<void> {
    const { seeds, isSeed, openStored } = this.#options;
    const whole = seeds.find((seed) => seed.index.artifact === this.artifact);
    if (isSeed && whole !== undefined) {
      this.#seed = whole;
      this.#setState('complete');
      this.#finishedAt = this.#host.now();
      return;
    }
    const stored = await openStored();
    this.#stored = stored;
    this.#fetch = new Fetch(stored, this.rollout, this.#links, this.#host, {
      indexed: () => void this.#onIndexed(),
      changed: (error) => this.#onFetchChanged(error),
      wrongBytes: (link, error) => this.#ban(link, error),
      failed: (error) => this.#fail(error),
    });
    if (stored.index === undefined && whole !== undefined) await stored.installIndex(Buffer.from(whole.index.bytes));
    if (stored.index === undefined) this.#setState('indexing');
    else await this.#onIndexed();
  }

  async stop(reason: CloseReason): Promise<void> {
    this.#stopped = true;
    this.#links.closeAll(reason);
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
    return this.#links.openCount;
  }

  /** Whether chunks are missing and no session could bring them (P-10.1). */
  get lonely(): boolean {
    return !this.#stopped && this.held !== null && !this.complete && this.#state !== 'failed' && this.#links.size === 0;
  }

  /** Sessions that may still be agreed (P-10.3). */
  get room(): number {
    if (this.held === null || this.#stopped || this.#state === 'failed') return 0;
    const most = this.#options.isSeed ? MAX_SESSIONS_PER_SEED : MAX_SESSIONS_PER_ARTIFACT;
    return Math.max(0, most - this.#links.size);
  }

  isBanned(device: string): boolean {
    return this.#banned.has(device);
  }

  /** When the session with the device began, or undefined where there is none. Monotonic ms. */
  sessionSince(device: string): number | undefined {
    return this.#links.get(device)?.since;
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

  /**
   * A session was agreed with the peer. `make` makes it, given who listens.
   * @returns what to call when the session may have room again for what was asked of it.
   */
  connect(peer: MeshPeer, make: (events: SessionEvents) => Session): () => void {
    const old = this.#links.get(peer.device);
    if (old !== undefined) this.#drop(old, CLOSE.superseded);
    const later: { link?: Link } = {};
    const session = make(this.#eventsOf(later));
    const serving = new Serving(
      session,
      () => this.#shelf(),
      () => this.#host.wake(),
    );
    later.link = { peer, session, serving, assemblies: new Map(), since: this.#host.now(), open: false };
    this.#links.add(later.link);
    // Before the path is known here it may be known there, and what the peer then says of its chunks must find it known.
    this.#fetch?.swarm.addPeer(peer.device, peer.seed);
    this.#tellAllHeld(session);
    return () => serving.pump();
  }

  /** Whatever is due. */
  tick(): void {
    this.#fetch?.schedule();
    if (this.#host.now() >= this.#finishAgainAt) void this.#finishIfHeld();
  }

  nextDeadline(now: number): number {
    return Math.min(this.#finishAgainAt, this.#fetch?.nextDeadline(now) ?? Number.POSITIVE_INFINITY);
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

  #eventsOf(later: { link?: Link }): SessionEvents {
    const linked = (act: (link: Link) => void): void => {
      if (later.link !== undefined) act(later.link);
    };
    return {
      onOpen: () => linked((link) => this.#onOpen(link)),
      onRequest: (chunk, offset, length) => linked((link) => link.serving.request(chunk, offset, length)),
      onCancel: (chunk) => linked((link) => link.serving.cancel(chunk)),
      onReject: (chunk, reason) => linked((link) => this.#fetch?.onReject(link, chunk, reason)),
      onData: (chunk, offset, bytes) => linked((link) => this.#fetch?.onData(link, chunk, offset, bytes)),
      onHave: (first, bits) => linked((link) => this.#onHave(link, first, bits)),
      onPeers: (peers) => {
        for (const peer of peers) this.#options.onPeerNamed(peer);
      },
      onClosed: () => linked((link) => this.#onClosed(link)),
    };
  }

  #onOpen(link: Link): void {
    link.open = true;
    const others = [...this.#links.opened()].filter((other) => other !== link).map((other) => other.peer);
    if (others.length > 0) link.session.peers(others.slice(0, MAX_PEERS_NAMED));
    this.#fetch?.schedule();
    this.#host.changed();
    this.#host.wake();
  }

  #tellAllHeld(session: Session): void {
    const { held } = this;
    if (held === null || held.count === 0) return;
    const bits = held.toBytes();
    for (let at = 0; at < bits.length; at += MAX_HAVE_BYTES) {
      session.have(at * 8, bits.subarray(at, at + MAX_HAVE_BYTES));
    }
  }

  #onHave(link: Link, first: number, bits: Uint8Array): void {
    if (this.#fetch === null) return;
    this.#fetch.swarm.onHave(link.peer.device, first, bits);
    if (this.complete) this.#closeIfUseless(link);
    else this.#fetch.schedule();
  }

  /** Two devices that both hold everything make room for others. */
  #closeIfUseless(link: Link): void {
    if (this.#fetch?.swarm.peers.get(link.peer.device)?.have.isFull) this.#drop(link, CLOSE.done);
  }

  #onClosed(link: Link): void {
    if (this.#links.remove(link)) this.#fetch?.gone(link);
    if (this.#stopped) return;
    if (this.lonely) this.announcer.restart(this.#host.now());
    this.#fetch?.schedule();
    this.#host.changed();
    this.#host.wake();
  }

  #drop(link: Link, reason: CloseReason): void {
    if (this.#links.remove(link)) this.#fetch?.gone(link);
    link.session.close(reason);
    this.#host.wake();
  }

  /** P-10.4 */
  #ban(link: Link, error: ChunkmeshError): void {
    this.#banned.add(link.peer.device);
    this.#host.warning(error);
    this.#drop(link, CLOSE.wrongBytes);
    if (this.lonely) this.announcer.restart(this.#host.now());
  }

  async #onIndexed(): Promise<void> {
    const stored = this.#stored;
    const fetch = this.#fetch;
    if (stored?.index === undefined || fetch === null) return;
    this.#setState('fetching');
    await copyFromSeeds(stored, stored.index, this.#options.seeds, (chunk, bytes) => {
      fetch.counters.fromDisk += bytes;
      fetch.tellHeld(chunk);
    }).catch((error: unknown) => this.#host.logger.warn({ error }, 'copying from seed files stopped'));
    await this.#finishIfHeld();
    fetch.begin();
  }

  #onFetchChanged(error: ChunkmeshError | null): void {
    if (error !== null) {
      if (this.#error !== error.code) this.#host.warning(error);
      this.#error = error.code;
      this.#setState('blocked');
      return;
    }
    if (this.#state === 'blocked') {
      this.#error = '';
      this.#setState('fetching');
    }
    this.#host.changed();
    void this.#finishIfHeld();
  }

  async #finishIfHeld(): Promise<void> {
    const stored = this.#stored;
    if (stored === null || !stored.held.isFull || this.#finishing || this.complete || this.#stopped) return;
    this.#finishing = true;
    this.#finishAgainAt = Number.POSITIVE_INFINITY;
    try {
      const path = await stored.finish();
      this.#finishedAt = this.#host.now();
      this.#error = '';
      this.#setState('complete');
      const { name, version, size } = this.rollout;
      this.#host.completed({ name, version, artifact: this.artifact, path, size });
      for (const link of [...this.#links.opened()]) this.#closeIfUseless(link);
    } catch (error) {
      this.#onFinishFailed(error);
    } finally {
      this.#finishing = false;
    }
  }

  #onFinishFailed(error: unknown): void {
    const known =
      error instanceof ChunkmeshError ? error : new ChunkmeshError('E_STORE_IO', 'finish', { cause: error });
    if (!known.retryable) {
      this.#fail(known);
      return;
    }
    this.#finishAgainAt = this.#host.now() + FINISH_RETRY_MS;
    this.#onFetchChanged(known);
  }

  #fail(error: ChunkmeshError): void {
    this.#error = error.code;
    this.#host.warning(error);
    this.#setState('failed');
    this.#links.closeAll(CLOSE.done);
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

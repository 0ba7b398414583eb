import type { ArtifactIndex } from '../../shared/artifact/artifact_index.js';
import type { Bitfield } from '../../shared/artifact/bitfield.js';
import type { Rollout, RolloutProgress } from '../../shared/control/messages.js';
import { ChunkmeshError } from '../../shared/errors.js';
import type { ChunkSource, RecheckedSource } from '../io/store/chunk_source.js';
import type { SeedFile } from '../io/store/seed_file.js';
import type { StoredArtifact } from '../io/store/stored_artifact.js';
import type { Contender } from '../swarm/precedence.js';
import { Attempt } from './attempt.js';
import { copyFromDisk } from './copy.js';
import { Fetch } from './fetch.js';
import { HandOvers, type NamedRollouts } from './hand_overs.js';
import type { TransferHost } from './host.js';
import type { Link, Links } from './link.js';
import type { Shelf } from './serving.js';

/** What one device holds of an artifact, on its way to all of it, and the files that it hands over then. */

export interface HoldingOptions {
  readonly artifact: string;
  readonly rollouts: NamedRollouts;
  readonly host: TransferHost;
  /** The device's role is `seed`. */
  readonly isSeed: boolean;
  /** Files of the device's own that may be the artifact as it is. */
  readonly seeds: readonly SeedFile[];
  /** Whatever the device has that may share chunks with the artifact, its seeds among it. */
  readonly ownFiles: (name: string) => AsyncIterable<ChunkSource>;
  readonly openStored: (rollout: Rollout) => Promise<StoredArtifact>;
  /** How many devices the swarm has, this one among them, as far as they were heard of. */
  readonly devices: () => number;
  /** Bytes that may be asked for at a time (P-10.10). Default no limit. */
  readonly allowance?: () => number;
}

export interface HoldingEvents {
  /** A first chunk is held, and no session brought it. */
  gained(): void;
  /** Every rollout has its file. */
  complete(): void;
  /** A chunk that was held is not any more, though the artifact was handed over. */
  lost(): void;
  /** No retry will help. */
  failed(): void;
  /** P-10.4 */
  wrongBytes(link: Link, error: ChunkmeshError): void;
}

type State = RolloutProgress['state'];

export class Holding {
  readonly #options: HoldingOptions;
  readonly #host: TransferHost;
  readonly #links: Links;
  readonly #events: HoldingEvents;
  readonly #handOvers = new HandOvers();
  readonly #opening: Attempt;
  readonly #settling: Attempt;
  /** One of those that name the artifact: they agree on what it is, and this one says how it is announced. */
  #rollout: Rollout;
  #state: State = 'waiting';
  #error = '';
  #stored: StoredArtifact | null = null;
  #seed: SeedFile | null = null;
  #fetch: Fetch | null = null;
  /** What the device's own files hold has been taken. */
  #copied = false;
  #paused = false;
  #stopped = false;

  constructor(options: HoldingOptions, links: Links, events: HoldingEvents) {
    this.#options = options;
    this.#host = options.host;
    this.#links = links;
    this.#events = events;
    this.#rollout = options.rollouts[0].rollout;
    this.#handOvers.follow(options.rollouts, this.#host.now(), false);
    const now = (): number => this.#host.now();
    const refused = (error: ChunkmeshError): void => this.#onRefused(error);
    this.#opening = new Attempt(() => this.#open(), now, refused);
    this.#settling = new Attempt(() => this.#settle(), now, refused);
  }

  /** Opens what the store has of it. What is taken from other files, and handed over, comes after. */
  start(): Promise<void> {
    return this.#opening.run();
  }

  /** Waits for what is being written or opened. @throws E_STORE_IO, E_DISK_FULL: what was written last may be lost */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all([this.#opening.stop(), this.#settling.stop()]);
    await this.#fetch?.stop();
    await this.#stored?.close();
  }

  /** As Transfer.follow. */
  follow(rollouts: NamedRollouts): void {
    const now = this.#host.now();
    this.#rollout = rollouts[0].rollout;
    this.#handOvers.follow(rollouts, now, this.held?.isFull ?? false);
    if (this.#seed !== null) {
      this.#handOvers.allDone(now);
    } else if (this.complete && this.#handOvers.next !== undefined) {
      this.#setState('fetching');
      void this.#settling.run();
    }
    // Its URLs may be others.
    this.#fetch?.schedule();
    this.#host.changed();
  }

  /** Outside of a device's hours: nothing is asked of HTTP servers. Sessions are for the caller to close. */
  pause(paused: boolean): void {
    this.#paused = paused;
    this.#fetch?.http.pause(paused);
  }

  get rollout(): Rollout {
    return this.#rollout;
  }

  get urgent(): boolean {
    return this.#handOvers.urgent;
  }

  /** P-10.10 */
  get contender(): Contender {
    const { rank } = this.#handOvers;
    return this.#fetch?.contender(rank) ?? { rank, wants: false, received: 0, outstanding: 0 };
  }

  get complete(): boolean {
    return this.#state === 'complete';
  }

  get failed(): boolean {
    return this.#state === 'failed';
  }

  /** Null until it is open. */
  get held(): Bitfield | null {
    return this.#seed?.held ?? this.#stored?.held ?? null;
  }

  get fetch(): Fetch | null {
    return this.#fetch;
  }

  /** Null until its index is known. */
  get source(): RecheckedSource | null {
    const source = this.#seed ?? this.#stored;
    return source?.index === undefined ? null : source;
  }

  get shelf(): Shelf {
    const { source } = this;
    const index: ArtifactIndex | undefined = source?.index;
    return source === null || index === undefined ? null : { source, index };
  }

  /** P-5.4 */
  isAudience(groups: readonly string[]): boolean {
    return this.#handOvers.isAudience(groups);
  }

  /** Whatever is due. */
  tick(): void {
    if (this.#isRotten) this.#onRotten();
    this.#fetch?.schedule();
    void this.#opening.tick();
    void this.#settling.tick();
  }

  /** When `tick` is due; it may be past. Monotonic ms. */
  nextDeadline(): number {
    if (this.#isRotten) return 0;
    const fetching = this.#fetch?.nextDeadline() ?? Number.POSITIVE_INFINITY;
    return Math.min(fetching, this.#opening.deadline, this.#settling.deadline);
  }

  /** A row for each rollout that names the artifact. */
  progress(): RolloutProgress[] {
    const counters = this.#fetch?.counters ?? null;
    const shared = { state: this.#state, held: this.held?.count ?? 0, error: this.#error || this.#trouble, counters };
    return this.#handOvers.progress(shared, this.#host.now());
  }

  /** Why nothing comes over HTTP, where nothing else comes either. */
  get #trouble(): string {
    const fetch = this.#fetch;
    const waits = this.#state === 'indexing' || this.#state === 'fetching';
    return fetch === null || !waits || fetch.isFed ? '' : fetch.http.trouble;
  }

  async #open(): Promise<void> {
    const { artifact, seeds, isSeed, openStored } = this.#options;
    const whole = seeds.find((seed) => seed.index.artifact === artifact);
    if (isSeed && whole !== undefined) {
      this.#seed = whole;
      this.#handOvers.allDone(this.#host.now());
      this.#setState('complete');
      return;
    }
    const stored = this.#stored ?? (await openStored(this.#rollout));
    this.#stored = stored;
    if (this.#stopped) return;
    this.#fetch ??= this.#makeFetch(stored);
    this.#setState('indexing');
    if (stored.index === undefined && whole !== undefined) await stored.installIndex(whole.index.bytes);
    if (stored.index !== undefined) this.#onIndexed();
  }

  #makeFetch(stored: StoredArtifact): Fetch {
    const surroundings = {
      urls: () => this.#handOvers.urls,
      devices: this.#options.devices,
      gained: () => this.#events.gained(),
      allowance: this.#options.allowance ?? (() => Number.POSITIVE_INFINITY),
    };
    const fetch = new Fetch(stored, this.#rollout, this.#links, this.#host, surroundings, {
      indexed: () => this.#onIndexed(),
      changed: (error) => this.#onFetchChanged(error),
      wrongBytes: (link, error) => this.#events.wrongBytes(link, error),
      failed: (error) => this.#fail(error),
    });
    fetch.http.pause(this.#paused);
    return fetch;
  }

  /** Waits for nothing: the rollouts after this one are to begin meanwhile. */
  #onIndexed(): void {
    // What kept the index from being installed is over; should it come again, it is told again.
    this.#error = '';
    this.#setState('fetching');
    void this.#settling.run();
  }

  /** Mends a store that failed, takes what the device's own files hold, and hands over what is complete. */
  async #settle(): Promise<void> {
    const [stored, fetch] = [this.#stored, this.#fetch];
    if (stored?.index === undefined || fetch === null || this.failed) return;
    if (stored.isBroken) await this.#mend(stored, fetch);
    if (!this.#copied) {
      await this.#copy(stored, stored.index, fetch);
      this.#unblock();
    }
    fetch.begin();
    if (!stored.held.isFull) return;
    try {
      await this.#handOver(stored);
    } finally {
      // What rotted is looked for in the own files again.
      this.#copied &&= stored.held.isFull;
    }
  }

  async #mend(stored: StoredArtifact, fetch: Fetch): Promise<void> {
    fetch.pause();
    const lost = await stored.reopen();
    fetch.counters.wasted += lost;
    this.#copied &&= lost === 0;
    this.#error = '';
    this.#setState('fetching');
  }

  async #copy(stored: StoredArtifact, index: ArtifactIndex, fetch: Fetch): Promise<void> {
    const host = {
      copied: (chunk: number, bytes: number): void => {
        fetch.counters.fromDisk += bytes;
        fetch.tellHeld(chunk);
      },
      stopped: () => this.#stopped,
    };
    try {
      await copyFromDisk(stored, index, this.#options.ownFiles(this.#rollout.name), host);
    } catch (error) {
      // Copied on when there is room again: what the device has would else come over the network.
      if (stored.isBroken || (error instanceof ChunkmeshError && error.code === 'E_DISK_FULL')) throw error;
      this.#host.logger.warn({ error }, 'copying from files of the device stopped');
    }
    this.#copied = true;
  }

  /** Each rollout gets its file, also those that come to name the artifact meanwhile. */
  async #handOver(stored: StoredArtifact): Promise<void> {
    for (let next = this.#handOvers.next; next !== undefined; next = this.#handOvers.next) {
      if (this.#stopped || !stored.held.isFull) return;
      const path = await stored.finish(next);
      if (!this.#handOvers.done(next, this.#host.now())) continue;
      const { name, version, size } = next;
      this.#host.completed({ name, version, artifact: this.#options.artifact, path, size });
    }
    if (this.complete) return;
    this.#error = '';
    this.#setState('complete');
    this.#events.complete();
  }

  #onFetchChanged(error: ChunkmeshError | null): void {
    if (error !== null) {
      this.#onRefused(error);
      if (!this.#stored?.isBroken) return;
      this.#fetch?.pause();
      this.#settling.later();
      return;
    }
    this.#unblock();
    this.#host.changed();
    if (this.held?.isFull) void this.#settling.run();
  }

  /** Whether a chunk was lost after the artifact was handed over (P-9.8). */
  get #isRotten(): boolean {
    return !this.failed && this.#handOvers.begun && this.#stored !== null && !this.#stored.held.isFull;
  }

  #onRotten(): void {
    const what = `${this.#options.artifact}: what was handed over is no longer what it was`;
    this.#host.warning(new ChunkmeshError('E_STORE_ROT', what));
    this.#handOvers.undo(this.#host.now());
    this.#copied = false;
    this.#error = '';
    this.#setState('fetching');
    this.#events.lost();
    void this.#settling.run();
  }

  /** What may work later blocks the transfer, told once; what may not ends it. */
  #onRefused(error: ChunkmeshError): void {
    if (this.failed) return;
    if (!error.retryable) {
      this.#fail(error);
      return;
    }
    if (this.#error !== error.code) this.#host.warning(error);
    this.#error = error.code;
    this.#setState('blocked');
  }

  #unblock(): void {
    if (this.#state !== 'blocked') return;
    this.#error = '';
    this.#setState('fetching');
  }

  #fail(error: ChunkmeshError): void {
    this.#error = error.code;
    this.#host.warning(error);
    this.#setState('failed');
    this.#events.failed();
  }

  #setState(state: State): void {
    this.#state = state;
    this.#host.changed();
  }
}

import type { Bitfield } from '../../shared/artifact/bitfield.js';
import type { Rollout, RolloutProgress } from '../../shared/control/messages.js';
import { ChunkmeshError } from '../../shared/errors.js';
import type { Asker } from '../../shared/trust/audience.js';
import type { ChunkSource, RecheckedSource } from '../io/store/chunk_source.js';
import type { StoredArtifact } from '../io/store/stored_artifact.js';
import type { Contender } from '../swarm/precedence.js';
import { Attempt } from './attempt.js';
import { Condition, waitsForPeers } from './condition.js';
import { Copying } from './copying.js';
import { Fetch } from './fetch.js';
import { HandOvers, type NamedRollouts } from './hand_overs.js';
import type { SentWrong, TransferHost } from './host.js';
import type { Link, Links } from './link.js';
import { Opened, type OpenedOptions } from './opened.js';
import type { Shelf } from './serving.js';
import type { Stock } from './settling.js';

/** What one device holds of an artifact, on its way to all of it, and the files that it hands over then. */

export interface HoldingOptions extends OpenedOptions {
  readonly rollouts: NamedRollouts;
  /** Whatever the device has that may share chunks with the artifact, its seeds among it. */
  readonly ownFiles: (name: string) => AsyncIterable<ChunkSource>;
  /** How many devices the swarm has, this one among them, as far as they were heard of. */
  readonly devices: () => number;
  /** Bytes that may be asked for at a time (P-10.12). Default no limit. */
  readonly allowance?: () => number;
}

export interface HoldingEvents {
  /** A first chunk is held, and no session brought it. */
  gained(): void;
  /** Every rollout has its file. */
  complete(): void;
  /** A chunk that was held is not any more, though the artifact was handed over. */
  lost(): void;
  /** P-10.10: its index is there; then what the device's files share of it is known. */
  heldBack(known: boolean): void;
  /** It was held back, and the store has opened it now. */
  released(): void;
  /** No retry will help. */
  failed(): void;
  /** As FetchEvents. */
  wrongBytes(link: Link, wrong: SentWrong, bytes: Uint8Array): void;
}

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
  readonly #condition: Condition;
  readonly #opened: Opened;
  /** Whether its owner held it back as of the last look. */
  #wasCovered: boolean;
  readonly #copying: Copying;
  #paused = false;
  #stopped = false;

  constructor(options: HoldingOptions, links: Links, events: HoldingEvents) {
    this.#options = options;
    this.#host = options.host;
    this.#links = links;
    this.#events = events;
    this.#rollout = options.rollouts[0].rollout;
    this.#condition = new Condition(options.host);
    this.#handOvers.follow(options.rollouts, this.#host.now(), false);
    this.#wasCovered = this.#isCovered;
    this.#opened = new Opened(options, links, {
      rollout: () => this.#rollout,
      isHeldBack: () => this.isHeldBack,
      isStopped: () => this.#stopped,
      makeFetch: (stock, indexed) => this.#makeFetch(stock, indexed),
      indexed: () => this.#onIndexed(),
      heldBack: (known) => events.heldBack(known),
      released: () => events.released(),
    });
    this.#copying = new Copying({
      logger: options.host.logger,
      files: () => options.ownFiles(this.#rollout.name),
      ended: () => this.#stopped || this.isHeldBack,
    });
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
    await this.#opened.close();
  }

  /** As Transfer.follow. */
  follow(rollouts: NamedRollouts): void {
    const now = this.#host.now();
    this.#rollout = rollouts[0].rollout;
    this.#handOvers.follow(rollouts, now, this.held?.isFull ?? false);
    if (this.#opened.seed !== null) {
      this.#handOvers.allDone(now);
    } else if (this.complete && this.#handOvers.next !== undefined) {
      this.#condition.set('fetching');
      void this.#settling.run();
    }
    // Its URLs may be others.
    this.fetch?.schedule();
    this.#host.changed();
  }

  /** What the owner holds back may be another, or the rollouts that name it. @returns whether that makes a difference */
  onHold(): boolean {
    if (this.#isCovered === this.#wasCovered) return false;
    this.#wasCovered = this.#isCovered;
    if (this.complete || this.failed) return false;
    void (this.#opened.stored?.index === undefined ? this.#opening : this.#settling).run();
    this.#host.changed();
    return true;
  }

  /** Outside of a device's hours: nothing is asked of HTTP servers. Sessions are for the caller to close. */
  pause(paused: boolean): void {
    this.#paused = paused;
    this.fetch?.http.pause(paused);
  }

  get rollout(): Rollout {
    return this.#rollout;
  }

  get urgent(): boolean {
    return this.#handOvers.urgent;
  }

  /** P-10.13 */
  get emergency(): boolean {
    return this.#handOvers.emergency;
  }

  /** P-10.12 */
  get contender(): Contender {
    const { rank } = this.#handOvers;
    return this.fetch?.contender(rank) ?? { rank, wants: false, received: 0, outstanding: 0 };
  }

  get complete(): boolean {
    return this.#condition.state === 'complete';
  }

  get failed(): boolean {
    return this.#condition.state === 'failed';
  }

  /** P-10.10: its owner holds it back. */
  get isHeldBack(): boolean {
    return this.#isCovered && !this.complete && !this.failed;
  }

  /** No more is asked for than its index: it is held back, or was, and the store has no room for it yet. */
  get holdsBack(): boolean {
    return this.isHeldBack || (this.#opened.isHeldBack && !this.failed);
  }

  /** Nothing is asked for, and what it can give is known. */
  get onlyGives(): boolean {
    return this.complete || (this.holdsBack && this.#opened.isKnown);
  }

  /** Null until it is open. */
  get held(): Bitfield | null {
    return this.#opened.held;
  }

  get fetch(): Fetch | null {
    return this.#opened.fetch;
  }

  /** Null until its index is known. */
  get source(): RecheckedSource | null {
    return this.#opened.source;
  }

  get shelf(): Shelf {
    return this.#opened.shelf;
  }

  /** P-5.4 */
  isAudience(peer: Asker): boolean {
    return this.#handOvers.isAudience(peer);
  }

  /** Whatever is due. */
  tick(): void {
    if (this.#isRotten) this.#onRotten();
    this.fetch?.schedule();
    void this.#opening.tick();
    void this.#settling.tick();
  }

  /** When `tick` is due; it may be past. Monotonic ms. */
  nextDeadline(): number {
    if (this.#isRotten) return 0;
    const fetching = this.fetch?.nextDeadline() ?? Number.POSITIVE_INFINITY;
    return Math.min(fetching, this.#opening.deadline, this.#settling.deadline);
  }

  /** A row for each rollout that names the artifact. */
  progress(): RolloutProgress[] {
    const counters = this.fetch?.counters ?? null;
    const { state, error } = this.#condition;
    const shared = { state, held: this.held?.count ?? 0, error: error || this.#trouble, counters };
    const rows = this.#handOvers.progress(shared, this.#host.now());
    if (!this.isHeldBack) return rows;
    return rows.map((row) => (waitsForPeers(row) ? { ...row, state: 'paused', hold: true } : row));
  }

  /** Why nothing comes over HTTP, where nothing else comes either. */
  get #trouble(): string {
    const { fetch } = this;
    return fetch === null || !this.#condition.waitsForPeers || fetch.isFed ? '' : fetch.http.trouble;
  }

  /** P-10.13: an emergency is held back by nobody. */
  get #isCovered(): boolean {
    return !this.emergency && this.#handOvers.areAll((name) => this.#options.hold.covers(name));
  }

  async #open(): Promise<void> {
    if (this.complete) return;
    await this.#opened.open();
    if (this.#stopped) return;
    const { seed, stored } = this.#opened;
    if (seed !== null) {
      this.#handOvers.allDone(this.#host.now());
      this.#condition.set('complete');
    } else if (stored?.index !== undefined) {
      this.#onIndexed();
    } else {
      this.#condition.set('indexing');
    }
  }

  #makeFetch(stock: Stock, indexed: () => void): Fetch {
    const surroundings = {
      urls: () => this.#handOvers.urls,
      devices: this.#options.devices,
      gained: () => this.#events.gained(),
      allowance: this.#options.allowance ?? (() => Number.POSITIVE_INFINITY),
      emergency: () => this.emergency,
    };
    const fetch = new Fetch(stock, this.#rollout, this.#links, this.#host, surroundings, {
      indexed,
      changed: (error) => this.#onFetchChanged(error),
      wrongBytes: (link, wrong, bytes) => this.#events.wrongBytes(link, wrong, bytes),
      failed: (error) => this.#fail(error),
    });
    fetch.http.pause(this.#paused);
    return fetch;
  }

  /** Waits for nothing: the rollouts after this one are to begin meanwhile. */
  #onIndexed(): void {
    this.#condition.set('fetching');
    void this.#settling.run();
  }

  /** Mends a store that failed, takes what the device's own files hold, and hands over what is complete. */
  async #settle(): Promise<void> {
    const { stored, fetch } = this.#opened;
    if (stored?.index === undefined || fetch === null || this.failed) return;
    if (this.isHeldBack && !stored.held.isFull) return fetch.pause();
    if (stored.isBroken) await this.#mend(stored, fetch);
    if (!this.#copying.isDone) {
      await this.#copying.run(stored, stored.index, fetch);
      this.#condition.unblock();
    }
    // It may be so by now.
    if (this.isHeldBack && !stored.held.isFull) return fetch.pause();
    fetch.begin();
    if (!stored.held.isFull) return;
    try {
      await this.#handOver(stored);
    } finally {
      // What rotted is looked for in the own files again.
      if (!stored.held.isFull) this.#copying.again();
    }
  }

  async #mend(stored: StoredArtifact, fetch: Fetch): Promise<void> {
    fetch.pause();
    const lost = await stored.reopen();
    fetch.counters.wasted += lost;
    if (lost > 0) this.#copying.again();
    this.#condition.set('fetching');
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
    this.#condition.set('complete');
    this.#events.complete();
  }

  #onFetchChanged(error: ChunkmeshError | null): void {
    if (error !== null) {
      this.#onRefused(error);
      if (!this.#opened.stored?.isBroken) return;
      this.fetch?.pause();
      this.#settling.later();
      return;
    }
    this.#condition.unblock();
    this.#host.changed();
    if (this.held?.isFull) void this.#settling.run();
  }

  /** Whether a chunk was lost after the artifact was handed over (P-9.8). */
  get #isRotten(): boolean {
    const { stored } = this.#opened;
    return !this.failed && this.#handOvers.begun && stored !== null && !stored.held.isFull;
  }

  #onRotten(): void {
    const what = `${this.#options.artifact}: what was handed over is no longer what it was`;
    this.#host.warning(new ChunkmeshError('E_STORE_ROT', what));
    this.#handOvers.undo(this.#host.now());
    this.#copying.again();
    this.#condition.set('fetching');
    this.#events.lost();
    void this.#settling.run();
  }

  /** What may work later blocks the transfer, told once; what may not ends it. */
  #onRefused(error: ChunkmeshError): void {
    if (this.failed) return;
    if (error.retryable) this.#condition.block(error);
    else this.#fail(error);
  }

  #fail(error: ChunkmeshError): void {
    this.#condition.fail(error);
    this.#events.failed();
  }
}

import type { ArtifactIndex } from '../../shared/artifact/artifact_index.js';
import type { Bitfield } from '../../shared/artifact/bitfield.js';
import type { Rollout } from '../../shared/control/messages.js';
import { CLOSE } from '../../shared/wire/frames/close.js';
import type { RecheckedSource } from '../io/store/chunk_source.js';
import type { SeedFile } from '../io/store/seed_file.js';
import type { StoredArtifact } from '../io/store/stored_artifact.js';
import type { Fetch } from './fetch.js';
import { HeldBack, type HoldOptions } from './held_back.js';
import type { TransferHost } from './host.js';
import type { Links } from './link.js';
import type { Shelf } from './serving.js';
import type { Stock } from './settling.js';

/**
 * What is open of an artifact, one of three: a seed's own file that is the artifact as it is; the artifact in the store, and what fetches it;
 * or, where it is held back, what other files share with it.
 */

export interface OpenedOptions {
  readonly artifact: string;
  readonly host: TransferHost;
  /** The device's role is `seed`. */
  readonly isSeed: boolean;
  /** Files of the device's own that may be the artifact as it is. */
  readonly seeds: readonly SeedFile[];
  readonly openStored: (rollout: Rollout) => Promise<StoredArtifact>;
  readonly hold: HoldOptions;
}

export interface OpenedOwner {
  rollout(): Rollout;
  /** P-10.10 */
  isHeldBack(): boolean;
  isStopped(): boolean;
  makeFetch(stock: Stock, indexed: () => void): Fetch;
  /** The store has the index. */
  indexed(): void;
  /** As HoldingEvents. */
  heldBack(known: boolean): void;
  released(): void;
}

export class Opened {
  readonly #options: OpenedOptions;
  readonly #links: Links;
  readonly #owner: OpenedOwner;
  #seed: SeedFile | null = null;
  #stored: StoredArtifact | null = null;
  #fetch: Fetch | null = null;
  #heldBack: HeldBack | null = null;
  /** Where it need not be fetched. */
  #index: ArtifactIndex | undefined;

  constructor(options: OpenedOptions, links: Links, owner: OpenedOwner) {
    this.#options = options;
    this.#links = links;
    this.#owner = owner;
  }

  get seed(): SeedFile | null {
    return this.#seed;
  }

  get stored(): StoredArtifact | null {
    return this.#stored;
  }

  get fetch(): Fetch | null {
    return this.#heldBack?.fetch ?? this.#fetch;
  }

  /** Null until it is open. */
  get held(): Bitfield | null {
    return this.#seed?.held ?? this.#heldBack?.chunks.held ?? this.#stored?.held ?? null;
  }

  /** Null until its index is known, and where it lies in other files. */
  get source(): RecheckedSource | null {
    const source = this.#seed ?? this.#stored;
    return source?.index === undefined ? null : source;
  }

  get shelf(): Shelf {
    const source = this.#heldBack?.chunks ?? this.source;
    const index: ArtifactIndex | undefined = source?.index;
    return source === null || index === undefined ? null : { source, index };
  }

  /** Whether what other files share is open: also once the hold is lifted, until the store has opened the artifact. */
  get isHeldBack(): boolean {
    return this.#heldBack !== null;
  }

  /** Whether all is known of what it can give while nothing is fetched. */
  get isKnown(): boolean {
    return this.#heldBack?.isKnown ?? this.#stored?.index !== undefined;
  }

  /**
   * Opens what is to be open, as things are; again where they are not what they were.
   * @throws as `openStored`, as StoredArtifact.installIndex; what was open still is
   */
  async open(): Promise<void> {
    const { artifact, seeds, isSeed, openStored, hold } = this.#options;
    const rollout = this.#owner.rollout();
    const whole = seeds.find((seed) => seed.index.artifact === artifact);
    this.#index ??= whole?.index;
    if (isSeed && whole !== undefined) {
      this.#seed = whole;
      return;
    }
    if (this.#owner.isHeldBack() && this.#stored?.index === undefined) {
      await this.#closeStored();
      if (this.#heldBack !== null || !(await hold.isSetAside(rollout))) return this.#holdBack();
    }
    const stored = this.#stored ?? (await openStored(rollout));
    this.#stored = stored;
    if (this.#owner.isStopped()) return;
    this.#fetch ??= this.#owner.makeFetch(stored, () => this.#owner.indexed());
    await this.#endHeldBack();
    if (stored.index === undefined && this.#index !== undefined) await stored.installIndex(this.#index.bytes);
  }

  /** Waits for what is being written or read. @throws E_STORE_IO, E_DISK_FULL: what was written last may be lost */
  async close(): Promise<void> {
    await this.#heldBack?.stop();
    await this.#closeStored();
  }

  async #holdBack(): Promise<void> {
    if (this.#heldBack !== null || this.#owner.isStopped()) return;
    const { artifact, host, hold } = this.#options;
    this.#heldBack = new HeldBack({
      ...{ artifact, rollout: this.#owner.rollout(), host, hold },
      makeFetch: (stock, indexed) => this.#owner.makeFetch(stock, indexed),
      indexed: () => this.#owner.heldBack(false),
      known: () => this.#owner.heldBack(true),
    });
    if (this.#index !== undefined) await this.#heldBack.installIndex(this.#index.bytes);
  }

  async #endHeldBack(): Promise<void> {
    const heldBack = this.#heldBack;
    if (heldBack === null) return;
    this.#heldBack = null;
    // What peers told of their chunks, they told what is gone.
    this.#links.closeAll(CLOSE.noRoom);
    await heldBack.stop();
    this.#index ??= heldBack.chunks.index;
    this.#owner.released();
  }

  async #closeStored(): Promise<void> {
    const [stored, fetch] = [this.#stored, this.#fetch];
    if (stored === null) return;
    // Without it there is no room for sessions, which what comes next would know nothing of.
    [this.#stored, this.#fetch] = [null, null];
    this.#links.closeAll(CLOSE.noRoom);
    await fetch?.stop();
    await stored.close();
  }
}

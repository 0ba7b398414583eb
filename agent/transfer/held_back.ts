import { setImmediate as turn } from 'node:timers/promises';
import type { Rollout } from '../../shared/control/messages.js';
import type { ChunkSource } from '../io/store/chunk_source.js';
import { findOnDisk } from './copy.js';
import type { Fetch } from './fetch.js';
import type { TransferHost } from './host.js';
import type { Stock } from './settling.js';
import { SharedChunks } from './shared_chunks.js';

/**
 * An artifact that the device's owner holds back (P-10.10): its index is fetched and nothing else, nothing is written, and peers are given what
 * other files of the device share with it.
 */

/** What may be held back, and what is looked into then. */
export interface HoldOptions {
  /** Whether the owner holds rollouts of that name back, as of now. */
  covers(name: string): boolean;
  /** Whether the store has begun with the artifact, so that to open it takes no more of the disk. */
  isSetAside(rollout: Rollout): Promise<boolean>;
  /** Whatever the device has that may share chunks with the artifact, to be read for as long as the agent runs. */
  files(name: string): AsyncIterable<ChunkSource>;
}

export interface HeldBackOptions {
  readonly artifact: string;
  readonly rollout: Rollout;
  readonly host: TransferHost;
  readonly hold: HoldOptions;
  /** What asks for the index. */
  makeFetch(stock: Stock, indexed: () => void): Fetch;
  /** The index is there: of chunks, none will be asked for. */
  indexed(): void;
  /** What the device's files share is known. */
  known(): void;
}

export class HeldBack {
  readonly chunks: SharedChunks;
  readonly fetch: Fetch;
  readonly #options: HeldBackOptions;
  #looking: Promise<void> | undefined;
  #isKnown = false;
  #stopped = false;

  constructor(options: HeldBackOptions) {
    const { artifact, rollout, host, makeFetch } = options;
    const { size, chunks } = rollout;
    this.#options = options;
    this.chunks = new SharedChunks({ artifact, size, chunks }, () => host.changed());
    this.fetch = makeFetch(this.chunks, () => this.#onIndexed());
  }

  /** Whether all that the device's files share was found. */
  get isKnown(): boolean {
    return this.#isKnown;
  }

  /** It need not be asked for. @throws ChunkmeshError E_INDEX_INVALID */
  async installIndex(bytes: Uint8Array): Promise<void> {
    await this.chunks.installIndex(bytes);
    this.#onIndexed();
  }

  /** Waits for what is being read. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.fetch.stop();
    await this.#looking;
  }

  #onIndexed(): void {
    this.#options.indexed();
    this.#looking ??= this.#look().finally(() => {
      this.#isKnown = true;
      if (!this.#stopped) this.#options.known();
    });
  }

  /** P-9.8: each chunk is read and verified before others are told of it. */
  async #look(): Promise<void> {
    const { hold, host, rollout } = this.#options;
    const { index, held } = this.chunks;
    if (index === undefined) return;
    try {
      await findOnDisk(index, hold.files(rollout.name), {
        held,
        stopped: () => this.#stopped,
        found: async (chunk, _bytes, place) => {
          this.chunks.add(chunk, place);
          this.fetch.tellHeld(chunk);
          // What is in memory would else be hashed to its end before anything else has its turn.
          await turn();
        },
      });
    } catch (error) {
      host.logger.warn({ error }, 'looking into files of the device stopped');
    }
  }
}

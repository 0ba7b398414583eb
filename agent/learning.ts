import type { ChunkmeshError } from '../shared/errors.js';
import { asError } from '../shared/errors.js';
import { readPeers, writePeers } from './io/store/peers_file.js';
import type { Store } from './io/store/store.js';
import { type Lesson, PeerBook } from './swarm/peer_book.js';

/** What an agent learns of its peers, from one rollout to the next and over restarts. */

/** A crash costs what was learned in so long, and flash is written no more often. */
const SAVE_MS = 300_000;

export class Learning {
  readonly #store: Store;
  readonly #book: PeerBook;
  readonly #warn: (error: ChunkmeshError) => void;
  #saveAt = Number.POSITIVE_INFINITY;

  private constructor(store: Store, book: PeerBook, warn: (error: ChunkmeshError) => void) {
    this.#store = store;
    this.#book = book;
    this.#warn = warn;
  }

  /** @param warn is told where what was learned before is lost. */
  static async open(store: Store, warn: (error: ChunkmeshError) => void): Promise<Learning> {
    const { peers, warning } = await readPeers(store);
    if (warning !== null) warn(warning);
    return new Learning(store, new PeerBook(peers), warn);
  }

  /** @param now monotonic ms; @param at seconds since the epoch */
  learned(device: string, lesson: Lesson, now: number, at: number): void {
    this.#book.learn(device, lesson, at);
    this.#saveAt = Math.min(this.#saveAt, now + SAVE_MS);
  }

  /** As PeerBook has it. */
  worth(device: string, at: number): number {
    return this.#book.worth(device, at);
  }

  /** @param now monotonic ms */
  tick(now: number): void {
    if (now >= this.#saveAt) void this.save();
  }

  /** Never throws: what could not be written is learned again. */
  async save(): Promise<void> {
    this.#saveAt = Number.POSITIVE_INFINITY;
    if (this.#book.changes === 0) return;
    await writePeers(this.#store, this.#book.taken()).catch((error: unknown) => this.#warn(asError(error, 'peers')));
  }
}

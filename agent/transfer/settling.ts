import { createHash } from 'node:crypto';
import type { ArtifactIndex } from '../../shared/artifact/artifact_index.js';
import type { Bitfield } from '../../shared/artifact/bitfield.js';
import type { Rollout } from '../../shared/control/messages.js';
import { ChunkmeshError } from '../../shared/errors.js';
import { INDEX_CHUNK } from '../../shared/limits.js';

/** What becomes of a chunk that came whole, whoever sent it: verified, written, counted (P-9.7, P-9.8). */

/** Where an artifact goes that comes: as much of a StoredArtifact as that takes. */
export interface Stock {
  readonly held: Bitfield;
  /** Undefined until it is installed. */
  readonly index: ArtifactIndex | undefined;
  installIndex(bytes: Uint8Array): Promise<void>;
  writeChunk(i: number, bytes: Uint8Array): Promise<void>;
}

export interface FetchCounters {
  /** Bytes of verified chunks, by where they came from. */
  fromSeed: number;
  fromPeers: number;
  fromDisk: number;
  fromHttp: number;
  /** Bytes that arrived and were of no use. */
  wasted: number;
}

export const noCounters = (): FetchCounters => ({ fromSeed: 0, fromPeers: 0, fromDisk: 0, fromHttp: 0, wasted: 0 });

/** Who sent it. Each is told what became of it once. */
export interface Author {
  readonly counted: 'fromSeed' | 'fromPeers' | 'fromHttp';
  /** It is what it should be, and kept. */
  verified(chunk: number, bytes: number): void;
  /** There is one already, or it could not be kept: for no fault of the author's. */
  dropped(chunk: number): void;
  /** It is not what it should be (P-10.4, P-11.5). @param bytes as they came, good until the call returns */
  wrong(chunk: number, bytes: Buffer): void;
}

export interface SettlingOwner {
  /** Chunks of the same bytes, as Twins.of. */
  twins(chunk: number): readonly number[];
  indexed(): void;
  /** A chunk is held; `index` for the index. */
  verified(chunk: number): void;
  /** A disk that is full, say. */
  storeFailed(error: ChunkmeshError): void;
  /** No retry will help. */
  failed(error: ChunkmeshError): void;
  /** Whatever became of it: nobody looks at the bytes any more. */
  settled(chunk: number, bytes: Buffer): void;
}

export class Settling {
  readonly counters = noCounters();
  /** Chunks of which a copy is being verified, with those that have the same bytes: in the endgame several may be complete at once. */
  readonly verifying = new Set<number>();
  readonly #stored: Stock;
  readonly #rollout: Rollout;
  readonly #owner: SettlingOwner;
  readonly #writing = new Set<Promise<void>>();
  #ended = false;

  constructor(stored: Stock, rollout: Rollout, owner: SettlingOwner) {
    this.#stored = stored;
    this.#rollout = rollout;
    this.#owner = owner;
  }

  settle(author: Author, chunk: number, bytes: Buffer): void {
    const settled = (chunk === INDEX_CHUNK ? this.#takeIndex(author, bytes) : this.#takeChunk(author, chunk, bytes))
      .catch((error: unknown) => {
        this.#owner.failed(new ChunkmeshError('E_INTERNAL', 'a chunk could not be settled', { cause: error }));
      })
      .finally(() => {
        this.#writing.delete(settled);
        this.#owner.settled(chunk, bytes);
      });
    this.#writing.add(settled);
  }

  /** Nothing more is written, and what is, is waited for. */
  async done(): Promise<void> {
    this.#ended = true;
    await Promise.allSettled(this.#writing);
  }

  async #takeIndex(author: Author, bytes: Buffer): Promise<void> {
    const hash = createHash('sha256').update(bytes).digest();
    if (!hash.equals(this.#rollout.artifact)) {
      this.counters.wasted += bytes.length;
      return author.wrong(INDEX_CHUNK, bytes);
    }
    author.verified(INDEX_CHUNK, bytes.length);
    try {
      await this.#stored.installIndex(bytes);
    } catch (error) {
      if (error instanceof ChunkmeshError && error.code === 'E_INDEX_INVALID') return this.#owner.failed(error);
      author.dropped(INDEX_CHUNK);
      this.counters.wasted += bytes.length;
      return this.#owner.storeFailed(asStoreError(error));
    }
    this.#owner.indexed();
  }

  async #takeChunk(author: Author, chunk: number, bytes: Buffer): Promise<void> {
    if (this.#stored.held.get(chunk) || this.verifying.has(chunk)) {
      this.counters.wasted += bytes.length;
      return author.dropped(chunk);
    }
    const { held } = this.#stored;
    const free = (twin: number): boolean => twin !== chunk && !held.get(twin) && !this.verifying.has(twin);
    const twins = this.#owner.twins(chunk).filter(free);
    for (const one of [chunk, ...twins]) this.verifying.add(one);
    try {
      if (await this.#keep(author, chunk, bytes)) await this.#keepTwins(twins, bytes);
    } finally {
      for (const twin of twins) this.verifying.delete(twin);
    }
  }

  /** @returns whether it is held now */
  async #keep(author: Author, chunk: number, bytes: Buffer): Promise<boolean> {
    try {
      await this.#stored.writeChunk(chunk, bytes);
    } catch (error) {
      this.counters.wasted += bytes.length;
      if (error instanceof ChunkmeshError && error.code === 'E_CHUNK_WRONG') {
        author.wrong(chunk, bytes);
      } else {
        author.dropped(chunk);
        this.#owner.storeFailed(asStoreError(error));
      }
      return false;
    } finally {
      this.verifying.delete(chunk);
    }
    this.counters[author.counted] += bytes.length;
    author.verified(chunk, bytes.length);
    this.#owner.verified(chunk);
    return true;
  }

  /** Other places of the same bytes: what came once is counted once, and these as what the device had. */
  async #keepTwins(twins: readonly number[], bytes: Buffer): Promise<void> {
    for (const twin of twins) {
      if (this.#ended) return;
      try {
        await this.#stored.writeChunk(twin, bytes);
      } catch (error) {
        return this.#owner.storeFailed(asStoreError(error));
      }
      this.verifying.delete(twin);
      this.counters.fromDisk += bytes.length;
      this.#owner.verified(twin);
    }
  }
}

function asStoreError(error: unknown): ChunkmeshError {
  if (error instanceof ChunkmeshError) return error;
  return new ChunkmeshError('E_STORE_IO', 'the store failed', { cause: error });
}

import type { ArtifactIndex } from '../../shared/artifact/artifact_index.js';
import { INDEX_CHUNK, MAX_SESSION_REQUESTS } from '../../shared/limits.js';
import { REJECT, type RejectReason } from '../../shared/wire/frames/reject.js';
import type { ChunkSource } from '../io/store/chunk_source.js';
import type { ChunkBuffers } from '../swarm/chunk_buffers.js';
import type { Session } from '../transport/session.js';

/** Answering the requests of one session from what is held (P-7.4, P-7.8, P-9.8). */

/** Bytes handed to a session and not yet acknowledged: more than a window needs, little enough to cancel. */
const MAX_SERVED_AHEAD_BYTES = 1024 * 1024;
/** Read and hashed for all sessions of an agent before all else has its turn; one chunk at least. A third of a millisecond's work, a few on a small device. */
export const MAX_READ_AT_ONCE_BYTES = 256 * 1024;
/** Read for each byte that arrived: four peers that are asked for a quarter of a chunk each are served. */
const READS_PER_BYTE = 4;
/** Read for a session whatever arrived: what it has on its way, and what it withdraws. 64 average chunks of a small artifact. */
const SPARE_READ_BYTES = 4 * 1024 * 1024;
/** The same in chunks, where they are large. */
const SPARE_READS = 4;

/** Bytes, of one turn of the event loop. */
export interface ReadBudget {
  readonly isSpent: boolean;
  spend(bytes: number): void;
}

interface Request {
  readonly chunk: number;
  readonly offset: number;
  readonly length: number;
}

/** Where the bytes come from: the index from memory, chunks verified as they are read. Null until the index is known. */
export type Shelf = { readonly source: ChunkSource; readonly index: ArtifactIndex } | null;

export class Serving {
  readonly #session: Session;
  readonly #shelf: () => Shelf;
  readonly #wake: () => void;
  readonly #buffers: ChunkBuffers;
  #queue: Request[] = [];
  #current: Request | null = null;
  #cancelled = false;
  #closed = false;
  /** The chunk that the last range was of: the next one most likely is too. Whole chunks are not kept. */
  #kept: { readonly chunk: number; readonly bytes: Uint8Array } | null = null;
  readonly #account: ReadAccount;
  readonly #reads: ReadBudget;
  readonly #arrived: (chunk: number) => void;

  /** @param arrived is told of each chunk that arrived whole in one answer */
  constructor(
    session: Session,
    shelf: () => Shelf,
    wake: () => void,
    buffers: ChunkBuffers,
    reads: ReadBudget,
    arrived: (chunk: number) => void = () => {},
  ) {
    this.#arrived = arrived;
    this.#reads = reads;
    this.#session = session;
    this.#shelf = shelf;
    this.#wake = wake;
    this.#buffers = buffers;
    this.#account = new ReadAccount(session);
  }

  /** Bytes that arrived at the peer. */
  get servedBytes(): number {
    return this.#account.arrivedBytes;
  }

  request(chunk: number, offset: number, length: number): void {
    const refusal = this.#refusal(chunk, offset + length);
    if (refusal !== null) {
      this.#reject(chunk, refusal);
      return;
    }
    this.#queue.push({ chunk, offset, length });
    this.pump();
  }

  cancel(chunk: number): void {
    this.#account.changed();
    this.#queue = this.#queue.filter((request) => request.chunk !== chunk);
    this.#cancelled ||= this.#current?.chunk === chunk;
  }

  /** Nothing is served now: whatever was asked for is refused. */
  withdraw(): void {
    this.#queue = [];
    this.#kept = null;
    this.#cancelled = true;
    this.#session.rejectAll(REJECT.busy);
    this.#account.changed();
  }

  close(): void {
    this.#closed = true;
    this.#queue = [];
    this.#kept = null;
  }

  /** Call when the session may have room again, and in the turn after each `wake`. */
  pump(): void {
    this.#account.acknowledged();
    if (this.#current !== null || this.#closed || this.#queue.length === 0) return;
    if (this.#session.pendingServeBytes >= MAX_SERVED_AHEAD_BYTES) return;
    if (this.#reads.isSpent) {
      this.#wake();
      return;
    }
    const request = this.#queue.shift();
    if (request === undefined) return;
    this.#current = request;
    this.#cancelled = false;
    this.#serve(request).finally(() => {
      this.#current = null;
      if (this.#closed) return;
      this.#wake();
      this.pump();
    });
  }

  /** P-7.8 */
  #refusal(chunk: number, end: number): RejectReason | null {
    const size = this.#sizeOf(chunk);
    if (size === 0) return REJECT.notHeld;
    if (end > size) return REJECT.outOfRange;
    return this.#queue.length >= MAX_SESSION_REQUESTS ? REJECT.busy : null;
  }

  /** 0 for what is not held. */
  #sizeOf(chunk: number): number {
    const shelf = this.#shelf();
    if (shelf === null) return 0;
    if (chunk === INDEX_CHUNK) return shelf.index.bytes.length;
    return shelf.source.held.get(chunk) ? shelf.index.chunkLength(chunk) : 0;
  }

  async #serve({ chunk, offset, length }: Request): Promise<void> {
    const bytes = await this.#read(chunk);
    if (this.#closed || this.#cancelled) {
      if (typeof bytes !== 'number') this.#giveBack(chunk, bytes);
      return;
    }
    if (typeof bytes === 'number') {
      this.#reject(chunk, bytes);
      return;
    }
    const isWhole = length === bytes.length;
    this.#kept = isWhole ? null : { chunk, bytes };
    this.#account.acknowledged();
    // The session keeps what it serves: a view of a few bytes would keep the whole chunk.
    const served = isWhole ? bytes : Uint8Array.from(bytes.subarray(offset, offset + length));
    const done = (): void => (isWhole ? this.#giveBack(chunk, bytes) : undefined);
    const arrived = (): void => {
      done();
      if (isWhole) this.#arrived(chunk);
    };
    if (!this.#session.serve(chunk, offset, served, arrived)) done();
    this.#account.changed();
  }

  /** What was read for one request is not looked at any more. The index is not ours. */
  #giveBack(chunk: number, bytes: Uint8Array): void {
    if (chunk !== INDEX_CHUNK && bytes !== this.#kept?.bytes) this.#buffers.give(bytes);
  }

  #reject(chunk: number, reason: RejectReason): void {
    this.#session.reject(chunk, reason);
    // It takes with it what else was held of the chunk.
    this.#account.changed();
  }

  /** Where the chunk is not held, no longer verifies, or the disk fails: to the peer it is all one. */
  async #read(chunk: number): Promise<Uint8Array | RejectReason> {
    const shelf = this.#shelf();
    if (shelf === null) return REJECT.notHeld;
    if (chunk === INDEX_CHUNK) return shelf.index.bytes;
    if (!shelf.source.held.get(chunk)) return REJECT.notHeld;
    if (this.#kept?.chunk === chunk) return this.#kept.bytes;
    const size = shelf.index.chunkLength(chunk);
    if (!this.#account.read(size)) return REJECT.busy; // P-7.8
    this.#reads.spend(size);
    const bytes = this.#buffers.take(size);
    if (await shelf.source.readChunk(chunk, bytes).catch(() => false)) return bytes;
    this.#buffers.give(bytes);
    return REJECT.notHeld;
  }
}

/**
 * What was read for a session, against what arrived there: a request of one byte has a whole chunk read and hashed, and so has one that
 * is withdrawn at once.
 */
class ReadAccount {
  readonly #session: Session;
  #read = 0;
  #arrived = 0;
  #pending = 0;

  constructor(session: Session) {
    this.#session = session;
  }

  get arrivedBytes(): number {
    return this.#arrived;
  }

  /** False where too much was read for nothing: then nothing more is until some of it arrives. */
  read(bytes: number): boolean {
    this.acknowledged();
    const spare = Math.max(SPARE_READ_BYTES, SPARE_READS * bytes);
    if (this.#read > spare + READS_PER_BYTE * this.#arrived) return false;
    this.#read += bytes;
    return true;
  }

  /** The session had news: what it had pending may have arrived. */
  acknowledged(): void {
    this.#arrived += this.#pending - this.#session.pendingServeBytes;
    this.#pending = this.#session.pendingServeBytes;
  }

  /** The session was given bytes, or gave up what it had: that did not arrive. */
  changed(): void {
    this.#pending = this.#session.pendingServeBytes;
  }
}

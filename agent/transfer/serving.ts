import type { ArtifactIndex } from '../../shared/artifact/artifact_index.js';
import { INDEX_CHUNK, MAX_SESSION_REQUESTS } from '../../shared/limits.js';
import { REJECT, type RejectReason } from '../../shared/wire/frames/reject.js';
import type { ChunkSource } from '../io/store/chunk_source.js';
import type { Session } from '../transport/session.js';

/** Answering the requests of one session from what is held (P-7.4, P-7.8, P-9.8). */

/** Bytes handed to a session and not yet acknowledged: more than a window needs, little enough to cancel. */
const MAX_SERVED_AHEAD_BYTES = 1024 * 1024;

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
  #queue: Request[] = [];
  #current: Request | null = null;
  #cancelled = false;
  #closed = false;

  constructor(session: Session, shelf: () => Shelf, wake: () => void) {
    this.#session = session;
    this.#shelf = shelf;
    this.#wake = wake;
  }

  request(chunk: number, offset: number, length: number): void {
    const refusal = this.#refusal(chunk, offset + length);
    if (refusal !== null) {
      this.#session.reject(chunk, refusal);
      return;
    }
    this.#queue.push({ chunk, offset, length });
    this.pump();
  }

  cancel(chunk: number): void {
    this.#queue = this.#queue.filter((request) => request.chunk !== chunk);
    this.#cancelled ||= this.#current?.chunk === chunk;
  }

  close(): void {
    this.#closed = true;
    this.#queue = [];
  }

  /** Call when the session may have room again. */
  pump(): void {
    if (this.#current !== null || this.#closed || this.#queue.length === 0) return;
    if (this.#session.pendingServeBytes >= MAX_SERVED_AHEAD_BYTES) return;
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
    if (this.#closed || this.#cancelled) return;
    if (bytes === null) this.#session.reject(chunk, REJECT.notHeld);
    else this.#session.serve(chunk, offset, rangeOf(bytes, offset, length));
  }

  /** Null where the chunk is not held, no longer verifies, or the disk fails: to the peer it is all one. */
  async #read(chunk: number): Promise<Uint8Array | null> {
    const shelf = this.#shelf();
    if (shelf === null) return null;
    if (chunk === INDEX_CHUNK) return shelf.index.bytes;
    if (!shelf.source.held.get(chunk)) return null;
    const bytes = Buffer.allocUnsafe(shelf.index.chunkLength(chunk));
    const verified = await shelf.source.readChunk(chunk, bytes).catch(() => false);
    return verified ? bytes : null;
  }
}

/** The session keeps what it serves: a view of a few bytes would keep the whole chunk. */
function rangeOf(bytes: Uint8Array, offset: number, length: number): Uint8Array {
  return length === bytes.length ? bytes : Uint8Array.from(bytes.subarray(offset, offset + length));
}

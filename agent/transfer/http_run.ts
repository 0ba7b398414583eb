import { ChunkmeshError } from '../../shared/errors.js';
import { INDEX_CHUNK } from '../../shared/limits.js';
import type { HttpSource, HttpWanted } from '../io/http/http_source.js';

/** One request for a run of neighbouring chunks, or for the index: its bytes are cut at the chunks' borders as they come. */

/** In the order in which they lie in the file. */
export interface Piece {
  readonly chunk: number;
  /** Bytes. */
  readonly length: number;
}

export interface HttpRunOwner {
  /** To be written over. */
  buffer(chunk: number, length: number): Buffer;
  /** Bytes of a chunk that is still wanted came. */
  came(chunk: number, bytes: number): void;
  whole(chunk: number, bytes: Buffer): void;
  /** So many bytes of the chunk came, and nobody wants them, nor the buffer. */
  useless(chunk: number, bytes: number, buffer?: Buffer): void;
}

export class HttpRun {
  readonly pieces: readonly Piece[];
  readonly wanted: HttpWanted;
  readonly #owner: HttpRunOwner;
  readonly #abort = new AbortController();
  /** Chunks that others have not brought meanwhile, and that have not come whole. */
  readonly #open: Set<number>;
  #at = 0;
  /** Of the piece at hand. */
  #filled = 0;
  #buffer: Buffer | undefined;
  #received = 0;
  #isEnded = false;

  constructor(pieces: readonly Piece[], wanted: HttpWanted, owner: HttpRunOwner) {
    this.pieces = pieces;
    this.wanted = wanted;
    this.#owner = owner;
    this.#open = new Set(pieces.map(({ chunk }) => chunk));
  }

  get isIndex(): boolean {
    return this.pieces[0]?.chunk === INDEX_CHUNK;
  }

  /** Bytes that came, wanted or not. */
  get received(): number {
    return this.#received;
  }

  /** Whether it was ended from here, for no fault of the server's. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Once. @throws as HttpSource.get */
  async get(source: HttpSource): Promise<void> {
    try {
      await source.get(this.wanted, (bytes) => this.#take(bytes), this.#abort.signal);
    } finally {
      this.#discard();
    }
  }

  /** Chunks that were asked for and did not come whole. */
  unsettled(): Iterable<number> {
    return this.#open;
  }

  /** What came is thrown away, save what is whole. */
  end(): void {
    this.#isEnded = true;
    this.#abort.abort(new ChunkmeshError('E_TIMEOUT', 'the request was ended'));
  }

  /** Another brought the chunk: where that was the last, the rest is not worth waiting for. */
  brought(chunk: number): void {
    if (!this.#open.delete(chunk)) return;
    if (this.pieces[this.#at]?.chunk === chunk) this.#discard();
    if (this.#open.size === 0) this.end();
  }

  #take(bytes: Uint8Array): void {
    if (this.#abort.signal.aborted) return;
    this.#received += bytes.length;
    for (let rest = bytes; rest.length > 0; ) {
      const piece = this.pieces[this.#at];
      if (piece === undefined) return;
      const part = rest.subarray(0, piece.length - this.#filled);
      rest = rest.subarray(part.length);
      this.#fill(piece, part);
    }
  }

  #fill({ chunk, length }: Piece, part: Uint8Array): void {
    if (this.#open.has(chunk)) {
      this.#buffer ??= this.#owner.buffer(chunk, length);
      this.#buffer.set(part, this.#filled);
      this.#owner.came(chunk, part.length);
    } else {
      this.#owner.useless(chunk, part.length);
    }
    this.#filled += part.length;
    if (this.#filled === length) this.#next(chunk);
  }

  #next(chunk: number): void {
    const buffer = this.#buffer;
    this.#buffer = undefined;
    this.#filled = 0;
    this.#at++;
    if (buffer === undefined) return;
    this.#open.delete(chunk);
    this.#owner.whole(chunk, buffer);
  }

  /** A chunk that is half there is of no use. */
  #discard(): void {
    const [piece, buffer] = [this.pieces[this.#at], this.#buffer];
    this.#buffer = undefined;
    if (piece !== undefined && buffer !== undefined) this.#owner.useless(piece.chunk, this.#filled, buffer);
  }
}

import { Network, type NetworkOptions } from './network.js';

export const CHUNK_BYTES = 65_536;

/** Side 1 asks side 0 for `chunks` chunks, 16 at a time, and keeps what comes. */
export class Transfer {
  readonly network: Network;
  readonly source: Buffer;
  readonly got: Buffer;
  startedAt = -1;
  finishedAt = -1;
  readonly #chunks: number;
  readonly #left: number[] = [];
  #asked = 0;
  #done = 0;

  constructor(options: NetworkOptions, chunks: number) {
    this.network = new Network({ ...options, chunkCount: chunks });
    this.#chunks = chunks;
    this.source = this.network.random.bytes(chunks * CHUNK_BYTES);
    this.got = Buffer.alloc(this.source.length);
    const [from, to] = this.network.sides;
    from.answer = (chunk, offset, length) => {
      const start = chunk * CHUNK_BYTES + offset;
      from.session.serve(chunk, offset, this.source.subarray(start, start + length));
    };
    to.data = (chunk, offset, bytes) => this.#take(chunk, offset, bytes);
    for (let chunk = 0; chunk < chunks; chunk++) this.#left.push(CHUNK_BYTES);
    for (let i = 0; i < 16; i++) this.#ask();
  }

  get isDone(): boolean {
    return this.#done === this.#chunks;
  }

  /** @returns whether every byte came, by `limitMs` of virtual time. */
  run(limitMs: number): boolean {
    const done = this.network.run(limitMs, () => this.isDone);
    return done && this.got.equals(this.source);
  }

  /** Bits of chunks per second, from the opening to the last byte. */
  get bitsPerSecond(): number {
    const opened = this.network.sides[1].seen.openedAt;
    return (this.got.length * 8000) / (this.finishedAt - opened);
  }

  #ask(): void {
    if (this.#asked < this.#chunks) this.network.sides[1].session.request(this.#asked++, 0, CHUNK_BYTES);
  }

  #take(chunk: number, offset: number, bytes: Uint8Array): void {
    this.got.set(bytes, chunk * CHUNK_BYTES + offset);
    const left = (this.#left[chunk] ?? 0) - bytes.length;
    this.#left[chunk] = left;
    if (left > 0) return;
    this.#done++;
    this.finishedAt = this.network.now;
    this.#ask();
  }
}

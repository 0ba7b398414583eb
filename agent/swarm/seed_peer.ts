import { Bitfield } from '../../shared/artifact/bitfield.js';

/** One peer as a seed sees it that tells chunks by P-10.6: what it holds, what it was told of, and how much of that it may owe. Pure. */

/** Told to a peer alone and not held by it yet: as much as it takes in so long, which is more than a round trip... */
const AHEAD_SECONDS = 0.75;
/** ...and at most what a device ever has asked of one peer, four times over. */
const MAX_AHEAD_BYTES = 8 * 1024 * 1024;
/** Chunks where they are large, to be asked for one after the other. */
const MIN_AHEAD_CHUNKS = 2;
/** Over so long the rate of a peer is taken. */
const RATE_SPAN_MS = 250;
/** A peer that said what it holds, and of which nothing came in so long, is as one that never does: its link may cost money by now. Twice what a chunk may be late. */
const SILENT_MS = 30_000;

export class SeedPeer {
  /** Whether it can be reached. */
  open = false;
  readonly have: Bitfield;
  readonly told: Bitfield;
  readonly #chunkLength: (chunk: number) => number;
  /** What it was told of alone and does not hold yet. */
  readonly #coming = new Set<number>();
  #comingBytes = 0;
  #aheadBytes = 0;
  /** Bytes that came of that since then. */
  #came = 0;
  #since: number;
  /** When anything of that came last, or the first of it was told. */
  #movedAt: number;
  /** Whether it says what it holds, as far as was seen of late. */
  #says = false;
  /** It takes what it is sent, and says nothing. */
  #isMute = false;

  constructor(chunkCount: number, chunkLength: (chunk: number) => number, now: number) {
    this.have = new Bitfield(chunkCount);
    this.told = new Bitfield(chunkCount);
    this.#chunkLength = chunkLength;
    this.#since = now;
    this.#movedAt = now;
  }

  /** Whether it was told of as much as it is to be told of alone. @param least bytes that it may owe however slow it is */
  isFull(least: number): boolean {
    return this.#comingBytes >= Math.max(least, this.#aheadBytes) && this.#coming.size >= MIN_AHEAD_CHUNKS;
  }

  /** It is told of the chunk alone. */
  give(chunk: number, now: number): void {
    if (this.#coming.size === 0) this.#movedAt = now;
    this.told.set(chunk);
    this.#coming.add(chunk);
    this.#comingBytes += this.#chunkLength(chunk);
  }

  /** It says that it holds the chunk. @returns false where that was known */
  holds(chunk: number, now: number): boolean {
    if (this.have.get(chunk)) return false;
    this.have.set(chunk);
    this.#says = true;
    this.#isMute = false;
    this.#took(chunk, now);
    return true;
  }

  /** It was sent the whole chunk. */
  served(chunk: number, now: number): void {
    this.#isMute ||= !this.#says;
    this.#took(chunk, now);
  }

  /** When `expire` is due. Monotonic ms. @param lateMs after which a chunk is late */
  expiresAt(lateMs: number): number {
    if (this.#coming.size === 0) return Number.POSITIVE_INFINITY;
    return this.#movedAt + (this.#says ? SILENT_MS : lateMs);
  }

  /**
   * What it was told of and nothing comes of is no longer waited for, or a peer that never asks for it, and does not say that it holds it by
   * now (P-10.5), were told of nothing more. One that takes and says nothing is told of more at a time, so that it soon comes to what it lacks.
   */
  expire(now: number, lateMs: number): void {
    if (now < this.expiresAt(lateMs)) return;
    this.#coming.clear();
    this.#comingBytes = 0;
    this.#says = false;
    if (this.#isMute) this.#aheadBytes = MAX_AHEAD_BYTES;
  }

  #took(chunk: number, now: number): void {
    if (!this.#coming.delete(chunk)) return;
    const length = this.#chunkLength(chunk);
    this.#movedAt = now;
    this.#comingBytes -= length;
    this.#came += length;
    const elapsed = now - this.#since;
    if (elapsed < RATE_SPAN_MS) return;
    this.#aheadBytes = Math.min(MAX_AHEAD_BYTES, (AHEAD_SECONDS * 1000 * this.#came) / elapsed);
    this.#came = 0;
    this.#since = now;
  }
}

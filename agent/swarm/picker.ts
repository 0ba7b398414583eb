import type { Bitfield } from '../../shared/artifact/bitfield.js';

/** Neighbours are asked for one after the other, so that disks read and write them together... */
const MAX_RUN_CHUNKS = 8;
/** ...where there are at least so many runs: devices that begin together are to begin apart. */
const MIN_RUNS = 128;
/** Fewer are passed over sooner than the order is made anew. */
const LEAVE_OUT_FROM = 64;
/** So many times fewer than are missing are few. */
const SPARSE_FACTOR = 8;

/**
 * Rarest first, with an order of its own per device among the equally rare, so that devices that start together ask a seed
 * for different chunks and have something to give each other.
 */
export class Picker {
  /** How many connected peers hold each chunk. */
  readonly #availability: Uint16Array;
  /** The chunks in this device's order. */
  readonly #order: Uint16Array;
  /** Where in it each stands. */
  readonly #rank: Uint16Array;
  /** Those of them that were missing when it was last looked: the held ones need not be passed over for each pick. */
  #missing: Uint16Array;
  #heldThen = 0;

  /** @param random uniform in [0, 1) */
  constructor(chunkCount: number, random: () => number) {
    this.#availability = new Uint16Array(chunkCount);
    this.#order = orderOf(chunkCount, random);
    this.#missing = this.#order;
    this.#rank = new Uint16Array(chunkCount);
    for (const [place, chunk] of this.#order.entries()) this.#rank[chunk] = place;
  }

  gained(chunk: number): void {
    this.#availability[chunk] = (this.#availability[chunk] ?? 0) + 1;
  }

  lost(chunk: number): void {
    this.#availability[chunk] = Math.max(0, (this.#availability[chunk] ?? 0) - 1);
  }

  availability(chunk: number): number {
    return this.#availability[chunk] ?? 0;
  }

  /** Call before a row of picks. @param held what this device has. */
  leaveOut(held: Bitfield): void {
    // Worth it only after many.
    const gained = held.count - this.#heldThen;
    if (gained >= 0 && gained < Math.max(LEAVE_OUT_FROM, this.#missing.length / 8)) return;
    this.#heldThen = held.count;
    this.#missing = this.#order.filter((chunk) => !held.get(chunk));
  }

  /**
   * @param wanted as bits, what may be asked now
   * @returns the chunk, or -1
   */
  pick(wanted: Uint8Array): number {
    // Of few, which a seed told of, it is cheaper to look at each than to pass over all the others.
    if (countUpTo(wanted, this.#missing.length / SPARSE_FACTOR) < this.#missing.length / SPARSE_FACTOR)
      return this.#rarestOfFew(wanted);
    const found = this.#rarest(this.#missing, wanted);
    // A chunk may have been lost since.
    return found >= 0 || this.#missing.length === this.#order.length ? found : this.#rarest(this.#order, wanted);
  }

  #rarest(chunks: Uint16Array, wanted: Uint8Array): number {
    let best = -1;
    let rarity = Number.POSITIVE_INFINITY;
    for (const chunk of chunks) {
      const count = this.#availability[chunk] ?? 0;
      if (count >= rarity || ((wanted[chunk >>> 3] ?? 0) & (0x80 >>> (chunk & 7))) === 0) continue;
      best = chunk;
      rarity = count;
      if (count <= 1) break;
    }
    return best;
  }

  #rarestOfFew(wanted: Uint8Array): number {
    let best = -1;
    let rarity = Number.POSITIVE_INFINITY;
    let rank = Number.POSITIVE_INFINITY;
    for (let at = 0; at < wanted.length; at++) {
      for (let bits = wanted[at] ?? 0; bits !== 0; ) {
        const bit = Math.clz32(bits) - 24;
        bits &= ~(0x80 >>> bit);
        const chunk = at * 8 + bit;
        const count = Math.max(1, this.#availability[chunk] ?? 0);
        const place = this.#rank[chunk] ?? 0;
        if (count > rarity || (count === rarity && place > rank)) continue;
        best = chunk;
        rarity = count;
        rank = place;
      }
    }
    return best;
  }
}

/** How many bits are set, or some number that is no less than `enough`. */
function countUpTo(bits: Uint8Array, enough: number): number {
  let count = 0;
  for (let i = 0; i < bits.length && count < enough; i++) {
    for (let byte = bits[i] ?? 0; byte !== 0; byte &= byte - 1) count++;
  }
  return count;
}

/** Runs of chunks in random order. */
function orderOf(chunkCount: number, random: () => number): Uint16Array {
  const length = Math.max(1, Math.min(MAX_RUN_CHUNKS, Math.floor(chunkCount / MIN_RUNS)));
  const runs = Array.from({ length: Math.ceil(chunkCount / length) }, (_, i) => i * length);
  for (let i = runs.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [runs[i], runs[j]] = [runs[j] ?? 0, runs[i] ?? 0];
  }
  const order = new Uint16Array(chunkCount);
  let at = 0;
  for (const first of runs) {
    for (let chunk = first; chunk < Math.min(first + length, chunkCount); chunk++) order[at++] = chunk;
  }
  return order;
}

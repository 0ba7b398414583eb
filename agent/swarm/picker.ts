import type { Bitfield } from '../../shared/artifact/bitfield.js';

/** Neighbours are asked for one after the other, so that disks read and write them together... */
const MAX_RUN_CHUNKS = 8;
/** ...where there are at least so many runs: devices that begin together are to begin apart. */
const MIN_RUNS = 128;
/** Fewer are passed over sooner than the order is made anew. */
const LEAVE_OUT_FROM = 64;

/**
 * Rarest first, with an order of its own per device among the equally rare, so that devices that start together ask a seed
 * for different chunks and have something to give each other.
 */
export class Picker {
  /** How many connected peers hold each chunk. */
  readonly #availability: Uint16Array;
  /** The chunks in this device's order. */
  readonly #order: Uint16Array;
  /** Those of them that were missing when it was last looked: the held ones need not be passed over for each pick. */
  #missing: Uint16Array;
  #heldThen = 0;

  /** @param random uniform in [0, 1) */
  constructor(chunkCount: number, random: () => number) {
    this.#availability = new Uint16Array(chunkCount);
    this.#order = orderOf(chunkCount, random);
    this.#missing = this.#order;
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
   * @param from what the peer holds
   * @param wanted whether the chunk may be asked now
   * @returns the chunk, or -1
   */
  pick(from: Bitfield, wanted: (chunk: number) => boolean): number {
    const found = this.#rarest(this.#missing, from, wanted);
    // A chunk may have been lost since.
    return found >= 0 || this.#missing.length === this.#order.length ? found : this.#rarest(this.#order, from, wanted);
  }

  #rarest(chunks: Uint16Array, from: Bitfield, wanted: (chunk: number) => boolean): number {
    let best = -1;
    let rarity = Number.POSITIVE_INFINITY;
    for (const chunk of chunks) {
      const count = this.#availability[chunk] ?? 0;
      if (count >= rarity || !from.get(chunk) || !wanted(chunk)) continue;
      best = chunk;
      rarity = count;
      if (count <= 1) break;
    }
    return best;
  }
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

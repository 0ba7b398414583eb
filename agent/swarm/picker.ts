import type { Bitfield } from '../../shared/artifact/bitfield.js';

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
    this.#order = Uint16Array.from({ length: chunkCount }, (_, i) => i);
    for (let i = chunkCount - 1; i > 0; i--) {
      const j = Math.floor(random() * (i + 1));
      const swapped = this.#order[i] ?? 0;
      this.#order[i] = this.#order[j] ?? 0;
      this.#order[j] = swapped;
    }
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

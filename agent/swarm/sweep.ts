/**
 * Shards one after another in an order drawn at random, none twice before all had their turn: of `n` a device that listens in one of them is met
 * after `n` at most, where draws that know nothing of each other need twice as many for nine times out of ten. Pure.
 */
export class Sweep {
  readonly #random: () => number;
  #shards = 0;
  #next = 0;
  #step = 1;
  #left = 0;

  /** @param random uniform in [0, 1) */
  constructor(random: () => number) {
    this.#random = random;
  }

  /** @param shards in all, a power of two (P-2.4). @returns so many, each once, or those whose turn is left, one at least */
  next(shards: number, most: number): readonly number[] {
    if (shards !== this.#shards || this.#left === 0) this.#draw(shards);
    const count = Math.min(most, this.#left);
    this.#left -= count;
    return Array.from({ length: count }, () => {
      const shard = this.#next;
      this.#next = (this.#next + this.#step) % shards;
      return shard;
    });
  }

  /** All of them have their turn anew. */
  restart(): void {
    this.#left = 0;
  }

  /** An odd step meets each residue of a power of two. */
  #draw(shards: number): void {
    this.#shards = shards;
    this.#left = shards;
    this.#next = Math.floor(this.#random() * shards);
    this.#step = 2 * Math.floor((this.#random() * shards) / 2) + 1;
  }
}

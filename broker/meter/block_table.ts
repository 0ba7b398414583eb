/** A rolling hash over 32 bytes, and a table of the blocks of a file by it: pure, flat, nothing allocated per block or per byte. */

export const BLOCK_BYTES = 32;
/** Entries a slot: at this load a miss looks at under three. */
const SLOTS_PER_BLOCK = 1.6;

/**
 * Two polynomial hashes mod 2^32 with secret odd multipliers, so that nobody can write a message that is slow to scan:
 * `sum of byte[i] * m^(31 - i)`. The first finds the slot, the second tells blocks in it apart.
 */
export class RollingHash {
  a = 0;
  b = 0;
  readonly #ma: number;
  readonly #mb: number;
  /** m^32: what a byte weighs when it leaves. */
  readonly #outA: number;
  readonly #outB: number;

  constructor(seedA: number, seedB: number) {
    this.#ma = seedA | 1;
    this.#mb = seedB | 1;
    this.#outA = power(this.#ma);
    this.#outB = power(this.#mb);
  }

  /** Of the 32 bytes from `at`. */
  reset(bytes: Uint8Array, at: number): void {
    let a = 0;
    let b = 0;
    for (let i = at; i < at + BLOCK_BYTES; i++) {
      const byte = bytes[i] ?? 0;
      a = (Math.imul(a, this.#ma) + byte) | 0;
      b = (Math.imul(b, this.#mb) + byte) | 0;
    }
    this.a = a;
    this.b = b;
  }

  roll(out: number, into: number): void {
    this.a = (Math.imul(this.a, this.#ma) + into - Math.imul(out, this.#outA)) | 0;
    this.b = (Math.imul(this.b, this.#mb) + into - Math.imul(out, this.#outB)) | 0;
  }
}

function power(m: number): number {
  let value = 1;
  for (let i = 0; i < BLOCK_BYTES; i++) value = Math.imul(value, m);
  return value;
}

/** Open addressing with linear probing. Equal hashes are one block: the first that was added. */
export class BlockTable {
  /** Block number + 1; 0 is an empty slot. */
  readonly #blocks: Uint32Array;
  readonly #marks: Uint32Array;

  constructor(maxBlocks: number) {
    const slots = Math.ceil(maxBlocks * SLOTS_PER_BLOCK) + 1;
    this.#blocks = new Uint32Array(slots);
    this.#marks = new Uint32Array(slots);
  }

  add({ a, b }: RollingHash, block: number): void {
    const slot = this.#probe(a, b);
    if (this.#blocks[slot] !== 0) return;
    this.#blocks[slot] = block + 1;
    this.#marks[slot] = b;
  }

  /** The number of the block with this hash, or -1. */
  find({ a, b }: RollingHash): number {
    return (this.#blocks[this.#probe(a, b)] ?? 0) - 1;
  }

  /** The slot that has the hash, or the empty one where it would go. */
  #probe(a: number, b: number): number {
    const slots = this.#blocks.length;
    const mark = b >>> 0;
    // The last bytes of a block weigh only in the low bits of its hash; the slot is taken from the high ones.
    const mixed = Math.imul(a ^ (a >>> 15), 0x85eb_ca6b) >>> 0;
    let slot = Math.floor((mixed / 2 ** 32) * slots);
    while (this.#blocks[slot] !== 0 && this.#marks[slot] !== mark) {
      slot++;
      if (slot === slots) slot = 0;
    }
    return slot;
  }
}

const WORD_BITS = 32;

/** Takes each number once, and none too far below the highest taken (RFC 4303 §3.4.3). One bit a number, in a ring. */
export class ReplayWindow {
  readonly #width: number;
  readonly #bits: Uint32Array;
  #highest = -1;

  /** @param width how many numbers are told apart, the highest among them: a multiple of 32 */
  constructor(width: number) {
    this.#width = width;
    this.#bits = new Uint32Array(width / WORD_BITS);
  }

  /** Whether no number taken yet is higher. */
  isNewest(number: number): boolean {
    return number > this.#highest;
  }

  /** Whether `number` may be taken. Changes nothing: ask before what carries it is opened, take after. */
  isFresh(number: number): boolean {
    if (number > this.#highest) return true;
    if (number <= this.#highest - this.#width) return false;
    return ((this.#bits[this.#word(number)] ?? 0) & this.#bit(number)) === 0;
  }

  /** Only what opened is taken, or a forger could use up numbers. */
  take(number: number): void {
    if (number > this.#highest) this.#advance(number);
    const word = this.#word(number);
    this.#bits[word] = (this.#bits[word] ?? 0) | this.#bit(number);
  }

  #advance(number: number): void {
    if (number - this.#highest >= this.#width) this.#bits.fill(0);
    else {
      for (let skipped = this.#highest + 1; skipped <= number; skipped++) {
        const word = this.#word(skipped);
        this.#bits[word] = (this.#bits[word] ?? 0) & ~this.#bit(skipped);
      }
    }
    this.#highest = number;
  }

  /** Numbers pass 2^32, where bit operations end: hence the remainder first. */
  #word(number: number): number {
    return (number % this.#width) >>> 5;
  }

  #bit(number: number): number {
    return 1 << (number % WORD_BITS);
  }
}

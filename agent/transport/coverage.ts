/** Which bytes of a request have come: a prefix, and islands beyond it, sorted and apart. Offsets within the request. */
export class Coverage {
  #prefix = 0;
  #islands: [from: number, to: number][] = [];

  get islandCount(): number {
    return this.#islands.length;
  }

  /** Whether every byte below `length` has come. */
  covers(length: number): boolean {
    return this.#prefix >= length;
  }

  /** @returns whether any byte of `from` up to, not including, `to` is new. */
  add(from: number, to: number): boolean {
    if (to <= this.#prefix) return false;
    if (from <= this.#prefix) {
      this.#prefix = to;
      this.#absorb();
      return true;
    }
    return this.#addIsland(from, to);
  }

  #absorb(): void {
    if (this.#islands.length === 0) return;
    let reached = 0;
    for (const [from, to] of this.#islands) {
      if (from > this.#prefix) break;
      this.#prefix = Math.max(this.#prefix, to);
      reached++;
    }
    if (reached > 0) this.#islands.splice(0, reached);
  }

  #addIsland(from: number, to: number): boolean {
    const islands = this.#islands;
    // New bytes mostly come last.
    let i = islands.length;
    while (i > 0 && (islands[i - 1]?.[1] ?? 0) >= from) i--;
    let j = i;
    let low = from;
    let high = to;
    for (let next = islands[j]; next !== undefined && next[0] <= to; next = islands[j]) {
      if (next[0] <= from && next[1] >= to) return false;
      low = Math.min(low, next[0]);
      high = Math.max(high, next[1]);
      j++;
    }
    islands.splice(i, j - i, [low, high]);
    return true;
  }
}

/** One chunk on its way in from one peer: bytes in any order, each counted once (P-7.5). */
export class Assembly {
  readonly bytes: Buffer;
  /** Received ranges, ascending and disjoint: start, end, start, end, ... Nearly always one. */
  readonly #ranges: number[] = [];
  #received = 0;

  /** @param bytes as many as the chunk has, to be written over. */
  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  get complete(): boolean {
    return this.#received === this.bytes.length;
  }

  get received(): number {
    return this.#received;
  }

  /** @returns how many of the bytes were new; 0 for a range that does not fit. */
  add(offset: number, data: Uint8Array): number {
    const end = offset + data.length;
    if (end > this.bytes.length || data.length === 0) return 0;
    this.bytes.set(data, offset);
    const ranges = this.#ranges;
    const last = ranges.length - 1;
    if (last > 0 && ranges[last] === offset) {
      ranges[last] = end;
      this.#received += data.length;
      return data.length;
    }
    return this.#merge(offset, end);
  }

  #merge(start: number, end: number): number {
    const ranges = this.#ranges;
    let from = 0;
    while (from < ranges.length && (ranges[from + 1] ?? 0) < start) from += 2;
    let to = from;
    let covered = 0;
    let low = start;
    let high = end;
    while (to < ranges.length && (ranges[to] ?? 0) <= end) {
      const s = ranges[to] ?? 0;
      const e = ranges[to + 1] ?? 0;
      covered += Math.max(0, Math.min(e, end) - Math.max(s, start));
      low = Math.min(low, s);
      high = Math.max(high, e);
      to += 2;
    }
    ranges.splice(from, to - from, low, high);
    const fresh = end - start - covered;
    this.#received += fresh;
    return fresh;
  }
}

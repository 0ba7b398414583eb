/** When one swarm is to be looked at again although nothing arrives: the rooms that wait for a time tell it here. Pure. */
export class Deadline {
  #at = Number.POSITIVE_INFINITY;

  /** The earliest that was told since `clear`, in monotonic ms; Infinity for none. */
  get at(): number {
    return this.#at;
  }

  clear(): void {
    this.#at = Number.POSITIVE_INFINITY;
  }

  /** @param at monotonic ms */
  notAfter(at: number): void {
    if (at < this.#at) this.#at = at;
  }
}

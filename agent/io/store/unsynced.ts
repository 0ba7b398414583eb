/** Chunks that were written and may lie in memory only. */
export class Unsynced {
  /** Written since the last sync began. */
  #written = new Set<number>();
  /** A sync failed on them. That the next one succeeds says nothing of them: the kernel tells of a failure once. */
  readonly #suspect = new Set<number>();

  wrote(chunk: number): void {
    this.#written.add(chunk);
  }

  has(chunk: number): boolean {
    return this.#written.has(chunk) || this.#suspect.has(chunk);
  }

  /** @param sync brings to the disk whatever was written before it is called. @throws what it throws */
  async during(sync: () => Promise<void>): Promise<void> {
    const written = this.#written;
    this.#written = new Set();
    try {
      await sync();
    } catch (error) {
      for (const chunk of written) this.#suspect.add(chunk);
      throw error;
    }
  }

  /** What is held was read anew, and they are not among it. */
  clear(): void {
    this.#suspect.clear();
  }
}

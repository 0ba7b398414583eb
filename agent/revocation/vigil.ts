/** Whether a device may trust others yet: it has to have heard the revocation list of this connection first (P-14.3, P-14.4). Pure. */

/** Where there is no list, a broker says nothing. What one retains it sends within a round trip of the subscription. */
export const SILENCE_MS = 2_000;
/** Whoever claims to hold a newer list can make a device ask the broker, and no more often than so. */
export const ASK_AGAIN_MS = 5_000;

export class Vigil {
  #heard = false;
  /** A list came, and is refused for its time alone. */
  #refused = false;
  #grantedAt = Number.POSITIVE_INFINITY;
  #askedAt = Number.NEGATIVE_INFINITY;

  /** The broker is there, or gone: what is retained may be another by now. */
  begin(): void {
    this.#heard = false;
    this.#refused = false;
    this.#grantedAt = Number.POSITIVE_INFINITY;
  }

  /** The broker lets the device read the list. @param now monotonic ms */
  granted(now: number): void {
    this.#grantedAt = Math.min(this.#grantedAt, now);
  }

  /** A list came that is, or was, the newest that this device knows. */
  heard(): void {
    this.#heard = true;
  }

  /** A newer list came that cannot be taken because of its time: whoever is on it is not to be met for that. */
  refused(): void {
    this.#refused = true;
  }

  /** @param now monotonic ms */
  isOver(now: number): boolean {
    return this.#heard || now >= this.deadline;
  }

  /** When it is over by itself. Monotonic ms; it may be past. */
  get deadline(): number {
    return this.#heard || this.#refused ? Number.POSITIVE_INFINITY : this.#grantedAt + SILENCE_MS;
  }

  /** A peer holds a newer list. @returns whether the broker is to be asked for it now. @param now monotonic ms */
  asks(now: number): boolean {
    if (now < this.#askedAt + ASK_AGAIN_MS) return false;
    this.#askedAt = now;
    return true;
  }
}

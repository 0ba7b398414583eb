const TURN = 2 ** 32;

/** The peer's clock, of which each ACK has the lower 32 bits of the microseconds (P-7.3): a turn is 71 minutes, and a session hears of it each few seconds. */
export class PeerClock {
  #micros = 0;

  /** The reading nearest to the one before, which a packet that was overtaken may lie below. @returns microseconds */
  unroll(low: number): number {
    // The difference as a signed number of 32 bits.
    this.#micros += (low - (this.#micros % TURN)) | 0;
    return this.#micros;
  }
}

/** No ACK for so many round trips, and this much, is an outage, or a process that stood still... */
const SILENCE_RTTS = 1.5;
const SILENCE_MS = 50;
/** ...and what was in flight then is lost within so many rounds. */
const FORGIVEN_ROUNDS = 2;

/** After a silence longer than a path with a full queue makes, what was in flight says nothing about what it carries now. */
export class Silence {
  #heardAt = 0;
  /** Losses of rounds up to this are an outage's. */
  #forgivenRound = 0;

  /** For each ACK. @param round that it came in. */
  onAck(now: number, round: number, rttMs: number): void {
    if (now - this.#heardAt > SILENCE_RTTS * rttMs + SILENCE_MS) this.#forgivenRound = round + FORGIVEN_ROUNDS;
    this.#heardAt = now;
  }

  forgives(round: number): boolean {
    return round <= this.#forgivenRound;
  }
}

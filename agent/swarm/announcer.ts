import {
  ANSWERS_WANTED,
  FIRST_REPEAT_MS,
  HEARD_WINDOW_MS,
  LEAST_MEMBERS,
  MAX_MEMBERS_HEARD,
  MAX_REPEAT_MS,
  REPEATS_ALIKE,
} from './limits.js';

/** When to announce and whether to answer an announcement (P-10.1, P-10.2). Randomness is uniform in [0, 1). */

export class Announcer {
  /** When it first is to announce itself. */
  readonly joinsAt: number;
  #attempt = 0;
  #due: number;
  readonly #random: () => number;

  constructor(now: number, joinWindowMs: number, random: () => number) {
    this.#random = random;
    this.joinsAt = now + random() * joinWindowMs;
    this.#due = this.joinsAt;
  }

  /** When `have` is to be published next, if the device still lacks chunks and no session brings them. */
  get due(): number {
    return this.#due;
  }

  announced(now: number): void {
    const doubled = Math.min(Math.floor(this.#attempt++ / REPEATS_ALIKE), 16);
    const ceiling = Math.min(MAX_REPEAT_MS, FIRST_REPEAT_MS * 2 ** doubled);
    this.#due = now + ceiling * (0.5 + this.#random() / 2);
  }

  /** The last session is gone, or the broker is back: begin anew from the first interval. */
  restart(now: number): void {
    this.#attempt = 0;
    this.#due = Math.min(this.#due, now + FIRST_REPEAT_MS * this.#random());
  }
}

/** The members of its shards that a device heard of late, for the probability of P-10.2. */
export class MembersHeard {
  readonly #heardAt = new Map<string, number>();

  heard(device: string, now: number): void {
    this.#heardAt.delete(device);
    this.#heardAt.set(device, now);
    for (const [oldest, at] of this.#heardAt) {
      if (at > now - HEARD_WINDOW_MS && this.#heardAt.size <= MAX_MEMBERS_HEARD) break;
      this.#heardAt.delete(oldest);
    }
  }

  get size(): number {
    return this.#heardAt.size;
  }

  /** @param shards of the rollout; @param listensIn how many of them were heard */
  offers(random: () => number, shards: number, listensIn: number): boolean {
    const members = Math.max(shards === 1 ? 1 : LEAST_MEMBERS, this.#heardAt.size / Math.max(1, listensIn));
    return random() < Math.min(1, ANSWERS_WANTED / members);
  }
}

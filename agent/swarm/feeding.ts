import { LOOK_AROUND_MS, LOOKING_MS, STARVED_MS } from './limits.js';

/** Whether a device's sessions bring what is missing (P-10.1): by what came, since what peers promise may be stale or a lie. Pure. */
export class Feeding {
  /** When the index or a chunk that a peer sent was last verified. */
  #progressAt: number;
  /** Devices that begin together look around at different times. */
  readonly #lookPhaseMs: number;

  /** @param now monotonic ms; @param random uniform in [0, 1) */
  constructor(now: number, random: () => number) {
    this.#progressAt = now;
    this.#lookPhaseMs = random() * LOOK_AROUND_MS;
  }

  progressed(now: number): void {
    this.#progressAt = now;
  }

  /** From when on nothing came from peers for too long, whatever they hold. Monotonic ms. */
  get starvesAt(): number {
    return this.#progressAt + STARVED_MS;
  }

  isFed(now: number): boolean {
    const looking = (now + this.#lookPhaseMs) % LOOK_AROUND_MS < LOOKING_MS;
    return now < this.starvesAt && !looking;
  }
}

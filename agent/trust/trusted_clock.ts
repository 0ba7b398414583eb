import { z } from 'zod';
import { MAX_CLOCK_AHEAD_SECONDS } from '../../shared/limits.js';

/**
 * What time it is (P-12.6), for a device whose own clock may say 1970 or be set back. Times are seconds since the epoch. Three things say that
 * a time has come: the CA, by the day a certificate begins; the timestamp role, by the day a bundle was signed; and the device's own clock, on an
 * earlier day, which is what keeps a clock that is set back from making metadata good again that had expired. Pure: clocks come in.
 */

/**
 * How far ahead of all that was signed the device's own clock is remembered. Past it a clock is broken rather than a fleet silent, and what is
 * remembered outlives a repair: a year and a month, as metadata that is signed by hand each year has it.
 */
const MAX_LEAD_SECONDS = 400 * 86_400;

export const clockMemorySchema = z.object({
  /** The newest that the CA said. */
  issued: z.number().min(0),
  /** The newest that the timestamp role said, and by which keys: others are not bound by it. */
  stamped: z.number().min(0),
  keys: z.string(),
  /** The latest that the own clock showed. */
  seen: z.number().min(0),
});
export type ClockMemory = z.infer<typeof clockMemorySchema>;

export interface Clocks {
  /** Seconds since the epoch, by the system. */
  wall(): number;
  /** Monotonic, ms. */
  now(): number;
}

export class TrustedClock {
  readonly #clocks: Clocks;
  #memory: ClockMemory;
  /** Monotonic ms at which each was learned: time goes on from there, also where no clock does. */
  #learned: { issued: number; stamped: number; seen: number };

  constructor(clocks: Clocks, memory: ClockMemory = { issued: 0, stamped: 0, keys: '', seen: 0 }) {
    this.#clocks = clocks;
    this.#memory = memory;
    const now = clocks.now();
    this.#learned = { issued: now, stamped: now, seen: now };
  }

  get memory(): ClockMemory {
    return this.#memory;
  }

  /** Whether the own clock may be right: it is not behind what was signed. */
  get believed(): boolean {
    const signed = Math.max(this.#since('issued'), this.#since('stamped'));
    return this.#clocks.wall() >= signed - MAX_CLOCK_AHEAD_SECONDS;
  }

  /** As the system shows it. */
  wall(): number {
    return this.#clocks.wall();
  }

  /**
   * For the dates of certificates: who has the timestamp key cannot make them expire. Nor can the own clock once it is right again, though it was
   * ahead for a moment: a certificate lives for less than what is remembered of a clock, and who hears nobody hears no correction.
   */
  now(): number {
    return Math.floor(Math.max(this.#clocks.wall(), this.#since('issued')));
  }

  /** For the dates of metadata. */
  trustNow(): number {
    return Math.floor(Math.max(this.now(), this.#since('stamped'), this.#since('seen')));
  }

  /** The device's own certificate begins then. It came by the owner's hand, and is the first that a device without a clock knows of time. */
  began(notBefore: number): void {
    if (notBefore > this.#since('issued')) this.#learn({ issued: notBefore });
  }

  /**
   * The CA signed a certificate of another that begins then. The CA dates nothing further ahead than clocks differ: where the own clock is believed,
   * what is past that is a fault of the CA's, and says that now is come and no more. Not so much as the whole difference, lest the own clock be
   * no more believed once it is set back by a second, and the next one count in full.
   */
  issuedAt(notBefore: number): void {
    const wall = Math.floor(this.#clocks.wall());
    const isTooFar = this.believed && notBefore > wall + MAX_CLOCK_AHEAD_SECONDS;
    this.began(isTooFar ? wall : notBefore);
  }

  /**
   * A bundle was signed then. Where root gave the timestamp role other keys, what those before said of time is forgotten, and what the own
   * clock showed while they were believed: that is how a fleet recovers from a thief who dated its metadata ahead.
   * @returns the time at which the bundle is to be judged
   */
  bundleAt(signedAt: number | undefined, keys: string): number {
    if (keys !== this.#memory.keys) {
      const anew = this.#memory.keys === '' ? {} : { stamped: 0, seen: 0 };
      this.#learn({ keys, ...anew });
    }
    if (signedAt !== undefined && signedAt > this.#since('stamped')) this.#learn({ stamped: signedAt });
    return this.trustNow();
  }

  /** Remembers what the own clock shows: call where something is judged by it, and now and then. */
  look(): void {
    const wall = Math.floor(this.#clocks.wall());
    const signed = Math.max(this.#memory.issued, this.#memory.stamped);
    if (wall > this.#memory.seen && wall <= signed + MAX_LEAD_SECONDS) this.#learn({ seen: wall });
  }

  #learn(change: Partial<ClockMemory>): void {
    this.#memory = { ...this.#memory, ...change };
    const now = this.#clocks.now();
    for (const what of ['issued', 'stamped', 'seen'] as const)
      if (change[what] !== undefined) this.#learned[what] = now;
  }

  #since(what: 'issued' | 'stamped' | 'seen'): number {
    const known = this.#memory[what];
    return known === 0 ? 0 : known + (this.#clocks.now() - this.#learned[what]) / 1000;
  }
}

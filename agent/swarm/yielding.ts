import { MAX_OUTSTANDING_BYTES } from './limits.js';

/**
 * How much a transfer may ask for while another one comes before it (P-10.12): nothing, save that it tries now and then whether the link has
 * room for both. Pure: time comes in.
 */

/** Nothing is asked for so long, to see what the others are brought without it: three looks. */
export const QUIET_MS = 3_000;
/** After a try that took from the others: so many times what it took, a tenth of the time. Over a link of 3 kB/s one chunk takes half a minute. */
export const QUIET_FACTOR = 9;
/** Neither is it quiet for longer than this, nor does it wait for longer for what it asked for, lest who holds that back has it wait for ever. */
export const MAX_WAIT_MS = 300_000;
/** How long a try is looked at before it may grow: a round trip over the worst link, and some chunks of a usual one. */
export const LOOK_MS = 1_000;
/** A try begins with an average chunk of a small artifact, and doubles. One chunk is asked for however long it is. */
export const TRY_BYTES = 64 * 1024;
/** A try that takes nothing ends all the same: what the others could have had is not seen while it lasts. */
export const TRY_MS = 30_000;
/** Who is brought less than this part of what came without the try has lost it to the try. Rates of a second differ by a fifth. */
export const KEEPS = 0.75;

type Phase = 'draining' | 'quiet' | 'trying';

export class Yielding {
  #phase: Phase = 'draining';
  #since: number;
  #triedAt: number;
  #tookFromOthers = false;
  #quietMs = QUIET_MS;
  /** What came for the others since the look, or the quiet, began. */
  #bytes = 0;
  #bytesSince: number;
  /** Bytes per second that the others were brought in the quiet. */
  #undisturbed = 0;
  #allowance = 0;

  /** @param now monotonic ms; another came before it just now */
  constructor(now: number) {
    this.#since = now;
    this.#triedAt = now;
    this.#bytesSince = now;
  }

  /** Bytes that may be asked for and not yet here; one chunk more is never too much where it is above what is. */
  get allowance(): number {
    return this.#allowance;
  }

  /** @param outstanding bytes that it asked for and that are not here yet; @param others bytes that came since the last call for those before it */
  look(now: number, outstanding: number, others: number): void {
    this.#bytes += others;
    if (this.#phase === 'draining') this.#drain(now, outstanding);
    else if (this.#phase === 'quiet') this.#listen(now);
    else if (now >= this.#bytesSince + LOOK_MS) this.#judge(now);
  }

  #drain(now: number, outstanding: number): void {
    if (outstanding > 0 && now < this.#since + MAX_WAIT_MS) return;
    const tookMs = QUIET_FACTOR * (now - this.#triedAt);
    this.#quietMs = this.#tookFromOthers ? Math.min(MAX_WAIT_MS, Math.max(QUIET_MS, tookMs)) : QUIET_MS;
    this.#enter('quiet', now);
  }

  #listen(now: number): void {
    if (now < this.#since + this.#quietMs) return;
    this.#undisturbed = this.#rate(now);
    this.#triedAt = now;
    this.#allowance = TRY_BYTES;
    this.#enter('trying', now);
  }

  #judge(now: number): void {
    this.#tookFromOthers = this.#rate(now) < KEEPS * this.#undisturbed;
    if (this.#tookFromOthers || now >= this.#triedAt + TRY_MS) {
      this.#allowance = 0;
      this.#enter('draining', now);
      return;
    }
    this.#allowance = Math.min(MAX_OUTSTANDING_BYTES, this.#allowance * 2);
    this.#measureAnew(now);
  }

  #enter(phase: Phase, now: number): void {
    this.#phase = phase;
    this.#since = now;
    this.#measureAnew(now);
  }

  #measureAnew(now: number): void {
    this.#bytes = 0;
    this.#bytesSince = now;
  }

  #rate(now: number): number {
    return (this.#bytes * 1000) / Math.max(1, now - this.#bytesSince);
  }
}

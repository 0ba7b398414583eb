import { MAX_OUTSTANDING_BYTES, STALL_MS } from './limits.js';

/**
 * How much a transfer may ask for while another one comes before it (P-10.12): nothing, save that it tries now and then whether the link has
 * room for both. Pure: time comes in.
 */

/** Nothing is asked for so long, to see what the others are brought without it: who counts as fed was brought something in that time. */
export const QUIET_MS = STALL_MS;
/** After a try that took from the others: so many times as long as it did, a tenth of the time. Over a link of 3 kB/s one chunk takes half a minute. */
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
/** What the others may lack of that in STALL_MS: a few datagrams late are no loss, and a link of 3 kB/s carries four times as much. */
export const SPARED_BYTES = 4 * 1024;

type Phase = 'draining' | 'quiet' | 'trying';
type Verdict = 'takes' | 'leaves' | 'unclear';

export class Yielding {
  #phase: Phase = 'draining';
  #since: number;
  #triedAt: number;
  /** From when on the last try took from the others, at the earliest; undefined where it did not. */
  #tookSince: number | undefined;
  #quietMs = QUIET_MS;
  /** What comes for the others since the quiet, or the try, began, or the try last grew. */
  #span: Span;
  /** What they were brought in the last quiet. */
  #undisturbed: Span;
  #allowance = 0;

  /** @param now monotonic ms; another came before it just now */
  constructor(now: number) {
    this.#since = now;
    this.#triedAt = now;
    this.#span = new Span(now);
    this.#undisturbed = this.#span;
  }

  /** Bytes that may be asked for and not yet here; one chunk more is never too much where it is above what is. */
  get allowance(): number {
    return this.#allowance;
  }

  /** @param outstanding bytes that it asked for and that are not here yet; @param others bytes that came since the last call for those before it */
  look(now: number, outstanding: number, others: number): void {
    const looked = this.#span.add(now, others);
    if (this.#phase === 'draining') this.#drain(now, outstanding);
    else if (this.#phase === 'quiet') this.#listen(now);
    else if (looked) this.#judge(now);
  }

  #drain(now: number, outstanding: number): void {
    if (outstanding > 0 && now < this.#since + MAX_WAIT_MS) return;
    const tookMs = now - (this.#tookSince ?? now);
    this.#quietMs = Math.min(MAX_WAIT_MS, Math.max(QUIET_MS, QUIET_FACTOR * tookMs));
    this.#enter('quiet', now);
  }

  #listen(now: number): void {
    if (now < this.#since + this.#quietMs) return;
    this.#undisturbed = this.#span;
    this.#triedAt = now;
    this.#allowance = TRY_BYTES;
    this.#enter('trying', now);
  }

  #judge(now: number): void {
    const verdict = this.#verdict();
    this.#tookSince = verdict === 'takes' ? this.#span.from : undefined;
    if (verdict === 'takes' || now >= this.#triedAt + TRY_MS) {
      this.#allowance = 0;
      this.#enter('draining', now);
    } else if (verdict === 'leaves') {
      this.#allowance = Math.min(MAX_OUTSTANDING_BYTES, this.#allowance * 2);
      this.#span = new Span(now);
    }
  }

  /** What comes in bursts lacks in most seconds, so that only one slower than each of the quiet tells anything before STALL_MS are over. */
  #verdict(): Verdict {
    const { bytes, ms, lastRate } = this.#span;
    const { rate, leastRate, mostBytes } = this.#undisturbed;
    const expected = (rate * Math.min(ms, STALL_MS)) / 1000;
    const lacking = expected - bytes;
    if (bytes >= KEEPS * expected || (rate * STALL_MS) / 1000 <= SPARED_BYTES) return 'leaves';
    if (lastRate < KEEPS * leastRate && lacking > SPARED_BYTES) return 'takes';
    if (ms < STALL_MS) return 'unclear';
    // Of what comes in bursts the quiet may have seen one more.
    return lacking > Math.max(SPARED_BYTES, mostBytes) ? 'takes' : 'leaves';
  }

  #enter(phase: Phase, now: number): void {
    this.#phase = phase;
    this.#since = now;
    this.#span = new Span(now);
  }
}

/** What came in a time, in looks of LOOK_MS or somewhat more. */
class Span {
  bytes = 0;
  /** Bytes per second of the last look, and of the slowest; and the bytes of the one that brought most. */
  lastRate = 0;
  leastRate = Number.POSITIVE_INFINITY;
  mostBytes = 0;
  readonly from: number;
  #now: number;
  #lookedAt: number;
  #lookBytes = 0;

  constructor(now: number) {
    this.from = now;
    this.#now = now;
    this.#lookedAt = now;
  }

  get ms(): number {
    return this.#now - this.from;
  }

  /** Bytes per second. */
  get rate(): number {
    return (this.bytes * 1000) / Math.max(1, this.ms);
  }

  /** @returns whether a look ends with it */
  add(now: number, bytes: number): boolean {
    this.#now = now;
    this.bytes += bytes;
    this.#lookBytes += bytes;
    const ms = now - this.#lookedAt;
    if (ms < LOOK_MS) return false;
    this.lastRate = (this.#lookBytes * 1000) / ms;
    this.leastRate = Math.min(this.leastRate, this.lastRate);
    this.mostBytes = Math.max(this.mostBytes, this.#lookBytes);
    this.#lookedAt = now;
    this.#lookBytes = 0;
    return true;
  }
}

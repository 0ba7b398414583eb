/** RFC 6817 §2.5: a base delay is the least of so many... */
const BASE_HISTORY = 10;
/** ...spans of this length: a path that grew longer is believed after ten minutes. */
const BASE_SPAN_MS = 60_000;
/** RFC 6817 §2.5: the delay of now is the least of so many samples: one late packet is no queue. */
const CURRENT_SAMPLES = 4;
/** Samples of the time in which a queue filled up and overflowed. */
const RECENT_SAMPLES = 16;
const RECENT_MASK = RECENT_SAMPLES - 1;
/** The share that a new sample has in the spread. */
const SPREAD_MEMORY = 1 / 32;

/**
 * What the peer's clock is taken to lose against ours. One that the kernel disciplines is far better; crystals alone lie up to some 50
 * parts in a million apart (RFC 6817 §A.1), which is 12 ms more over the whole history. More than this would make up a queue of our own.
 */
const CLOCK_SKEW = 3e-5;
/** How fast a base follows that cannot be true. Milliseconds a millisecond: faster than clocks drift, and slower than noise adds up. */
const BASE_RISE = 2e-4;
/** So much of a round trip is believed to be a queue on the way back, and no more: who lies about when packets came gains no more than that. */
const MAX_BACK_MS = 200;
/** RFC 9002 §5.3 */
const BACK_MEMORY = 1 / 8;

/** The least of what was seen over the last minutes. */
class Base {
  least = Number.POSITIVE_INFINITY;
  readonly #spans = new Float64Array(BASE_HISTORY).fill(Number.POSITIVE_INFINITY);
  #span = 0;
  #spanAt = Number.NEGATIVE_INFINITY;

  onSample(now: number, value: number): void {
    if (now - this.#spanAt >= BASE_SPAN_MS) this.#beginSpan(now);
    this.#spans[this.#span] = Math.min(this.#spans[this.#span] ?? value, value);
    this.least = Math.min(this.least, value);
  }

  raise(least: number): void {
    this.least = least;
    for (let i = 0; i < BASE_HISTORY; i++) this.#spans[i] = Math.max(this.#spans[i] ?? least, least);
  }

  #beginSpan(now: number): void {
    this.#spanAt = now;
    this.#span = (this.#span + 1) % BASE_HISTORY;
    this.#spans[this.#span] = Number.POSITIVE_INFINITY;
    this.least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < BASE_HISTORY; i++) this.least = Math.min(this.least, this.#spans[i] ?? this.least);
  }
}

/**
 * How long packets wait in queues on their way to the peer: the round trip of now less that of an empty path, less what the way back
 * has grown by. Without the last, who sends and receives at once gives way to its own other direction. All in milliseconds.
 */
export class QueueDelay {
  /** How long what comes back waits, smoothed. */
  backMs = 0;
  /** How far samples lie above the least of those around them: what the path's own unrest looks like. */
  spreadMs = 0;
  readonly #roundTrip = new Base();
  readonly #forward = new Base();
  readonly #recent = new Float64Array(RECENT_SAMPLES).fill(Number.POSITIVE_INFINITY);
  #next = 0;
  #checkedAt = Number.POSITIVE_INFINITY;

  /** The round trip of an empty path; Infinity while unknown. */
  get baseMs(): number {
    return this.#roundTrip.least;
  }

  /** The round trip of now, without a queue on the way back; Infinity while unknown. */
  get currentMs(): number {
    const recent = this.#recent;
    let least = Number.POSITIVE_INFINITY;
    for (let i = 1; i <= CURRENT_SAMPLES; i++) least = Math.min(least, recent[(this.#next - i) & RECENT_MASK] ?? least);
    return least;
  }

  /** 0 while unknown. */
  get queueMs(): number {
    const { currentMs } = this;
    return currentMs === Number.POSITIVE_INFINITY ? 0 : Math.max(0, currentMs - this.baseMs);
  }

  /** The most of the last RECENT_SAMPLES: how deep a queue is that overflowed of late. 0 while unknown. */
  get peakMs(): number {
    let most = 0;
    for (const seenMs of this.#recent)
      if (seenMs !== Number.POSITIVE_INFINITY) most = Math.max(most, seenMs - this.baseMs);
    return most;
  }

  /**
   * @param rttMs less the delay that the peer names.
   * @param forwardMs of the packet by two clocks, as in AckSample; NaN where unknown.
   * @returns the round trip as it would be without a queue on the way back.
   */
  onSample(now: number, rttMs: number, forwardMs: number): number {
    this.#roundTrip.onSample(now, rttMs);
    const seenMs = this.baseMs + this.#queueOf(now, rttMs, forwardMs);
    this.#recent[this.#next] = seenMs;
    this.#next = (this.#next + 1) & RECENT_MASK;
    this.spreadMs += SPREAD_MEMORY * (seenMs - this.currentMs - this.spreadMs);
    return seenMs;
  }

  /** What was seen of late holds no more: the sender has made room since. */
  forgetRecent(): void {
    this.#recent.fill(Number.POSITIVE_INFINITY);
  }

  /** No queue is longer than the round trip has grown by: a base that says so is of a clock that has drifted since. */
  #checkForward(now: number, least: number): void {
    const raised = this.#forward.least + BASE_RISE * (now - this.#checkedAt);
    this.#checkedAt = now;
    if (least > this.#forward.least) this.#forward.raise(Math.min(least, raised));
  }

  #queueOf(now: number, rttMs: number, forwardMs: number): number {
    const bothWays = rttMs - this.baseMs;
    if (Number.isNaN(forwardMs)) return bothWays;
    const drifted = forwardMs + CLOCK_SKEW * now;
    this.#forward.onSample(now, drifted);
    this.#checkForward(now, drifted - bothWays);
    const there = Math.min(bothWays, Math.max(drifted - this.#forward.least, bothWays - MAX_BACK_MS));
    this.backMs += BACK_MEMORY * (bothWays - there - this.backMs);
    return there;
  }
}

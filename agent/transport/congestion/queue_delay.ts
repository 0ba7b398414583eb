/** RFC 6817 §2.5: a base delay is the least of so many... */
const BASE_HISTORY = 10;
/** ...spans of this length: a path that grew longer is believed after ten minutes. */
const BASE_SPAN_MS = 60_000;
/** RFC 6817 §2.5: the delay of now is the least of so many samples: one late packet is no queue. */
const CURRENT_SAMPLES = 4;
/** The share that a new sample has in the spread. */
const SPREAD_MEMORY = 1 / 32;

/** How long packets wait in queues: the round trip of now less that of an empty path. All in milliseconds. */
export class QueueDelay {
  /** How far samples lie above the least of those around them: what the path's own unrest looks like. */
  spreadMs = 0;
  readonly #spans = new Float64Array(BASE_HISTORY).fill(Number.POSITIVE_INFINITY);
  #span = 0;
  #spanAt = Number.NEGATIVE_INFINITY;
  readonly #recent = new Float64Array(CURRENT_SAMPLES).fill(Number.POSITIVE_INFINITY);
  #next = 0;
  #baseMs = Number.POSITIVE_INFINITY;

  /** The round trip of an empty path; Infinity while unknown. */
  get baseMs(): number {
    return this.#baseMs;
  }

  get currentMs(): number {
    const recent = this.#recent;
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < CURRENT_SAMPLES; i++) least = Math.min(least, recent[i] ?? least);
    return least;
  }

  /** 0 while unknown. */
  get queueMs(): number {
    const { currentMs } = this;
    return currentMs === Number.POSITIVE_INFINITY ? 0 : Math.max(0, currentMs - this.#baseMs);
  }

  /** @param rttMs less the delay that the peer names. */
  onSample(now: number, rttMs: number): void {
    if (now - this.#spanAt >= BASE_SPAN_MS) this.#beginSpan(now);
    this.#spans[this.#span] = Math.min(this.#spans[this.#span] ?? rttMs, rttMs);
    this.#baseMs = Math.min(this.#baseMs, rttMs);
    this.#recent[this.#next] = rttMs;
    this.#next = (this.#next + 1) % CURRENT_SAMPLES;
    this.spreadMs += SPREAD_MEMORY * (rttMs - this.currentMs - this.spreadMs);
  }

  /** What was seen of late holds no more: the sender has made room since. */
  forgetRecent(): void {
    this.#recent.fill(Number.POSITIVE_INFINITY);
  }

  #beginSpan(now: number): void {
    this.#spanAt = now;
    this.#span = (this.#span + 1) % BASE_HISTORY;
    this.#spans[this.#span] = Number.POSITIVE_INFINITY;
    this.#baseMs = Number.POSITIVE_INFINITY;
    for (let i = 0; i < BASE_HISTORY; i++) this.#baseMs = Math.min(this.#baseMs, this.#spans[i] ?? this.#baseMs);
  }
}

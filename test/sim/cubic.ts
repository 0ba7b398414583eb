/** RFC 9438 §4.1, §4.6, §4.7; windows in segments, times in milliseconds. */
const C = 0.4;
const BETA = 0.7;
const ALPHA = (3 * (1 - BETA)) / (1 + BETA);
/** RFC 6928 */
const INITIAL_WINDOW = 10;
const MIN_WINDOW = 2;
/** RFC 9406 §4.2: HyStart++. */
const MIN_RTT_THRESHOLD_MS = 4;
const MAX_RTT_THRESHOLD_MS = 16;
const RTT_DIVISOR = 8;
const RTT_SAMPLES = 8;
const CSS_GROWTH_DIVISOR = 4;
const CSS_ROUNDS = 5;

/** The window of a CUBIC sender, as Linux has been sending for twenty years: the traffic that ours is to live beside. */
export class Cubic {
  window = INITIAL_WINDOW;
  #threshold = Number.POSITIVE_INFINITY;
  #maxWindow = 0;
  #k = 0;
  #epochAt = -1;
  #epochWindow = 0;
  /** What Reno would have (RFC 9438 §4.3). */
  #renoWindow = 0;
  // HyStart++
  #roundEnd = -1;
  #roundMin = Number.POSITIVE_INFINITY;
  #lastRoundMin = Number.POSITIVE_INFINITY;
  #samples = 0;
  #conservativeRounds = -1;
  #baseline = Number.POSITIVE_INFINITY;

  get inSlowStart(): boolean {
    return this.window < this.#threshold;
  }

  onRtt(rtt: number): void {
    this.#roundMin = Math.min(this.#roundMin, rtt);
    this.#samples++;
    if (!this.inSlowStart || this.#samples < RTT_SAMPLES) return;
    if (this.#conservativeRounds >= 0) {
      if (this.#roundMin < this.#baseline) this.#conservativeRounds = -1;
      return;
    }
    const threshold = Math.min(Math.max(this.#lastRoundMin / RTT_DIVISOR, MIN_RTT_THRESHOLD_MS), MAX_RTT_THRESHOLD_MS);
    if (this.#lastRoundMin !== Number.POSITIVE_INFINITY && this.#roundMin >= this.#lastRoundMin + threshold) {
      this.#baseline = this.#roundMin;
      this.#conservativeRounds = 0;
    }
  }

  /** @param acked the number in sending order of the newest that came; @param sent of the next to be sent. */
  onRound(acked: number, sent: number): void {
    if (acked < this.#roundEnd) return;
    this.#roundEnd = sent;
    this.#lastRoundMin = this.#roundMin;
    this.#roundMin = Number.POSITIVE_INFINITY;
    this.#samples = 0;
    if (this.#conservativeRounds < 0) return;
    this.#conservativeRounds++;
    if (this.#conservativeRounds >= CSS_ROUNDS) this.#threshold = Math.min(this.#threshold, this.window);
  }

  onAcked(now: number, segments: number, srtt: number, _order: number): void {
    if (this.inSlowStart) {
      this.window += this.#conservativeRounds >= 0 ? segments / CSS_GROWTH_DIVISOR : segments;
      return;
    }
    if (this.#epochAt < 0) this.#beginEpoch(now);
    // §4.2: where the curve is one round trip from now, but at most half as much again.
    const t = (now - this.#epochAt + srtt) / 1000 - this.#k;
    const curve = C * t * t * t + this.#maxWindow;
    const target = Math.min(Math.max(curve, this.window), 1.5 * this.window);
    this.#renoWindow += ((this.#renoWindow < this.#epochWindow / BETA ? ALPHA : 1) * segments) / this.window;
    this.window = Math.max(this.window + ((target - this.window) * segments) / this.window, this.#renoWindow);
  }

  /** §4.6, §4.7; once for the losses of one round trip. */
  onLoss(_now: number): void {
    this.#maxWindow = this.window < this.#maxWindow ? (this.window * (1 + BETA)) / 2 : this.window;
    this.window = Math.max(this.window * BETA, MIN_WINDOW);
    this.#threshold = this.window;
    this.#epochAt = -1;
  }

  onTimeout(now: number): void {
    this.onLoss(now);
    this.window = 1;
    this.#roundEnd = -1;
    this.#conservativeRounds = -1;
  }

  #beginEpoch(now: number): void {
    this.#epochAt = now;
    this.#epochWindow = this.window;
    this.#renoWindow = this.window;
    this.#maxWindow = Math.max(this.#maxWindow, this.window);
    this.#k = Math.cbrt((this.#maxWindow - this.window) / C);
  }
}

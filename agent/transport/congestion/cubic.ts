/** RFC 9438 §5: datagrams per second cubed. */
const C = 2;
/** RFC 9438 §4.6 */
const BETA = 0.7;
const FIRST_BETA = 0.85;
const BETA_STEP = 0.05;
const LAST_BETA = 0.5;
/** RFC 9438 §4.3 */
const RENO_GROWTH = (3 * (1 - BETA)) / (1 + BETA);
/** RFC 9438 §4.2: no more growth in a round trip. */
const MAX_GROWTH = 1.5;

/** The window that TCP would have (RFC 9438 §4): how much to take where others that fill queues are. Bytes, milliseconds. */
export class Cubic {
  windowBytes = 0;
  #datagramBytes: number;
  #maxBytes = 0;
  /** Seconds from the last reduction until the window is back where it was. */
  #k = 0;
  #epochAt = -1;
  #renoBytes = 0;
  #priorBytes = 0;
  #kept = 1;

  constructor(datagramBytes: number) {
    this.#datagramBytes = datagramBytes;
  }

  /** Begins at what is in flight. @param maxBytes where to it grows without hesitation. */
  begin(windowBytes: number, maxBytes: number): void {
    this.windowBytes = windowBytes;
    this.#maxBytes = maxBytes;
    this.#epochAt = -1;
  }

  onAcked(now: number, bytes: number, rttMs: number): void {
    const datagram = this.#datagramBytes;
    if (this.#epochAt < 0) this.#beginEpoch(now);
    const t = (now - this.#epochAt + rttMs) / 1000 - this.#k;
    const curve = this.#maxBytes + C * t * t * t * datagram;
    const target = Math.min(Math.max(curve, this.windowBytes), MAX_GROWTH * this.windowBytes);
    const growth = this.#renoBytes < this.#maxBytes ? RENO_GROWTH : 1;
    this.#renoBytes += (growth * datagram * bytes) / this.windowBytes;
    this.windowBytes += ((target - this.windowBytes) * bytes) / this.windowBytes;
    this.windowBytes = Math.max(this.windowBytes, this.#renoBytes);
  }

  /** RFC 9438 §4.6, §4.7; for the first loss of a round trip. */
  onCongestion(): void {
    const { windowBytes } = this;
    this.#maxBytes = windowBytes < this.#maxBytes ? (windowBytes * (1 + BETA)) / 2 : windowBytes;
    this.#priorBytes = windowBytes;
    this.#kept = FIRST_BETA;
    this.windowBytes = windowBytes * FIRST_BETA;
    this.#epochAt = -1;
  }

  /** For each further one of the same round trip: who has more in a full queue loses more, and gives more back. */
  onFurtherLoss(): void {
    if (this.#kept <= LAST_BETA) return;
    this.#kept -= BETA_STEP;
    this.windowBytes = Math.min(this.windowBytes, this.#priorBytes * this.#kept);
    this.#epochAt = -1;
  }

  onDatagramBytes(datagramBytes: number): void {
    this.#datagramBytes = datagramBytes;
  }

  #beginEpoch(now: number): void {
    this.#epochAt = now;
    this.#renoBytes = this.windowBytes;
    this.#maxBytes = Math.max(this.#maxBytes, this.windowBytes);
    this.#k = Math.cbrt((this.#maxBytes - this.windowBytes) / this.#datagramBytes / C);
  }
}

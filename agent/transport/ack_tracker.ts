import { type AckFrame, MAX_ACK_INTERVALS } from '../../shared/wire/frames/ack.js';

/** P-8.3 */
export const ACK_DELAY_MS = 20;
/** P-8.3 */
export const ACK_EVERY_PACKETS = 8;
/**
 * P-8.3: with two packets (RFC 9000 §13.2.2), so long after the last ACK: a window of fewer than ACK_EVERY_PACKETS would else be spent
 * once in ACK_DELAY_MS, which on a short path is many round trips.
 */
export const ACK_SPACING_MS = 4;
const ACK_FROM_PACKETS = 2;

/**
 * What was received and when that is to be acknowledged (P-7.3, P-8.3). Intervals of packet numbers, the highest first,
 * both ends included, as many as an ACK holds: where there are more, the lowest are forgotten.
 */
export class AckTracker {
  readonly #low = new Float64Array(MAX_ACK_INTERVALS);
  readonly #high = new Float64Array(MAX_ACK_INTERVALS);
  #count = 0;
  #largestAt = 0;
  /** P-7.3: the clock of `arrival` begins with the first packet, and tells nothing else of this process. */
  #epoch = Number.NaN;
  #waiting = 0;
  #deadline = Number.POSITIVE_INFINITY;
  #sentAt = Number.NEGATIVE_INFINITY;

  /** When an ACK is due: Infinity while nothing waits for one, in the past when it is due at once. */
  get deadline(): number {
    return this.#deadline;
  }

  /** Packets that asked for acknowledgement since the last ACK. */
  get waiting(): number {
    return this.#waiting;
  }

  /** @param eliciting whether the packet asks for acknowledgement (P-7.1). @param sparing whether ACKs take from a ceiling. */
  onPacket(now: number, packet: number, eliciting: boolean, sparing = false): void {
    const largest = this.#count === 0 ? -1 : (this.#high[0] ?? -1);
    this.#insert(packet);
    this.#forgetFar();
    if (Number.isNaN(this.#epoch)) this.#epoch = now;
    if (packet > largest) this.#largestAt = now;
    if (!eliciting) return;
    this.#waiting++;
    // P-8.3: a gap is loss that the sender had better hear of, and a packet that fills one, loss that was none.
    const gap = packet !== largest + 1;
    const atOnce = gap || this.#waiting >= ACK_EVERY_PACKETS;
    this.#deadline = Math.min(this.#deadline, atOnce ? now : this.#dueAt(now, sparing));
  }

  #dueAt(now: number, sparing: boolean): number {
    if (sparing || this.#waiting < ACK_FROM_PACKETS) return now + ACK_DELAY_MS;
    return Math.max(now, this.#sentAt + ACK_SPACING_MS);
  }

  /** Fills `ack` with what is to be acknowledged. False where nothing was received. */
  fill(now: number, ack: AckFrame): boolean {
    if (this.#count === 0) return false;
    ack.count = this.#count;
    ack.delayMicros = Math.max(0, Math.round((now - this.#largestAt) * 1000));
    ack.arrivalMicros = Math.round((this.#largestAt - this.#epoch) * 1000) >>> 0;
    ack.low.set(this.#low);
    ack.high.set(this.#high);
    return true;
  }

  onAckSent(now: number): void {
    this.#sentAt = now;
    this.#waiting = 0;
    this.#deadline = Number.POSITIVE_INFINITY;
  }

  /** RFC 9000 §13.2.4: the peer has an ACK of ours that went up to `packet`, so it need not be told of those again. */
  forgetUpTo(packet: number): void {
    while (this.#count > 1 && (this.#high[this.#count - 1] ?? 0) <= packet) this.#count--;
    const last = this.#count - 1;
    if (last >= 0 && (this.#low[last] ?? 0) <= packet) {
      this.#low[last] = Math.min(packet + 1, this.#high[last] ?? 0);
    }
  }

  /** A gap in an ACK is a u32 (P-7.3), and a peer may jump further: what lies so far back is not acknowledged any more. */
  #forgetFar(): void {
    while (this.#count > 1 && (this.#high[0] ?? 0) - (this.#low[this.#count - 1] ?? 0) > 0xffff_ffff) this.#count--;
  }

  #insert(packet: number): void {
    const low = this.#low;
    const high = this.#high;
    let i = 0;
    while (i < this.#count && packet < (low[i] ?? 0) - 1) i++;
    if (i === this.#count || packet > (high[i] ?? 0) + 1) {
      this.#insertAt(i, packet);
      return;
    }
    if (packet === (high[i] ?? 0) + 1) high[i] = packet;
    else if (packet === (low[i] ?? 0) - 1) {
      low[i] = packet;
      if (i + 1 < this.#count && (high[i + 1] ?? 0) === packet - 1) this.#mergeBelow(i);
    }
  }

  #insertAt(i: number, packet: number): void {
    if (i === MAX_ACK_INTERVALS) return;
    this.#low.copyWithin(i + 1, i);
    this.#high.copyWithin(i + 1, i);
    this.#low[i] = packet;
    this.#high[i] = packet;
    this.#count = Math.min(this.#count + 1, MAX_ACK_INTERVALS);
  }

  #mergeBelow(i: number): void {
    this.#low[i] = this.#low[i + 1] ?? 0;
    this.#low.copyWithin(i + 1, i + 2);
    this.#high.copyWithin(i + 1, i + 2);
    this.#count--;
  }
}

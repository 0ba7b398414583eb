import type { AckSample } from './congestion.js';
import type { SentPackets } from './sent_packets.js';

/**
 * How fast what is sent arrives, one sample for each ACK (draft-ietf-ccwg-bbr-06 §4.1, docs/TRANSPORT.md): columns of the record
 * of sent packets, and one AckSample used over and over, so that a packet costs no allocation. Bytes, and milliseconds.
 */
export class DeliverySampler {
  readonly sample: AckSample = {
    now: 0,
    ackedBytes: 0,
    lostBytes: 0,
    priorInFlight: 0,
    inFlight: 0,
    delivered: 0,
    priorDelivered: 0,
    inFlightAtSend: 0,
    deliveryRate: 0,
    appLimited: true,
    rttMs: 0,
    forwardMs: Number.NaN,
  };
  readonly #sent: SentPackets;
  #deliveredBytes = 0;
  #deliveredAt: number;
  /** When the newest packet that is acknowledged left. */
  #firstSentAt = 0;
  #sendElapsed = 0;
  #ackElapsed = 0;
  /** Samples are limited by the application until so much is delivered: a bubble is in what is measured for a flight. */
  #appLimitedUntil = 0;

  constructor(now: number, sent: SentPackets) {
    this.#sent = sent;
    this.#deliveredAt = now;
  }

  /** A new flight is not charged for the silence before it. */
  beginFlight(now: number): void {
    this.#deliveredAt = now;
    this.#firstSentAt = now;
  }

  /** @param inFlight with this packet. @param appLimited whether there was less to send than the window let. */
  onSent(slot: number, inFlight: number, appLimited: boolean): void {
    const sent = this.#sent;
    if (appLimited) this.#appLimitedUntil = this.#deliveredBytes + inFlight;
    sent.delivered[slot] = this.#deliveredBytes;
    sent.deliveredAt[slot] = this.#deliveredAt;
    sent.firstSentAt[slot] = this.#firstSentAt;
    sent.inFlight[slot] = inFlight;
    sent.appLimited[slot] = this.#deliveredBytes < this.#appLimitedUntil ? 1 : 0;
  }

  begin(now: number, inFlight: number): AckSample {
    const { sample } = this;
    sample.now = now;
    sample.ackedBytes = 0;
    sample.lostBytes = 0;
    sample.priorInFlight = inFlight;
    sample.deliveryRate = 0;
    sample.rttMs = 0;
    sample.forwardMs = Number.NaN;
    return sample;
  }

  /** A packet of the ACK at hand: they are told from the highest down. */
  onAcked(slot: number, bytes: number): void {
    const { sample } = this;
    this.#deliveredBytes += bytes;
    this.#deliveredAt = sample.now;
    if (sample.ackedBytes === 0) this.#takeNewest(slot);
    sample.ackedBytes += bytes;
  }

  /** @param minRttMs over less than the shortest round trip a rate is an accident of how ACKs were bunched. */
  end(inFlight: number, minRttMs: number): AckSample {
    const { sample } = this;
    sample.inFlight = inFlight;
    sample.delivered = this.#deliveredBytes;
    const elapsed = Math.max(this.#sendElapsed, this.#ackElapsed);
    if (elapsed >= minRttMs && elapsed > 0) {
      sample.deliveryRate = (sample.delivered - sample.priorDelivered) / elapsed;
    }
    return sample;
  }

  #takeNewest(slot: number): void {
    const { sample } = this;
    const sent = this.#sent;
    const sentAt = sent.sentAt[slot] ?? 0;
    sample.priorDelivered = sent.delivered[slot] ?? 0;
    sample.inFlightAtSend = sent.inFlight[slot] ?? 0;
    sample.appLimited = sent.appLimited[slot] === 1;
    this.#sendElapsed = sentAt - (sent.firstSentAt[slot] ?? 0);
    this.#ackElapsed = sample.now - (sent.deliveredAt[slot] ?? 0);
    this.#firstSentAt = sentAt;
  }
}

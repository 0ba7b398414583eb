import { BASE_DATAGRAM_BYTES, MAX_PACKET_NUMBER } from '../../shared/limits.js';
import type { AckFrame } from '../../shared/wire/frames/ack.js';
import type { AckSample, CongestionController } from './congestion.js';
import { DeliverySampler } from './delivery.js';
import { LossDetector } from './loss.js';
import { Pacer } from './pacer.js';
import type { PathMtu } from './path_mtu.js';
import { PeerClock } from './peer_clock.js';
import { RateCap } from './rate_cap.js';
import { MAX_ACK_DELAY_MS, RttEstimator } from './rtt.js';
import { MAX_SPAN_PACKETS, SENT, SENT_RECORDS, SentPackets } from './sent_packets.js';

/** RFC 9002 §6.2.4: probes at a timeout. */
const PROBES_PER_TIMEOUT = 2;
/** Packets below the oldest in flight that an ACK may still show to be no losses. */
const SPURIOUS_DEPTH_PACKETS = 128;
/** A timer that comes this much late tells of a busy process, not of a lost packet: what has arrived is read first. */
const LATE_TIMER_MS = 20;
/** How long what has arrived has to be read in. */
const LATE_TIMER_GRACE_MS = 1;
/** No datagram is larger than what every ceiling gives in this time: over 5 s, one more or less is 2 %. */
const CAPPED_DATAGRAM_MS = 100;
/** P-6.4: packet numbers kept for saying goodbye. */
const CLOSING_NUMBERS = 16;
/** RFC 9002 §7.8: with less than this left of the window, the window is what limits. */
const LIMITED_BY_WINDOW_DATAGRAMS = 3;

/** Learns what became of what a packet carried, and takes it out of the record, so that it learns it once. */
export interface ContentSink {
  onContentAcked(sent: SentPackets, slot: number): void;
  onContentLost(sent: SentPackets, slot: number): void;
}

/** Loss recovery: the four units (RTT, loss, window, pacer) over the record of sent packets (P-8.1, P-8.4). */
export class Recovery {
  readonly rtt = new RttEstimator();
  loss = new LossDetector();
  readonly sent = new SentPackets();
  congestion: CongestionController;
  pacer: Pacer;
  /** P-7.12 */
  readonly peerCap = new RateCap();
  bytesInFlight = 0;
  packetsLost = 0;
  /** Probes that a timeout called for and that have not left: they pass the window (RFC 9002 §7.5). */
  probesOwed = 0;
  readonly #makeController: () => CongestionController;
  readonly #sink: ContentSink;
  readonly #caps: readonly RateCap[];
  readonly #mtu: PathMtu;
  #datagramBytes: number;
  #largestAcked = -1;
  #lossAt = Number.POSITIVE_INFINITY;
  // Not 0, for V8: the first time that is no small integer would be the end of all compiled code of this class, in the middle of a transfer.
  #lastElicitingSentAt = Number.NEGATIVE_INFINITY;
  #graceUntil = Number.NEGATIVE_INFINITY;
  #gracedDueAt = Number.NEGATIVE_INFINITY;
  /** Whether there was less to send than the window let when the last packet left. */
  appLimited = true;
  readonly #delivery: DeliverySampler;
  readonly #peerClock = new PeerClock();

  /** @param makeController for each path anew. @param caps what else holds this session's sending back, shared with others or not. */
  constructor(
    now: number,
    mtu: PathMtu,
    makeController: () => CongestionController,
    sink: ContentSink,
    caps: readonly RateCap[] = [],
  ) {
    this.#caps = [this.peerCap, ...caps];
    this.#mtu = mtu;
    this.#datagramBytes = mtu.bytes;
    this.#makeController = makeController;
    this.congestion = makeController();
    this.pacer = new Pacer(now, mtu.bytes);
    this.#sink = sink;
    this.#delivery = new DeliverySampler(now, this.sent);
  }

  /** P-6.4 */
  get isExhausted(): boolean {
    return this.sent.next >= MAX_PACKET_NUMBER - CLOSING_NUMBERS;
  }

  get windowIsOpen(): boolean {
    return this.bytesInFlight + this.#datagramBytes <= this.congestion.windowBytes && this.sent.span < MAX_SPAN_PACKETS;
  }

  maySend(now: number): boolean {
    return this.windowIsOpen && !this.isCapped(now) && this.pacer.maySend(now, this.congestion.pacingRate(this.rtt));
  }

  /** P-7.12: a ceiling lets nothing through. */
  get isHalted(): boolean {
    return this.#ceiling === 0;
  }

  /** Whether what leaves is held to a rate (P-7.12). */
  get hasCeiling(): boolean {
    return this.#ceiling !== Number.POSITIVE_INFINITY;
  }

  /** Whether a ceiling, and not the path, is what holds sending back. */
  isCapped(now: number): boolean {
    for (const cap of this.#caps) if (!cap.maySend(now)) return true;
    return false;
  }

  /** The largest datagram that suits every ceiling. */
  get cappedDatagramBytes(): number {
    return Math.max(BASE_DATAGRAM_BYTES, Math.floor((this.#ceiling * CAPPED_DATAGRAM_MS) / 1000));
  }

  /** The lowest of them; Infinity without any. Bytes per second. */
  get #ceiling(): number {
    let lowest = Number.POSITIVE_INFINITY;
    for (const cap of this.#caps) lowest = Math.min(lowest, cap.bytesPerSecond);
    return lowest;
  }

  /** When the pacer, and every ceiling, next lets a full datagram go. */
  get paceDeadline(): number {
    let at = this.pacer.nextSendAt(this.congestion.pacingRate(this.rtt));
    for (const cap of this.#caps) at = Math.max(at, cap.nextSendAt);
    return at;
  }

  /** Records the packet whose number is `sent.next`. @returns its slot, for what it carries. */
  onSent(now: number, bytes: number, eliciting: boolean): number {
    this.#evict(now);
    const { sent } = this;
    const slot = sent.record(eliciting ? SENT.outstanding : SENT.untracked, now, bytes);
    for (const cap of this.#caps) cap.onSent(now, bytes);
    if (!eliciting) return slot;
    if (this.bytesInFlight === 0) this.#delivery.beginFlight(now);
    this.bytesInFlight += bytes;
    this.#delivery.onSent(slot, this.bytesInFlight, this.appLimited);
    this.#lastElicitingSentAt = now;
    this.pacer.onSent(bytes);
    this.congestion.onPacketSent(now, bytes, this.bytesInFlight);
    return slot;
  }

  /** Leaves a packet number out, so that an ACK made up shows itself (RFC 9000 §21.4). */
  skip(now: number): void {
    this.#evict(now);
    this.sent.record(SENT.skipped, now, 0);
  }

  /** Call after what may have changed the size of a full datagram. */
  onDatagramBytes(): void {
    if (this.#datagramBytes === this.#mtu.bytes) return;
    this.#datagramBytes = this.#mtu.bytes;
    this.pacer.onDatagramBytes(this.#datagramBytes);
    this.congestion.onDatagramBytes(this.#datagramBytes);
  }

  /**
   * The peer is at another address (RFC 9000 §9.4). What is in flight to the old one is likely lost: probes find out at once.
   * @param rebound only its port changed: the path is the same as far as congestion goes.
   */
  onMoved(now: number, rebound: boolean): void {
    if (!rebound) {
      this.rtt.reset();
      this.loss = new LossDetector();
      this.congestion = this.#makeController();
      this.pacer = new Pacer(now, this.#datagramBytes);
    }
    if (this.bytesInFlight > 0) this.probesOwed = PROBES_PER_TIMEOUT;
  }

  /** @returns false where it acknowledges a packet never sent (P-7.3). */
  onAck(now: number, ack: AckFrame): boolean {
    const { sent, rtt } = this;
    const { largest } = ack;
    if (largest >= sent.next) return false;
    const sample = this.#delivery.begin(now, this.bytesInFlight);
    const fresh = sent.stateOf(largest) === SENT.outstanding;
    const largestSentAt = sent.sentAtOf(largest);
    const floor = sent.oldest - SPURIOUS_DEPTH_PACKETS;
    for (let i = 0; i < ack.count; i++) {
      const high = ack.high[i] ?? 0;
      if (high < floor) break;
      for (let packet = high; packet >= Math.max(ack.low[i] ?? 0, floor); packet--) {
        if (!this.#onPacketAcked(now, packet, sample)) return false;
      }
    }
    if (fresh) {
      const rttMs = Math.max(0, now - largestSentAt);
      rtt.onSample(now, rttMs, ack.delayMicros / 1000);
      sample.rttMs = Math.max(0, rttMs - Math.min(ack.delayMicros / 1000, MAX_ACK_DELAY_MS));
      sample.forwardMs = this.#peerClock.unroll(ack.arrivalMicros) / 1000 - largestSentAt;
    }
    this.#largestAcked = Math.max(this.#largestAcked, largest);
    if (sample.ackedBytes > 0) {
      this.loss.probeCount = 0;
      this.probesOwed = 0;
    }
    this.#detectLost(now);
    sent.advanceOldest();
    if (sample.ackedBytes > 0) {
      this.congestion.onAckDone(this.#delivery.end(this.bytesInFlight, rtt.minMs), rtt);
    }
    this.onDatagramBytes();
    return true;
  }

  /** The earlier of loss by time and probe timeout; Infinity with nothing in flight. */
  get deadline(): number {
    if (this.bytesInFlight === 0) return Number.POSITIVE_INFINITY;
    return Math.max(this.#dueAt, this.#graceUntil);
  }

  onTimer(now: number): void {
    const due = this.#dueAt;
    if (this.bytesInFlight === 0 || now < this.deadline) return;
    // Once for each deadline: a process that is always late must still recover.
    if (now - due > LATE_TIMER_MS && this.#gracedDueAt !== due) {
      this.#gracedDueAt = due;
      this.#graceUntil = now + LATE_TIMER_GRACE_MS;
      return;
    }
    if (this.#lossAt <= now) {
      this.#detectLost(now);
      return;
    }
    this.loss.probeCount++;
    this.probesOwed = PROBES_PER_TIMEOUT;
    if (!this.isCapped(now)) this.#passOn(PROBES_PER_TIMEOUT);
  }

  get #dueAt(): number {
    if (this.#lossAt !== Number.POSITIVE_INFINITY) return this.#lossAt;
    return this.loss.probeDeadline(this.#lastElicitingSentAt, this.rtt);
  }

  /** False for a number that was skipped, which nobody can have received. */
  #onPacketAcked(now: number, packet: number, sample: AckSample): boolean {
    const { sent } = this;
    const state = sent.stateOf(packet);
    if (state === SENT.skipped) return false;
    if (state === SENT.lost) this.#onSpurious(now, packet);
    if (state !== SENT.outstanding) return true;
    const slot = sent.slot(packet);
    const bytes = sent.bytesOf(packet);
    const sentAt = sent.sentAtOf(packet);
    sent.state[slot] = SENT.acked;
    this.bytesInFlight -= bytes;
    this.#delivery.onAcked(slot, bytes);
    this.#mtu.onAcked(sentAt, bytes);
    this.congestion.onAcked(now, sentAt, bytes, this.#limitedByWindow(sample.priorInFlight));
    this.#sink.onContentAcked(sent, slot);
    return true;
  }

  /** RFC 9002 §7.8 */
  #limitedByWindow(inFlight: number): boolean {
    const { windowBytes } = this.congestion;
    return inFlight + LIMITED_BY_WINDOW_DATAGRAMS * this.#datagramBytes >= windowBytes || inFlight > windowBytes / 2;
  }

  #onSpurious(now: number, packet: number): void {
    const { sent } = this;
    sent.state[sent.slot(packet)] = SENT.acked;
    this.packetsLost--;
    this.loss.onSpuriousLoss(this.#largestAcked - packet);
    this.congestion.onSpuriousLoss(now, sent.sentAtOf(packet), sent.bytesOf(packet));
  }

  /** RFC 9002 §6.1 and, over the runs of lost packets, §7.6. */
  #detectLost(now: number): void {
    const { sent, loss, rtt } = this;
    const delay = loss.lossDelayMs(rtt);
    this.#lossAt = Number.POSITIVE_INFINITY;
    let runStart = -1;
    let longestRun = 0;
    for (let packet = sent.oldest; packet <= this.#largestAcked; packet++) {
      const state = sent.stateOf(packet);
      if (state === SENT.acked) runStart = -1;
      if (state !== SENT.outstanding) continue;
      const sentAt = sent.sentAtOf(packet);
      if (!loss.isLost(packet, this.#largestAcked, sentAt, now, delay)) {
        this.#lossAt = Math.min(this.#lossAt, sentAt + delay);
        continue;
      }
      this.#lose(now, packet);
      if (sentAt <= rtt.firstSampleAt) continue;
      if (runStart < 0) runStart = sentAt;
      longestRun = Math.max(longestRun, sentAt - runStart);
    }
    if (longestRun > loss.persistentCongestionMs(rtt)) this.congestion.onPersistentCongestion(now);
    sent.advanceOldest();
  }

  #lose(now: number, packet: number): void {
    const { sent } = this;
    const slot = sent.slot(packet);
    const bytes = sent.bytesOf(packet);
    sent.state[slot] = SENT.lost;
    this.bytesInFlight -= bytes;
    this.packetsLost++;
    this.#delivery.sample.lostBytes += bytes;
    this.#mtu.onLost(sent.sentAtOf(packet), bytes);
    this.congestion.onLost(now, sent.sentAtOf(packet), bytes, sent.inFlight[slot] ?? 0);
    this.#sink.onContentLost(sent, slot);
  }

  /**
   * RFC 9002 §6.2.4: what the oldest packets carried goes into the probes. The packets stay in flight, hollow: no window
   * is taken back for a timeout (§7.5).
   */
  #passOn(count: number): void {
    const { sent } = this;
    let left = count;
    for (let packet = sent.oldest; packet < sent.next && left > 0; packet++) {
      const slot = sent.slot(packet);
      if (sent.state[slot] !== SENT.outstanding) continue;
      if (sent.part[slot] === null && sent.controls[slot] === null) continue;
      this.#sink.onContentLost(sent, slot);
      left--;
    }
  }

  /** The record that the next packet takes the place of is of a packet that nothing was heard of for 4,096 more. */
  #evict(now: number): void {
    const { sent } = this;
    const gone = sent.next - SENT_RECORDS;
    if (sent.stateOf(gone) !== SENT.outstanding) return;
    this.#lose(now, gone);
    sent.advanceOldest();
  }
}

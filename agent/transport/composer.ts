import { type Direction, SEAL_OVERHEAD_BYTES } from '../../shared/crypto/box.js';
import { BASE_DATAGRAM_BYTES } from '../../shared/limits.js';
import { writeHeader } from '../../shared/wire/datagram.js';
import { AckFrame, encodeAck } from '../../shared/wire/frames/ack.js';
import { type CloseReason, encodeClose } from '../../shared/wire/frames/close.js';
import { encodePadding } from '../../shared/wire/frames/padding.js';
import { encodePing } from '../../shared/wire/frames/ping.js';
import { encodePong } from '../../shared/wire/frames/pong.js';
import type { AckTracker } from './ack_tracker.js';
import type { Outbox } from './outbox.js';
import type { PathMtu } from './path_mtu.js';
import type { Paths } from './paths.js';
import type { Recovery } from './recovery.js';
import type { SessionOptions } from './session_types.js';

/** ACKs in a row that ask for nothing, before one does: else the peer never tells which of them it has (RFC 9000 §13.2.4). */
const MAX_PLAIN_ACKS = 32;
/** P-7.6: chunks come one after the other, and to tell a dozen peers of each by itself costs a datagram and an ACK each. */
export const HAVE_DELAY_MS = 20;
/** RFC 9000 §21.4: a packet number is skipped after each 256 to 1,279 others, at random. */
const MIN_SKIP_INTERVAL = 256;
const SKIP_INTERVAL_SPREAD = 1024;

/** RFC 8899 §4.3: from this probe timeout on, probes are of the base size: larger datagrams may be what the path drops. */
const SMALL_PROBES_FROM = 2;

/** An ACK is written at once after it is filled, so one serves all sessions. */
const ackFrame = new AckFrame();

/** Makes the datagrams of a session: numbers, fills, seals and records them. */
export class Composer {
  /** Where the datagram that was last made goes. */
  path = -1;
  /** Whether the datagram that was last made is a probe of the path's MTU. */
  probesMtu = false;
  /** A PING is wanted in the next datagram that may carry one. */
  pingOwed = false;
  /** When something that asks for acknowledgement last left. */
  elicitedAt: number;
  bytesSent = 0;
  datagramsSent = 0;
  readonly #direction: Direction;
  readonly #remoteId: Uint8Array;
  readonly #options: SessionOptions;
  readonly #mtu: PathMtu;
  readonly #outbox: Outbox;
  readonly #recovery: Recovery;
  readonly #paths: Paths;
  readonly #acks: AckTracker;
  #plainAcks = 0;
  /** When what is held is told by itself; Infinity where nothing waits to be told, or it was not looked at yet. */
  #haveAt = Number.POSITIVE_INFINITY;
  #untilSkip: number;

  constructor(
    options: SessionOptions,
    mtu: PathMtu,
    outbox: Outbox,
    recovery: Recovery,
    paths: Paths,
    acks: AckTracker,
  ) {
    this.#options = options;
    this.#direction = options.direction;
    this.#remoteId = Uint8Array.from(options.remoteId);
    this.#mtu = mtu;
    this.#outbox = outbox;
    this.#recovery = recovery;
    this.#paths = paths;
    this.#acks = acks;
    this.elicitedAt = options.now;
    this.#untilSkip = this.#drawSkip();
  }

  /** P-7.2: gives a PING its token back, over the path that it came by. 0 where none is owed. */
  pong(now: number, into: Buffer): number {
    const pong = this.#paths.takePong();
    if (pong === undefined) return 0;
    this.path = pong.path;
    let end = encodePong(into, SEAL_OVERHEAD_BYTES, pong.token);
    // All that is owed to one address in one datagram: nobody is to get more than was sent in his name.
    for (let more = this.#paths.takePong(pong.path); more !== undefined; more = this.#paths.takePong(pong.path)) {
      end = encodePong(into, end, more.token);
    }
    return this.#finish(now, into, end, false);
  }

  /** P-7.2: tries a candidate. 0 where none is due. */
  probe(now: number, into: Buffer): number {
    const path = this.#paths.takeDue(now);
    if (path < 0) return 0;
    this.path = path;
    return this.#finish(now, into, this.#writePing(now, into, SEAL_OVERHEAD_BYTES), false);
  }

  close(now: number, into: Buffer, reason: CloseReason): number {
    this.path = this.#paths.active;
    return this.#finish(now, into, encodeClose(into, SEAL_OVERHEAD_BYTES, reason), false);
  }

  /** The next datagram of an open session: an ACK that is due, what is to be said, DATA. 0 where none may leave now. */
  frames(now: number, into: Buffer): number {
    const recovery = this.#recovery;
    const probing = recovery.probesOwed > 0;
    const wanted = this.#hasToSay(now) && !recovery.isHalted;
    // P-7.12: what keeps a session alive passes every ceiling.
    const paced = wanted && recovery.maySend(now);
    const maySend = probing || paced || (this.pingOwed && recovery.windowIsOpen);
    if (!maySend && this.#acks.deadline > now) return 0;
    this.path = this.#paths.active;
    if (maySend && !probing) {
      const probeBytes = this.#mtu.due(now);
      if (probeBytes > 0 && paced && probeBytes <= recovery.cappedDatagramBytes && this.#outbox.queue.pendingBytes > 0)
        return this.#mtuProbe(now, into, probeBytes);
    }
    const acked = this.#acks.waiting > 0 && this.#acks.fill(now, ackFrame);
    const start = acked ? encodeAck(into, SEAL_OVERHEAD_BYTES, ackFrame) : SEAL_OVERHEAD_BYTES;
    const end = maySend
      ? this.#writeContent(now, into, start, probing, paced || !recovery.isCapped(now))
      : this.#afterPlainAck(now, into, start);
    if (end === SEAL_OVERHEAD_BYTES) return 0;
    const eliciting = end > start;
    recovery.appLimited = !this.#outbox.hasMoreThanHaves || recovery.isCapped(now);
    const length = this.#finish(now, into, end, eliciting);
    if (acked) this.#onAckSent(now, eliciting);
    return length;
  }

  /** When `frames` would have one by time alone. */
  get deadline(): number {
    const recovery = this.#recovery;
    const wanted = this.pingOwed || this.#outbox.hasMoreThanHaves;
    const wantedAt = wanted
      ? Number.NEGATIVE_INFINITY
      : this.#outbox.haves.isDirty
        ? this.#haveAt
        : Number.POSITIVE_INFINITY;
    const paced = recovery.windowIsOpen ? Math.max(wantedAt, recovery.paceDeadline) : Number.POSITIVE_INFINITY;
    return Math.min(paced, this.#acks.deadline);
  }

  /** P-7.6: what is held goes with all else, and waits a while for that. */
  #hasToSay(now: number): boolean {
    const outbox = this.#outbox;
    if (!outbox.haves.isDirty) {
      this.#haveAt = Number.POSITIVE_INFINITY;
      return !outbox.isEmpty;
    }
    if (this.#haveAt === Number.POSITIVE_INFINITY) this.#haveAt = now + HAVE_DELAY_MS;
    return now >= this.#haveAt || outbox.hasMoreThanHaves || this.#acks.deadline <= now;
  }

  #writeContent(now: number, into: Buffer, start: number, probing: boolean, mayPass: boolean): number {
    let at = start;
    if (this.pingOwed) at = this.#writePing(now, into, at);
    this.pingOwed = false;
    const small = probing && this.#recovery.loss.probeCount >= SMALL_PROBES_FROM;
    // P-7.12: what passes a ceiling is a PING, and not what may wait.
    if (mayPass) {
      const most = small ? BASE_DATAGRAM_BYTES : Math.min(this.#mtu.bytes, this.#recovery.cappedDatagramBytes);
      at = this.#outbox.write(into, at, most);
    }
    // RFC 9002 §6.2.4: a probe asks for acknowledgement even with nothing to say.
    if (probing && at === start) at = this.#writePing(now, into, at);
    if (probing) this.#recovery.probesOwed--;
    return at;
  }

  /** P-6.7: a PING, filled up. Not in flight: its loss is no sign of congestion, and there is nothing in it to send again. */
  #mtuProbe(now: number, into: Buffer, bytes: number): number {
    const token = this.#options.token();
    this.#paths.onPingSent(now, this.path, token, bytes);
    this.#mtu.onProbeSent(now, bytes, this.#recovery.rtt.probeTimeoutMs);
    const end = encodePing(into, SEAL_OVERHEAD_BYTES, token);
    const length = this.#finish(now, into, encodePadding(into, end, bytes - end), false);
    this.probesMtu = true;
    return length;
  }

  #afterPlainAck(now: number, into: Buffer, at: number): number {
    if (this.#plainAcks < MAX_PLAIN_ACKS || !this.#recovery.windowIsOpen) return at;
    return this.#writePing(now, into, at);
  }

  #writePing(now: number, into: Buffer, at: number): number {
    const token = this.#options.token();
    this.#paths.onPingSent(now, this.path, token);
    return encodePing(into, at, token);
  }

  #onAckSent(now: number, eliciting: boolean): void {
    this.#acks.onAckSent(now);
    this.#plainAcks = eliciting ? 0 : this.#plainAcks + 1;
    const { sent } = this.#recovery;
    sent.ackLargest[sent.slot(sent.next - 1)] = ackFrame.largest;
  }

  /** Seals what stands between the header and `end`. @param tracked whether it is in flight until acknowledged. */
  #finish(now: number, into: Buffer, end: number, tracked: boolean): number {
    const recovery = this.#recovery;
    this.probesMtu = false;
    if (--this.#untilSkip < 0) {
      this.#untilSkip = this.#drawSkip();
      recovery.skip(now);
    }
    writeHeader(into, this.#remoteId, recovery.sent.next);
    const length = this.#options.key.seal(this.#direction, into, end - SEAL_OVERHEAD_BYTES);
    const slot = recovery.onSent(now, length, tracked);
    if (tracked) {
      this.#outbox.commit(recovery.sent, slot);
      this.elicitedAt = now;
    }
    this.bytesSent += length;
    this.datagramsSent++;
    return length;
  }

  #drawSkip(): number {
    const [high = 0, low = 0] = this.#options.token();
    return MIN_SKIP_INTERVAL + ((high * 256 + low) % SKIP_INTERVAL_SPREAD);
  }
}

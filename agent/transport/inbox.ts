import type { AckFrame } from '../../shared/wire/frames/ack.js';
import type { CloseReason } from '../../shared/wire/frames/close.js';
import type { PeerName } from '../../shared/wire/frames/peers.js';
import type { RejectReason } from '../../shared/wire/frames/reject.js';
import type { FrameHandler } from '../../shared/wire/frames.js';
import type { AckTracker } from './ack_tracker.js';
import type { Outbox } from './outbox.js';
import type { PathMtu } from './path_mtu.js';
import { MAX_PENDING_PONGS, type Paths } from './paths.js';
import type { Recovery } from './recovery.js';
import type { SessionEvents } from './session_types.js';

/** Takes the frames of datagrams that opened and were well-formed. */
export class Inbox implements FrameHandler {
  /** Of the datagram at hand. */
  now = 0;
  path = 0;
  /** Whether the datagram at hand asks for acknowledgement (P-7.1). */
  eliciting = false;
  /** The path that has just answered, or -1. */
  opened = -1;
  /** The peer's CLOSE. */
  closed: CloseReason | null = null;
  /** The peer did what no honest one does. */
  violated = false;
  /** The session has ended: nothing more is handed on. */
  halted = false;
  unwantedBytes = 0;
  #packet = -1;
  /** In the datagram at hand. */
  #pings = 0;
  /** That of the LIMIT in force. */
  #limitPacket = -1;
  readonly #events: SessionEvents;
  readonly #outbox: Outbox;
  readonly #paths: Paths;
  readonly #recovery: Recovery;
  readonly #acks: AckTracker;
  readonly #mtu: PathMtu;
  readonly #take: (chunk: number, offset: number, bytes: Uint8Array) => void;

  constructor(events: SessionEvents, outbox: Outbox, paths: Paths, recovery: Recovery, acks: AckTracker, mtu: PathMtu) {
    this.#events = events;
    this.#outbox = outbox;
    this.#paths = paths;
    this.#recovery = recovery;
    this.#acks = acks;
    this.#mtu = mtu;
    this.#take = (chunk, offset, bytes) => {
      if (!this.#isOver) events.onData(chunk, offset, bytes);
    };
  }

  begin(now: number, path: number, packet: number): void {
    this.#packet = packet;
    this.now = now;
    this.path = path;
    this.eliciting = false;
    this.#pings = 0;
  }

  get #isOver(): boolean {
    return this.halted || this.violated || this.closed !== null;
  }

  onPing(token: Uint8Array): void {
    this.eliciting = true;
    // P-7.2: more would take the places of these.
    if (++this.#pings > MAX_PENDING_PONGS) return;
    this.#paths.onPing(this.path, token);
  }

  /** P-7.2: the path that the PING went to is the one that works, whatever path the PONG took. */
  onPong(token: Uint8Array): void {
    this.eliciting = true;
    const sent = this.#paths.onPong(token);
    if (sent === null || this.#isOver) return;
    if (this.#paths.active < 0) {
      this.#paths.active = sent.path;
      this.#recovery.rtt.onSample(this.now, Math.max(0, this.now - sent.sentAt), 0);
      this.opened = sent.path;
    } else if (sent.filledBytes > 0 && sent.path === this.#paths.active) {
      this.#mtu.onProbeAnswered(sent.filledBytes);
      this.#recovery.onDatagramBytes();
    } else this.#onMaybeMoved(sent.path);
  }

  onAck(ack: AckFrame): void {
    if (!this.#recovery.onAck(this.now, ack)) this.violated = true;
  }

  onRequest(chunk: number, offset: number, length: number): void {
    this.eliciting = true;
    this.violated ||= this.#outbox.isFlooded;
    if (this.#isOver) return;
    const held = this.#outbox.queue.hold(chunk, offset, length);
    if (held === 'taken') this.#events.onRequest(chunk, offset, length);
    else if (held === 'full') this.#refuse(chunk);
  }

  onData(chunk: number, offset: number, bytes: Uint8Array): void {
    this.eliciting = true;
    if (this.#isOver) return;
    if (!this.#outbox.own.onData(chunk, offset, bytes, this.#take)) this.unwantedBytes += bytes.length;
    if (this.#outbox.own.isOverrun) this.violated = true;
  }

  onHave(first: number, bits: Uint8Array): void {
    this.eliciting = true;
    if (!this.#isOver) this.#events.onHave(first, bits);
  }

  onCancel(chunk: number): void {
    this.eliciting = true;
    if (this.#outbox.queue.drop(chunk) && !this.#isOver) this.#events.onCancel(chunk);
  }

  onReject(chunk: number, reason: RejectReason): void {
    this.eliciting = true;
    if (this.#outbox.own.end(chunk) && !this.#isOver) this.#events.onReject(chunk, reason);
  }

  onPeers(peers: readonly PeerName[]): void {
    this.eliciting = true;
    if (!this.#isOver) this.#events.onPeers(peers);
  }

  onLimit(rate: number): void {
    this.eliciting = true;
    // P-7.12: an older one may arrive later.
    if (this.#packet < this.#limitPacket) return;
    this.#limitPacket = this.#packet;
    this.#recovery.peerCap.set(this.now, rate);
  }

  onComing(chunk: number): void {
    this.eliciting = true;
    if (!this.#isOver) this.#events.onComing(chunk);
  }

  onClose(reason: CloseReason): void {
    this.closed ??= reason;
  }

  /** P-7.11 */
  #onMaybeMoved(path: number): void {
    const move = this.#paths.takeMove(path);
    if (move === null) return;
    // Behind another port of its host the path is the same.
    if (!move.rebound) this.#mtu.reset();
    this.#recovery.onDatagramBytes();
    this.#recovery.onMoved(this.now, move.rebound);
  }

  /** Once the datagram is taken whole. */
  end(): void {
    this.#acks.onPacket(this.now, this.#packet, this.eliciting, this.#recovery.hasCeiling);
  }

  /** P-7.4. The REJECT speaks of the chunk, so it takes with it what else was held of that. */
  #refuse(chunk: number): void {
    const held = this.#outbox.queue.holds(chunk);
    if (!this.#outbox.refuse(chunk)) this.violated = true;
    else if (held) this.#events.onCancel(chunk);
  }
}

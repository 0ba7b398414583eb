import type { Direction, SessionKey } from '../../shared/crypto/box.js';
import { ChunkmeshError } from '../../shared/errors.js';
import {
  BASE_DATAGRAM_BYTES,
  MAX_DATAGRAM_BYTES,
  MAX_PEERS_NAMED,
  REPLAY_WINDOW_PACKETS,
} from '../../shared/limits.js';
import { ReplayWindow } from '../../shared/replay_window.js';
import { hasSessionId, isDatagram, readPacketNumber } from '../../shared/wire/datagram.js';
import { CLOSE, type CloseReason } from '../../shared/wire/frames/close.js';
import type { PeerName } from '../../shared/wire/frames/peers.js';
import type { RejectReason } from '../../shared/wire/frames/reject.js';
import { decodeFrames } from '../../shared/wire/frames.js';
import { AckTracker } from './ack_tracker.js';
import { Composer } from './composer.js';
import { Foreground } from './congestion/foreground.js';
import type { CongestionController } from './congestion.js';
import { Inbox } from './inbox.js';
import { Outbox } from './outbox.js';
import { PathMtu } from './path_mtu.js';
import { Paths } from './paths.js';
import { Recovery } from './recovery.js';
import { MAX_SPAN_PACKETS } from './sent_packets.js';
import type { EndReason, RejectedBy, SessionEvents, SessionOptions, SessionStats } from './session_types.js';

export type { EndReason, RejectedBy, SessionEvents, SessionOptions, SessionStats } from './session_types.js';

/** P-8.5: a late timer included, less than the 10 s in which a peer that vanished is to be noticed. */
export const DEAD_AFTER_MS = 9500;
/** P-8.5 */
export const KEEP_ALIVE_MS = 3000;
/** How long candidates are tried before the session is given up. */
export const OPEN_WITHIN_MS = 5000;
/** P-7.10 */
export const MAX_CLOSES = 3;
/** From one CLOSE to the next: time for a burst of loss to pass. */
const CLOSE_INTERVAL_MS = 100;
const NEVER = Number.POSITIVE_INFINITY;

type State = 'probing' | 'open' | 'closing' | 'closed';

/** What one datagram opens to; a datagram is taken whole before the next. */
const opened = Buffer.alloc(MAX_DATAGRAM_BYTES);

/**
 * One session (P-5 to P-8), without a socket, a timer, a clock or a random source. Its driver feeds datagrams and time and
 * sends what `poll` gives. After each call: poll until 0, then set the one timer by `nextDeadline`.
 */
export class Session {
  readonly #peerDirection: Direction;
  readonly #localId: Uint8Array;
  readonly #key: SessionKey;
  readonly #chunkCount: number;
  readonly #events: SessionEvents;
  readonly #outbox: Outbox;
  readonly #recovery: Recovery;
  readonly #mtu: PathMtu;
  readonly #paths: Paths;
  readonly #inbox: Inbox;
  readonly #composer: Composer;
  readonly #replay = new ReplayWindow(REPLAY_WINDOW_PACKETS);
  readonly #acks = new AckTracker();
  readonly #startedAt: number;
  readonly #rejected: Record<RejectedBy, number> = { foreign: 0, replayed: 0, unopened: 0, malformed: 0, closed: 0 };
  #state: State = 'probing';
  #heardAt: number;
  #closesLeft = 0;
  #closeAt = NEVER;
  #closeReason: CloseReason = CLOSE.done;
  #openedBytes = 0;
  #bytesReceived = 0;
  #datagramsReceived = 0;

  constructor(options: SessionOptions) {
    const { now, chunkCount, events, maxDatagramBytes = BASE_DATAGRAM_BYTES, fragmentsAreSeen = false } = options;
    const congestion = options.congestion ?? ((bytes, most) => new Foreground(bytes, most));
    this.#peerDirection = options.direction === 0 ? 1 : 0;
    this.#localId = Uint8Array.from(options.localId);
    this.#key = options.key;
    this.#chunkCount = chunkCount;
    this.#events = events;
    this.#outbox = new Outbox(chunkCount, this.#acks);
    this.#mtu = new PathMtu(Math.min(maxDatagramBytes, MAX_DATAGRAM_BYTES), fragmentsAreSeen);
    const maxWindowBytes = MAX_SPAN_PACKETS * Math.max(maxDatagramBytes, BASE_DATAGRAM_BYTES);
    const makeController = (): CongestionController => congestion(this.#mtu.bytes, maxWindowBytes);
    this.#recovery = new Recovery(now, this.#mtu, makeController, this.#outbox, options.caps);
    this.#paths = new Paths(now, options.candidates);
    this.#inbox = new Inbox(events, this.#outbox, this.#paths, this.#recovery, this.#acks, this.#mtu);
    this.#composer = new Composer(options, this.#mtu, this.#outbox, this.#recovery, this.#paths, this.#acks);
    this.#startedAt = now;
    this.#heardAt = now;
  }

  /** A path has answered and the session has not ended. */
  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Nothing more will be sent: the driver may forget the session. */
  get isFinished(): boolean {
    return this.#state === 'closed';
  }

  /** The path of the datagram that `poll` last gave. */
  get lastPath(): number {
    return this.#composer.path;
  }

  /** The path in use; -1 while none has answered. */
  get activePath(): number {
    return this.#paths.active;
  }

  /** Whether the datagram that `poll` last gave tries whether the path carries its size: tell `onFragmented` where it does not. */
  get lastProbesMtu(): boolean {
    return this.#composer.probesMtu;
  }

  /** Bytes given to `serve` and not yet acknowledged. */
  get pendingServeBytes(): number {
    return this.#outbox.queue.pendingBytes;
  }

  get stats(): SessionStats {
    return {
      bytesSent: this.#composer.bytesSent,
      bytesReceived: this.#bytesReceived,
      datagramsSent: this.#composer.datagramsSent,
      datagramsReceived: this.#datagramsReceived,
      datagramsLost: this.#recovery.packetsLost,
      rejected: { ...this.#rejected },
      unwantedBytes: this.#inbox.unwantedBytes,
      smoothedRtt: this.#recovery.rtt.smoothedMs,
      window: this.#recovery.congestion.windowBytes,
      datagramBytes: this.#mtu.bytes,
    };
  }

  /** Asks for bytes of a chunk (P-7.4). False where as much is asked already as a peer takes, or the session has ended. */
  request(chunk: number, offset: number, length: number): boolean {
    return this.#isLive && length > 0 && this.#outbox.request(chunk, offset, length);
  }

  /** Withdraws all that was asked of a chunk (P-7.7). False where it cannot be yet: ask again later. */
  cancel(chunk: number): boolean {
    return this.#outbox.cancel(chunk);
  }

  /** Refuses what the peer asked of a chunk (P-7.8). */
  reject(chunk: number, reason: RejectReason): void {
    if (this.#isLive) this.#outbox.reject(chunk, reason);
  }

  /** Refuses all that the peer asked for and does not have yet. */
  rejectAll(reason: RejectReason): void {
    if (this.#isLive) for (const chunk of this.#outbox.queue.chunks) this.#outbox.reject(chunk, reason);
  }

  /**
   * Answers a request of the peer's, or the next part of one. `bytes` are kept by reference until the request is over.
   * @param done called when it is, once, if true was returned; never where the session ends first.
   * @returns false where no request goes on at `offset`, as after a CANCEL, or where MAX_PENDING_SERVE_BYTES are pending.
   */
  serve(chunk: number, offset: number, bytes: Uint8Array, done?: () => void): boolean {
    return this.#isLive && this.#outbox.queue.serve(chunk, offset, bytes, done);
  }

  /** Tells the peer of chunks held (P-7.6): bit `i`, most significant first, is chunk `first + i`. Only news is sent. */
  have(first: number, bits: Uint8Array): void {
    if (this.#isLive) this.#outbox.haves.add(first, bits);
  }

  /** Names devices to the peer (P-7.9): the first 16. */
  peers(peers: readonly PeerName[]): void {
    if (this.#isLive) this.#outbox.peers(peers.slice(0, MAX_PEERS_NAMED));
  }

  /** Tells a peer of the same site that the chunk was asked for elsewhere (P-7.13). */
  coming(chunk: number): void {
    if (this.#isLive) this.#outbox.coming(chunk);
  }

  /** Asks the peer to send no faster (P-7.12). @param bytesPerSecond Infinity for as fast as the path takes. @throws E_ARGUMENT */
  limitPeer(bytesPerSecond: number): void {
    if (!(bytesPerSecond >= 0)) throw new ChunkmeshError('E_ARGUMENT', `a limit of ${bytesPerSecond} bytes per second`);
    if (this.#isLive) this.#outbox.limit(bytesPerSecond);
  }

  /** Ends the session (P-7.10). Poll on: the peer is yet to be told. */
  close(reason: CloseReason): void {
    if (!this.#isLive) return;
    const tellable = this.#state === 'open';
    this.#end(tellable ? 'closing' : 'closed', reason, false);
    this.#closeReason = reason;
    this.#closesLeft = MAX_CLOSES;
    this.#closeAt = Number.NEGATIVE_INFINITY;
  }

  /**
   * Takes a datagram that came over `path`. Never throws; what does not belong is counted and left unanswered (P-6.6).
   * @param rebound whether `path` is the host of the path in use, at another port.
   * @returns whether it opened: only then is `path` an address of the peer's.
   */
  onDatagram(now: number, bytes: Buffer, path: number, rebound = false): boolean {
    const packet = this.#open(bytes);
    if (packet < 0) return false;
    const newest = this.#replay.isNewest(packet);
    this.#replay.take(packet);
    this.#heardAt = now;
    this.#bytesReceived += bytes.length;
    this.#datagramsReceived++;
    this.#paths.onHeard(now, path, newest, rebound);
    const inbox = this.#inbox;
    inbox.begin(now, path, packet);
    if (!decodeFrames(opened, this.#openedBytes, this.#chunkCount, inbox)) {
      this.#rejected.malformed++;
      return true;
    }
    inbox.end();
    this.#afterDatagram();
    return true;
  }

  /** The last datagram left in fragments (P-6.7). */
  onFragmented(now: number): void {
    this.#mtu.onFragmented(now);
  }

  /** The driver gives the number of a path that is not in use to another address. */
  forgetPath(path: number): void {
    this.#paths.forget(path);
  }

  onTimer(now: number): void {
    if (!this.#isLive) return;
    if (now >= this.#heardAt + DEAD_AFTER_MS) this.#end('closed', 'idle', false);
    else if (this.#state === 'probing' && now >= this.#startedAt + OPEN_WITHIN_MS)
      this.#end('closed', 'no path', false);
    else if (this.#state === 'open') {
      this.#recovery.onTimer(now);
      this.#mtu.onTimer(now);
      if (now >= this.#composer.elicitedAt + KEEP_ALIVE_MS) this.#composer.pingOwed = true;
    }
  }

  /**
   * Writes the next datagram to send into `into`, to go over `lastPath`. `into` takes a full datagram.
   * @returns its length, 0 where there is none now.
   */
  poll(now: number, into: Buffer): number {
    if (this.#state === 'closed') return 0;
    if (this.#state === 'closing') return this.#pollClose(now, into);
    if (this.#recovery.isExhausted) {
      this.close(CLOSE.done);
      return this.poll(now, into);
    }
    if (this.#paths.owesPong) return this.#composer.pong(now, into);
    const probe = this.#composer.probe(now, into);
    return probe > 0 || this.#state === 'probing' ? probe : this.#composer.frames(now, into);
  }

  /** When to call `onTimer`, then `poll`, if nothing comes before. Milliseconds; Infinity once finished. */
  nextDeadline(): number {
    if (this.#state === 'closed') return NEVER;
    if (this.#state === 'closing') return this.#closeAt;
    const dead = this.#heardAt + DEAD_AFTER_MS;
    if (this.#state === 'probing') return Math.min(dead, this.#startedAt + OPEN_WITHIN_MS, this.#paths.deadline);
    const composer = this.#composer;
    const keepAlive = composer.pingOwed ? NEVER : composer.elicitedAt + KEEP_ALIVE_MS;
    const { deadline: recovery } = this.#recovery;
    return Math.min(dead, keepAlive, composer.deadline, recovery, this.#paths.deadline, this.#mtu.deadline);
  }

  get #isLive(): boolean {
    return this.#state === 'probing' || this.#state === 'open';
  }

  /** What the frames amounted to, once all were taken. */
  #afterDatagram(): void {
    const inbox = this.#inbox;
    if (inbox.opened >= 0 && this.#state === 'probing') {
      this.#state = 'open';
      this.#events.onOpen(inbox.opened);
    }
    if (!this.#isLive) return;
    if (inbox.closed !== null) this.#end('closed', inbox.closed, true);
    else if (inbox.violated) this.close(CLOSE.protocolError);
  }

  /** P-6.5, P-6.6: the packet number of a datagram that opens and is new, else -1. */
  #open(bytes: Buffer): number {
    if (!this.#isLive) return this.#reject('closed');
    if (!isDatagram(bytes) || !hasSessionId(bytes, this.#localId)) return this.#reject('foreign');
    const packet = readPacketNumber(bytes);
    if (!this.#replay.isFresh(packet)) return this.#reject('replayed');
    this.#openedBytes = this.#key.open(this.#peerDirection, bytes, opened);
    return this.#openedBytes < 0 ? this.#reject('unopened') : packet;
  }

  #reject(why: RejectedBy): -1 {
    this.#rejected[why]++;
    return -1;
  }

  #end(state: State, reason: EndReason, byPeer: boolean): void {
    this.#state = state;
    this.#inbox.halted = true;
    this.#events.onClosed(reason, byPeer);
  }

  #pollClose(now: number, into: Buffer): number {
    if (now < this.#closeAt) return 0;
    const length = this.#composer.close(now, into, this.#closeReason);
    this.#closesLeft--;
    this.#closeAt = now + CLOSE_INTERVAL_MS;
    if (this.#closesLeft === 0) this.#state = 'closed';
    return length;
  }
}

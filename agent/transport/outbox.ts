import { MAX_SESSION_REQUESTS } from '../../shared/limits.js';
import { DATA_HEADER_BYTES, encodeData } from '../../shared/wire/frames/data.js';
import { type PeerName, peersByteLength } from '../../shared/wire/frames/peers.js';
import { REJECT, type RejectReason } from '../../shared/wire/frames/reject.js';
import type { AckTracker } from './ack_tracker.js';
import { type ControlItem, ControlQueue } from './control.js';
import { HaveMap } from './have_map.js';
import { OwnRequests } from './own_requests.js';
import type { ContentSink } from './recovery.js';
import { SendQueue, type ServePart } from './send_queue.js';
import type { SentPackets } from './sent_packets.js';

/** REJECTs that wait to leave: a peer that causes more asks without reading the answers. */
export const MAX_QUEUED_REJECTS = 4 * MAX_SESSION_REQUESTS;
/** CANCELs that the peer has not acknowledged. */
export const MAX_UNACKED_CANCELS = MAX_SESSION_REQUESTS;
/** COMINGs that wait to leave: where more do, the peer hears of chunks when they are here. */
const MAX_QUEUED_COMING = 64;
/** Bytes of one PEERS: with the largest ACK before it, it still fits the smallest datagram. */
const MAX_PEERS_FRAME_BYTES = 800;
/** A datagram's rest below this is left empty: a frame of a few bytes costs more than it carries. */
const MIN_DATA_BYTES = 64;

/** What a session wants sent, in the order it is sent: control frames, HAVE, DATA. Lost content comes back here (P-8.2). */
export class Outbox implements ContentSink {
  readonly own = new OwnRequests();
  readonly queue = new SendQueue();
  readonly haves: HaveMap;
  readonly #controls = new ControlQueue();
  /** Chunks whose CANCEL is not acknowledged. A new request waits for that: it could overtake the CANCEL and be its victim. */
  readonly #cancelling = new Set<number>();
  #peersRound = 0;
  #limitRound = 0;
  #written: ControlItem[] = [];
  #part: ServePart | null = null;
  #partOffset = 0;
  #partLength = 0;

  readonly #acks: AckTracker;

  constructor(chunkCount: number, acks: AckTracker) {
    this.#acks = acks;
    this.haves = new HaveMap(chunkCount);
  }

  get isEmpty(): boolean {
    return !this.hasMoreThanHaves && !this.haves.isDirty;
  }

  get hasMoreThanHaves(): boolean {
    return this.#controls.length > 0 || this.queue.peek() !== null;
  }

  /** False where as much is asked already as P-7.4 lets. */
  request(chunk: number, offset: number, length: number): boolean {
    const request = this.own.add(chunk, offset, length);
    if (request === null) return false;
    if (!this.#cancelling.has(chunk)) this.#controls.push({ kind: 'request', request });
    return true;
  }

  /** P-7.7. False where too many CANCELs wait for the peer: the requests stand. */
  cancel(chunk: number): boolean {
    if (!this.own.has(chunk)) return true;
    if (!this.#cancelling.has(chunk)) {
      if (this.#cancelling.size >= MAX_UNACKED_CANCELS) return false;
      this.#cancelling.add(chunk);
      this.#controls.push({ kind: 'cancel', chunk });
    }
    this.own.end(chunk);
    this.#controls.drop((item) => item.kind === 'request' && item.request.over);
    return true;
  }

  /** More waits to be said than an honest peer can cause (P-7.4): it asks on without reading the answers. */
  get isFlooded(): boolean {
    return this.#controls.length >= MAX_QUEUED_REJECTS + 2 * MAX_SESSION_REQUESTS + MAX_QUEUED_COMING;
  }

  /** Refuses what the peer asked of a chunk; nothing where it has withdrawn that itself. */
  reject(chunk: number, reason: RejectReason): void {
    if (this.queue.drop(chunk)) this.#controls.push({ kind: 'reject', chunk, reason });
  }

  /** P-7.4: one request more than are held. False where the peer asks on without reading the answers. */
  refuse(chunk: number): boolean {
    if (this.#controls.count('reject') >= MAX_QUEUED_REJECTS) return false;
    this.queue.drop(chunk);
    this.#controls.push({ kind: 'reject', chunk, reason: REJECT.busy });
    return true;
  }

  /** P-7.9. Replaces what has not left yet. */
  peers(peers: readonly PeerName[]): void {
    const round = ++this.#peersRound;
    this.#controls.drop((item) => item.kind === 'peers');
    let frame: PeerName[] = [];
    for (const peer of peers) {
      if (peersByteLength([...frame, peer]) > MAX_PEERS_FRAME_BYTES) {
        this.#controls.push({ kind: 'peers', peers: frame, round });
        frame = [];
      }
      frame.push(peer);
    }
    if (frame.length > 0) this.#controls.push({ kind: 'peers', peers: frame, round });
  }

  /** P-7.12. Replaces what has not left yet. @param rate bytes per second. */
  limit(rate: number): void {
    this.#controls.drop((item) => item.kind === 'limit');
    this.#controls.push({ kind: 'limit', rate, round: ++this.#limitRound });
  }

  /** P-7.13 */
  coming(chunk: number): void {
    if (this.#controls.count('coming') < MAX_QUEUED_COMING) this.#controls.push({ kind: 'coming', chunk });
  }

  /** Writes what fits between `at` and `end`. `commit` must follow. @returns where the next frame starts. */
  write(into: Buffer, at: number, end: number): number {
    let next = at;
    if (this.#controls.length > 0 || this.haves.isDirty) {
      next = this.#controls.write(into, at, end, this.haves, this.#written);
    }
    const part = this.queue.peek();
    const room = end - next - DATA_HEADER_BYTES;
    this.#part = null;
    if (part === null || room < Math.min(MIN_DATA_BYTES, this.queue.nextLength)) return next;
    this.#part = part;
    this.#partOffset = this.queue.nextOffset;
    this.#partLength = Math.min(room, this.queue.nextLength);
    this.queue.advance(this.#partLength);
    const offset = part.offset + this.#partOffset;
    return encodeData(into, next, part.held.chunk, offset, part.bytes, this.#partOffset, this.#partLength);
  }

  /** Records what `write` wrote under the packet that takes it. */
  commit(sent: SentPackets, slot: number): void {
    sent.part[slot] = this.#part;
    sent.partOffset[slot] = this.#partOffset;
    sent.partLength[slot] = this.#partLength;
    this.#part = null;
    if (this.#written.length === 0) return;
    sent.controls[slot] = this.#written;
    this.#written = [];
  }

  onContentAcked(sent: SentPackets, slot: number): void {
    const ackLargest = sent.ackLargest[slot] ?? -1;
    if (ackLargest >= 0) this.#acks.forgetUpTo(ackLargest);
    const part = sent.part[slot] ?? null;
    if (part !== null) this.queue.onAcked(part, sent.partLength[slot] ?? 0);
    const controls = sent.controls[slot] ?? null;
    if (controls !== null) for (const item of controls) if (item.kind === 'cancel') this.#onCancelAcked(item.chunk);
    sent.part[slot] = null;
    sent.controls[slot] = null;
  }

  onContentLost(sent: SentPackets, slot: number): void {
    const part = sent.part[slot] ?? null;
    if (part !== null) this.queue.onLost(part, sent.partOffset[slot] ?? 0, sent.partLength[slot] ?? 0);
    const controls = sent.controls[slot] ?? null;
    if (controls !== null) for (const item of controls) this.#sayAgain(item);
    sent.part[slot] = null;
    sent.controls[slot] = null;
  }

  #sayAgain(item: ControlItem): void {
    if (item.kind === 'have') this.haves.onLost(item.firstByte, item.byteCount);
    else if (item.kind === 'request' && item.request.over) return;
    else if (item.kind === 'peers' && item.round !== this.#peersRound) return;
    // By then it is late, and what it said is hardly true any more.
    else if (item.kind === 'coming') return;
    else if (item.kind === 'limit' && item.round !== this.#limitRound) return;
    else this.#controls.push(item);
  }

  #onCancelAcked(chunk: number): void {
    if (!this.#cancelling.delete(chunk)) return;
    for (const request of this.own.of(chunk)) this.#controls.push({ kind: 'request', request });
  }
}

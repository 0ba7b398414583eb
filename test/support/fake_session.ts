import type { Session } from '../../agent/transport/session.js';
import type { EndReason, SessionEvents } from '../../agent/transport/session_types.js';
import type { CloseReason } from '../../shared/wire/frames/close.js';
import type { RejectReason } from '../../shared/wire/frames/reject.js';

/** A session without a transport: what its owner does is kept, and the test is the peer. */
export class FakeSession {
  readonly events: SessionEvents;
  readonly requests: number[] = [];
  readonly cancels: number[] = [];
  readonly rejects: number[] = [];
  readonly reasons = new Set<RejectReason>();
  readonly served: { chunk: number; offset: number; bytes: Uint8Array; done?: (() => void) | undefined }[] = [];
  /** What `serve` says. */
  takes = true;
  haves = 0;
  closed: EndReason | null = null;
  /** Until the test says that it arrived. */
  pendingServeBytes = 0;
  /** What `cancel` says. */
  cancelRoom = true;

  constructor(events: SessionEvents) {
    this.events = events;
  }

  get real(): Session {
    return this as unknown as Session;
  }

  request(chunk: number, _offset: number, _length: number): boolean {
    this.requests.push(chunk);
    return this.closed === null;
  }

  cancel(chunk: number): boolean {
    this.cancels.push(chunk);
    return this.cancelRoom;
  }

  /** What is pending is of that chunk. */
  reject(chunk: number, reason: RejectReason): void {
    this.rejects.push(chunk);
    this.reasons.add(reason);
    this.pendingServeBytes = 0;
  }

  /** How often all that the test asked for was refused. */
  rejectedAll = 0;

  rejectAll(reason: RejectReason): void {
    this.rejectedAll++;
    this.reasons.add(reason);
    this.pendingServeBytes = 0;
  }

  serve(chunk: number, offset: number, bytes: Uint8Array, done?: () => void): boolean {
    this.served.push({ chunk, offset, bytes, done });
    if (this.takes) this.pendingServeBytes += bytes.length;
    return this.takes;
  }

  have(): void {
    this.haves++;
  }

  peers(): void {}

  /** Chunks that the test was told come from elsewhere. */
  readonly told: number[] = [];

  coming(chunk: number): void {
    this.told.push(chunk);
  }

  readonly stats = { smoothedRtt: 20, rejected: { malformed: 0 } };

  close(reason: CloseReason): void {
    this.end(reason, false);
  }

  end(reason: EndReason, byPeer = true): void {
    if (this.closed !== null) return;
    this.closed = reason;
    this.events.onClosed(reason, byPeer);
  }
}

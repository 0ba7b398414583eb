import { Session } from '../../agent/transport/session.js';
import type { Recorded, SessionBytes } from './wire.js';

/** Between the sessions of this process and its socket: counts whole datagrams, and keeps some where it is asked to. */

/** Enough that none of them comes again soon. */
const MAX_KEPT = 512;
/** Without one way having been as busy. */
const KEEP_MS = 500;

interface Counts {
  sent: number;
  received: number;
}

export class Tap {
  /** When a chunk that was asked of one session was last asked of another. */
  movedMs = Number.NEGATIVE_INFINITY;
  /** When a session last ended by the clock. */
  endedMs = Number.POSITIVE_INFINITY;
  readonly #counts = new Map<Session, Counts>();
  readonly #askedOf = new Map<number, Session>();
  #kept: { sent: Uint8Array[]; received: Uint8Array[] } | null = null;

  /** All sessions that this process will have. Once. */
  constructor(now: () => number) {
    const { poll, onDatagram, onTimer, request } = Session.prototype;
    const tap = this;
    Session.prototype.poll = function (at, into) {
      const length = poll.call(this, at, into);
      if (length > 0) tap.#sent(this, into, length);
      return length;
    };
    Session.prototype.onDatagram = function (at, bytes, path, rebound) {
      tap.#of(this).received += bytes.length;
      const opened = onDatagram.call(this, at, bytes, path, rebound);
      if (opened) tap.#keep('received', bytes);
      return opened;
    };
    Session.prototype.onTimer = function (at) {
      onTimer.call(this, at);
      if (this.isFinished) tap.endedMs = now();
    };
    Session.prototype.request = function (chunk, offset, length) {
      const asked = request.call(this, chunk, offset, length);
      if (asked && (tap.#askedOf.get(chunk) ?? this) !== this) tap.movedMs = now();
      if (asked) tap.#askedOf.set(chunk, this);
      return asked;
    };
  }

  get sessions(): SessionBytes[] {
    return [...this.#counts.values()].map((counts) => ({ ...counts }));
  }

  /** What leaves from now on and what comes and opens. */
  async record(): Promise<Recorded> {
    const kept = { sent: [], received: [] };
    this.#kept = kept;
    await new Promise((resolve) => setTimeout(resolve, KEEP_MS));
    this.#kept = null;
    return kept;
  }

  #of(session: Session): Counts {
    let counts = this.#counts.get(session);
    if (counts === undefined) {
      counts = { sent: 0, received: 0 };
      this.#counts.set(session, counts);
    }
    return counts;
  }

  #sent(session: Session, into: Buffer, length: number): void {
    this.#of(session).sent += length;
    if (this.#kept !== null) this.#keep('sent', into.subarray(0, length));
  }

  #keep(way: 'sent' | 'received', bytes: Uint8Array): void {
    const kept = this.#kept?.[way];
    if (kept !== undefined && kept.length < MAX_KEPT) kept.push(Uint8Array.from(bytes));
  }
}

import { TOKEN_BYTES } from '../../shared/wire/frames/ping.js';

/** P-7.2: the time from one PING of a candidate to the next, doubled each time. */
const FIRST_INTERVAL_MS = 50;
/** P-7.2: where the doubling ends: on a lossy path the last seconds are worth trying too. */
const MAX_INTERVAL_MS = 800;
/** Candidates (P-5.7) and addresses that the peer was heard from besides, behind a NAT say: more would let a peer fill the memory. */
export const MAX_PATHS = 16;
/** PONGs that wait to leave. Past this the oldest is dropped: its PING comes again. */
export const MAX_PENDING_PONGS = 8;
/** PINGs whose PONG is still good: all that 16 candidates are sent in 5 s. */
const MAX_TOKENS = 128;
/** P-7.11: PINGs to an address that the peer seems to have moved to. */
const MAX_MOVE_PINGS = 5;

interface Candidate {
  readonly path: number;
  interval: number;
  nextAt: number;
  /** Whether it was hurried once because the peer was heard there. */
  heard: boolean;
}

/** An address that the peer was heard from since another is in use. */
interface Move {
  readonly path: number;
  /** Only the port differs from the address in use, as after a NAT forgot it. */
  readonly rebound: boolean;
  interval: number;
  nextAt: number;
  pingsLeft: number;
}

interface SentToken {
  readonly path: number;
  readonly sentAt: number;
  /** Size of the datagram that was filled up to it, 0 for none (P-6.7). */
  readonly filledBytes: number;
}

interface PendingPong {
  readonly path: number;
  readonly token: Uint8Array;
}

/** Finds a path that answers (P-7.2) by PING to each candidate, follows a peer that moves (P-7.11), and owes PONGs. */
export class Paths {
  /** The path in use, or -1 while none has answered. */
  active = -1;
  readonly #candidates: Candidate[] = [];
  readonly #tokens = new Map<string, SentToken>();
  readonly #pongs: PendingPong[] = [];
  #move: Move | null = null;

  constructor(now: number, count: number) {
    for (let path = 0; path < Math.min(count, MAX_PATHS); path++) this.#add(now, path);
  }

  /**
   * A datagram of the session opened that came over `path`: P-5.7 lets it be tried, and it is the likeliest to answer.
   * @param newest whether its packet number is the highest yet: only such a one tells where the peer is now (RFC 9000 §9.3).
   */
  onHeard(now: number, path: number, newest: boolean, rebound: boolean): void {
    if (this.active >= 0) {
      if (newest) this.#follow(now, path, rebound);
      return;
    }
    const candidate = this.#candidates.find((one) => one.path === path);
    if (candidate === undefined) {
      if (this.#candidates.length < MAX_PATHS) this.#add(now, path).heard = true;
    } else if (!candidate.heard) {
      candidate.heard = true;
      candidate.nextAt = now;
    }
  }

  /** When the next PING of a candidate is due. */
  get deadline(): number {
    if (this.active >= 0) return this.#move?.nextAt ?? Number.POSITIVE_INFINITY;
    return this.#candidates.reduce((least, { nextAt }) => Math.min(least, nextAt), Number.POSITIVE_INFINITY);
  }

  /** The path that a PING is due on, or -1. */
  takeDue(now: number): number {
    if (this.active >= 0) return this.#takeMoveDue(now);
    const due = this.#candidates.find(({ nextAt }) => nextAt <= now);
    if (due === undefined) return -1;
    due.nextAt = now + due.interval;
    due.interval = Math.min(2 * due.interval, MAX_INTERVAL_MS);
    return due.path;
  }

  onPingSent(now: number, path: number, token: Uint8Array, filledBytes = 0): void {
    if (this.#tokens.size >= MAX_TOKENS) {
      const [oldest] = this.#tokens.keys();
      if (oldest !== undefined) this.#tokens.delete(oldest);
    }
    this.#tokens.set(tokenKey(token), { path, sentAt: now, filledBytes });
  }

  /** The PING that `token` answers, once; null for any other. */
  onPong(token: Uint8Array): SentToken | null {
    const key = tokenKey(token);
    const sent = this.#tokens.get(key);
    this.#tokens.delete(key);
    return sent ?? null;
  }

  /** P-7.11: the peer answered where it was heard from. @returns the move, now made, or null where `path` is no such address. */
  takeMove(path: number): { readonly rebound: boolean } | null {
    const move = this.#move;
    if (move === null || move.path !== path) return null;
    this.active = path;
    this.#move = null;
    return move;
  }

  /** The driver gives the number to another address. */
  forget(path: number): void {
    if (this.#move?.path === path) this.#move = null;
    for (const [key, sent] of this.#tokens) if (sent.path === path) this.#tokens.delete(key);
    const at = this.#candidates.findIndex((one) => one.path === path);
    if (at >= 0) this.#candidates.splice(at, 1);
  }

  onPing(path: number, token: Uint8Array): void {
    if (this.#pongs.length >= MAX_PENDING_PONGS) this.#pongs.shift();
    this.#pongs.push({ path, token: Uint8Array.from(token) });
  }

  get owesPong(): boolean {
    return this.#pongs.length > 0;
  }

  /** The oldest, or the oldest of that path. */
  takePong(path?: number): PendingPong | undefined {
    const at = path === undefined ? 0 : this.#pongs.findIndex((pong) => pong.path === path);
    return at < 0 ? undefined : this.#pongs.splice(at, 1)[0];
  }

  #follow(now: number, path: number, rebound: boolean): void {
    if (path === this.active) this.#move = null;
    else if (this.#move?.path !== path) {
      this.#move = { path, rebound, interval: FIRST_INTERVAL_MS, nextAt: now, pingsLeft: MAX_MOVE_PINGS };
    }
  }

  #takeMoveDue(now: number): number {
    const move = this.#move;
    if (move === null || move.nextAt > now) return -1;
    if (move.pingsLeft === 0) {
      this.#move = null;
      return -1;
    }
    move.pingsLeft--;
    move.nextAt = now + move.interval;
    move.interval *= 2;
    return move.path;
  }

  #add(now: number, path: number): Candidate {
    const candidate = { path, interval: FIRST_INTERVAL_MS, nextAt: now, heard: false };
    this.#candidates.push(candidate);
    return candidate;
  }
}

function tokenKey(token: Uint8Array): string {
  return Buffer.from(token.buffer, token.byteOffset, TOKEN_BYTES).toString('latin1');
}

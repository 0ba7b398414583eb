import { TOKEN_BYTES } from '../../shared/wire/frames/ping.js';

/** P-7.2: the time from one PING of a candidate to the next, doubled each time. */
const FIRST_INTERVAL_MS = 50;
/** P-7.2: where the doubling ends: on a lossy path the last seconds are worth trying too. */
const MAX_INTERVAL_MS = 800;
/** Candidates (P-5.7) and addresses that the peer was heard from besides, behind a NAT say. */
export const MAX_PATHS = 16;
/** PONGs that wait to leave. Past this the oldest is dropped: its PING comes again. */
export const MAX_PENDING_PONGS = 8;
/** PINGs of one path whose PONG is still good: all that 5 s of doubling make. */
const MAX_TOKENS = 128;

interface Candidate {
  readonly path: number;
  interval: number;
  nextAt: number;
  /** Whether it was hurried once because the peer was heard there. */
  heard: boolean;
}

interface SentToken {
  readonly path: number;
  readonly sentAt: number;
}

interface PendingPong {
  readonly path: number;
  readonly token: Uint8Array;
}

/** Finds a path that answers (P-7.2), by PING to each candidate, and owes PONGs. */
export class Paths {
  /** The path in use, or -1 while none has answered. */
  active = -1;
  readonly #candidates: Candidate[] = [];
  readonly #tokens = new Map<string, SentToken>();
  readonly #pongs: PendingPong[] = [];

  constructor(now: number, count: number) {
    for (let path = 0; path < Math.min(count, MAX_PATHS); path++) this.#add(now, path);
  }

  /** A datagram of the session opened that came over `path`: P-5.7 lets it be tried, and it is the likeliest to answer. */
  onHeard(now: number, path: number): void {
    if (this.active >= 0) return;
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
    if (this.active >= 0) return Number.POSITIVE_INFINITY;
    return this.#candidates.reduce((least, { nextAt }) => Math.min(least, nextAt), Number.POSITIVE_INFINITY);
  }

  /** The path that a PING is due on, or -1. */
  takeDue(now: number): number {
    if (this.active >= 0) return -1;
    const due = this.#candidates.find(({ nextAt }) => nextAt <= now);
    if (due === undefined) return -1;
    due.nextAt = now + due.interval;
    due.interval = Math.min(2 * due.interval, MAX_INTERVAL_MS);
    return due.path;
  }

  onPingSent(now: number, path: number, token: Uint8Array): void {
    if (this.#tokens.size >= MAX_TOKENS) {
      const [oldest] = this.#tokens.keys();
      if (oldest !== undefined) this.#tokens.delete(oldest);
    }
    this.#tokens.set(tokenKey(token), { path, sentAt: now });
  }

  /** The PING that `token` answers, once; null for any other. */
  onPong(token: Uint8Array): SentToken | null {
    const key = tokenKey(token);
    const sent = this.#tokens.get(key);
    this.#tokens.delete(key);
    return sent ?? null;
  }

  onPing(path: number, token: Uint8Array): void {
    if (this.#pongs.length >= MAX_PENDING_PONGS) this.#pongs.shift();
    this.#pongs.push({ path, token: Uint8Array.from(token) });
  }

  get owesPong(): boolean {
    return this.#pongs.length > 0;
  }

  takePong(): PendingPong | undefined {
    return this.#pongs.shift();
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

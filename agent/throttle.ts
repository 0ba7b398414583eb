import { z } from 'zod';
import type { Role } from '../shared/control/topics.js';
import { ChunkmeshError } from '../shared/errors.js';
import { BASE_DATAGRAM_BYTES } from '../shared/limits.js';
import { Hold } from './hold.js';
import { Hours } from './hours.js';
import { METERED, type Metered } from './metered.js';
import { MAX_RATE, MIN_RATE } from './rates.js';
import { Foreground } from './transport/congestion/foreground.js';
import { Scavenger } from './transport/congestion/scavenger.js';
import { RateCap } from './transport/rate_cap.js';
import type { SessionOptions } from './transport/session_types.js';
import { divideByUse } from './transport/share.js';

/** What an agent may take of its network, and when. Pure: time comes in. */

/** Rates in bytes of datagrams per second, and of bodies over HTTP, over all sessions or over those with one peer. */
export interface Limits {
  readonly upRate?: number | undefined;
  readonly downRate?: number | undefined;
  readonly peerUpRate?: number | undefined;
  readonly peerDownRate?: number | undefined;
  /** As `22:00-06:00`, in the device's own time: outside of these nothing is fetched or served, save what is urgent (P-12.3). */
  readonly hours?: string | undefined;
  /** For a link that costs money by the byte: `fetch` or `urgent`, and nothing is served. Default `off`. */
  readonly metered?: Metered | undefined;
  /** Rollouts that are neither fetched nor written (P-10.10), as `firmware,model`, or `all`. */
  readonly hold?: string | undefined;
}

/** How often what may come is shared anew among the sessions: sooner than a person looks, later than a rate is known. */
const DIVIDE_MS = 250;
/** And not before so much of an equal share has come, 8 datagrams: what came in less time says nothing of a low rate. */
const DIVIDE_BYTES = 8 * BASE_DATAGRAM_BYTES;
/** And yet so often, whatever the rate: who joins is given its share at once, and who left is noticed as late as this. */
const MAX_DIVIDE_MS = 5_000;
/** Over less than this part of the time a rate is chance. */
const MIN_MEASURE = 0.4;
/** A limit that changed by less is not worth a frame: far below the 3 % in which a ceiling is held. */
const WORTH_TELLING = 0.005;

const rate = z.number().min(MIN_RATE).max(MAX_RATE).optional();

export const limitsSchema = z.strictObject({
  upRate: rate,
  downRate: rate,
  peerUpRate: rate,
  peerDownRate: rate,
  hours: z.string().optional(),
  metered: z.enum(METERED).optional(),
  hold: z.string().optional(),
});

/** What sends here and can be told how much it may: a session, or the HTTP servers together. */
export interface Inflow {
  readonly stats: { readonly bytesReceived: number };
  readonly isFinished: boolean;
  limitPeer(bytesPerSecond: number): void;
}

interface Watched {
  readonly session: Inflow;
  readonly device: string;
  /** What it was told, Infinity for nothing. */
  limit: number;
  received: number;
  /** Bytes per second; Infinity until it was measured: it is given its share first. */
  took: number;
}

export class Throttle {
  readonly #scavenger = new Scavenger();
  readonly #up = new RateCap();
  readonly #peers = new Map<string, RateCap>();
  #watched: Watched[] = [];
  #role: Role | undefined;
  #limits: Limits = {};
  #hours: Hours | null = null;
  #hold = new Hold(undefined);
  #dividedAt = Number.NEGATIVE_INFINITY;
  #measuredAt = Number.NEGATIVE_INFINITY;

  /** @throws E_CONFIG */
  constructor(now: number, limits: Limits = {}) {
    this.set(now, limits);
  }

  /** In force at once, for sessions that are there too. @throws E_CONFIG, with the ones before still in force */
  set(now: number, given: Limits): void {
    const parsed = limitsSchema.safeParse(given);
    if (!parsed.success) {
      const faults = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'the whole'}: ${message}`);
      throw new ChunkmeshError('E_CONFIG', `limits: ${faults.join('; ')}`);
    }
    const limits = parsed.data;
    checkRole(limits, this.#role);
    const hold = new Hold(limits.hold);
    this.#hours = limits.hours === undefined ? null : new Hours(limits.hours);
    this.#hold = hold;
    this.#limits = limits;
    this.#up.set(now, limits.upRate ?? Number.POSITIVE_INFINITY);
    for (const cap of this.#peers.values()) cap.set(now, limits.peerUpRate ?? Number.POSITIVE_INFINITY);
    this.#dividedAt = Number.NEGATIVE_INFINITY;
    this.tick(now);
  }

  /** A copy of what is in force. */
  get limits(): Limits {
    return { ...this.#limits };
  }

  get metered(): Metered {
    return this.#limits.metered ?? 'off';
  }

  /** The device's role is known: limits that were given before, and those that are to come, must suit it. @throws E_CONFIG */
  isOf(role: Role): void {
    checkRole(this.#limits, role);
    this.#role = role;
  }

  /** Whether what is not urgent may run at this time of the day, over this link. */
  isOpen(at: Date): boolean {
    return this.metered !== 'urgent' && (this.#hours?.isOpen(at) ?? true);
  }

  /** Whether the owner holds rollouts of that name back. */
  holds(name: string): boolean {
    return this.#hold.covers(name);
  }

  /**
   * For a session that is about to begin.
   * @param urgent it goes ahead of other traffic instead of after it; @param emergency no ceiling holds it (P-10.13): it is not to be watched
   */
  sessionOptions(
    now: number,
    device: string,
    urgent: boolean,
    emergency = false,
  ): Pick<SessionOptions, 'congestion' | 'caps'> {
    const foreground = (bytes: number, most: number): Foreground => new Foreground(bytes, most);
    if (emergency) return { congestion: foreground, caps: [] };
    let cap = this.#peers.get(device);
    if (cap === undefined) {
      cap = new RateCap();
      cap.set(now, this.#limits.peerUpRate ?? Number.POSITIVE_INFINITY);
      this.#peers.set(device, cap);
    }
    return { congestion: urgent ? foreground : this.#scavenger.controller, caps: [this.#up, cap] };
  }

  /** The session has begun. @param device whose it is; the HTTP servers count as one */
  watch(now: number, device: string, session: Inflow): void {
    this.#watched.push({
      session,
      device,
      limit: Number.POSITIVE_INFINITY,
      received: 0,
      took: Number.POSITIVE_INFINITY,
    });
    this.#dividedAt = Number.NEGATIVE_INFINITY;
    this.tick(now);
  }

  /** When `tick` is due. */
  get deadline(): number {
    const { downRate, peerDownRate } = this.#limits;
    if (this.#watched.length === 0 || (downRate ?? peerDownRate) === undefined) return Number.POSITIVE_INFINITY;
    return this.#dividedAt + this.#divideMs;
  }

  /** P-7.12: tells each peer how much it may send. @returns whether any was told anything. */
  tick(now: number): boolean {
    if (now < this.#dividedAt + this.#divideMs) return false;
    this.#forgetFinished();
    this.#dividedAt = now;
    this.#measure(now);
    const limits = this.#divide();
    let told = false;
    for (const [i, watched] of this.#watched.entries()) {
      const limit = limits[i] ?? Number.POSITIVE_INFINITY;
      if (!isNews(watched.limit, limit)) continue;
      watched.limit = limit;
      watched.session.limitPeer(limit);
      told = true;
    }
    return told;
  }

  get #divideMs(): number {
    const { downRate = Number.POSITIVE_INFINITY } = this.#limits;
    const share = downRate / Math.max(1, this.#watched.length);
    return Math.min(MAX_DIVIDE_MS, Math.max(DIVIDE_MS, (DIVIDE_BYTES * 1000) / share));
  }

  #measure(now: number): void {
    const elapsedMs = now - this.#measuredAt;
    if (elapsedMs < MIN_MEASURE * this.#divideMs) return;
    this.#measuredAt = now;
    for (const watched of this.#watched) {
      const { bytesReceived } = watched.session.stats;
      if (bytesReceived > 0) watched.took = ((bytesReceived - watched.received) * 1000) / elapsedMs;
      watched.received = bytesReceived;
    }
  }

  /** The next limit of each session that is watched. */
  #divide(): number[] {
    const { downRate = Number.POSITIVE_INFINITY, peerDownRate = Number.POSITIVE_INFINITY } = this.#limits;
    const shares =
      downRate === Number.POSITIVE_INFINITY ? this.#watched.map(() => downRate) : divideByUse(downRate, this.#watched);
    // Sessions with one peer share what one peer may send.
    return shares.map((share, i) => Math.min(share, peerDownRate / this.#sessionsWith(this.#watched[i]?.device)));
  }

  #sessionsWith(device: string | undefined): number {
    return this.#watched.reduce((count, one) => (one.device === device ? count + 1 : count), 0);
  }

  #forgetFinished(): void {
    this.#watched = this.#watched.filter(({ session }) => !session.isFinished);
    for (const device of this.#peers.keys()) {
      if (!this.#watched.some((one) => one.device === device)) this.#peers.delete(device);
    }
  }
}

/** A seed that serves nobody is none, and the fleet behind it would wait without a word. */
function checkRole({ metered = 'off' }: Limits, role: Role | undefined): void {
  if (role !== 'seed' || metered === 'off') return;
  throw new ChunkmeshError('E_CONFIG', `metered: ${metered} is for devices; a seed is there to serve`);
}

function isNews(before: number, now: number): boolean {
  if (!Number.isFinite(before) || !Number.isFinite(now)) return before !== now;
  return Math.abs(now - before) > WORTH_TELLING * before;
}

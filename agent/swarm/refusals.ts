import { MAX_SESSIONS_PER_ARTIFACT } from '../../shared/limits.js';
import { LEFT_REFUSED_MS, MAX_REFUSED, PROBATION_MS, REFUSED_MS, STALL_BYTES, UNUSED_MS } from './limits.js';

/** Whose sessions end and whom a device refuses then, for a while (P-10.3) or for good (P-10.4). Pure. */

export class Refusals {
  readonly #banned = new Set<string>();
  /** Until when a device is refused. Monotonic ms. */
  readonly #until = new Map<string, number>();

  isRefused(device: string, now: number): boolean {
    return this.#banned.has(device) || now < (this.#until.get(device) ?? 0);
  }

  /** P-10.4 @returns false where it is already. */
  ban(device: string): boolean {
    if (this.#banned.has(device)) return false;
    this.#banned.add(device);
    return true;
  }

  /** P-10.3: its session brought least, and made room. */
  madeRoom(device: string, now: number): void {
    this.#refuse(device, now + REFUSED_MS);
  }

  /** P-10.3: its session brought nothing, and gave way to a newcomer. */
  gaveWay(device: string, now: number): void {
    this.#refuse(device, now + LEFT_REFUSED_MS);
  }

  /**
   * P-10.3: it left without having brought anything. Else devices that come and go, or never open what they agreed, take every place for
   * nothing. @param others sessions that are left
   */
  leftWithNothing(device: string, others: number, now: number): void {
    if (others >= MAX_SESSIONS_PER_ARTIFACT / 2) this.#refuse(device, now + LEFT_REFUSED_MS);
  }

  #refuse(device: string, until: number): void {
    this.#until.delete(device);
    this.#until.set(device, until);
    const oldest = this.#until.keys().next();
    if (this.#until.size > MAX_REFUSED && !oldest.done) this.#until.delete(oldest.value);
  }
}

export interface Brought {
  /** Monotonic ms. */
  readonly since: number;
  /** Bytes that came of what was asked, and those of them that were verified. */
  readonly received: number;
  readonly verified: number;
}

/** P-10.3: whether a session, where chunks are missing, is in the way of a newcomer: it brought nothing, and had its time. */
export function isSpare({ since, received, verified }: Brought, now: number): boolean {
  return verified === 0 && now >= since + (received < STALL_BYTES ? UNUSED_MS : PROBATION_MS);
}

/**
 * P-10.3: the session, of those that are old enough, that brought least. By what came and was right, since what a peer promises costs it
 * nothing, nor does asking; and not by whose chunk is longest ago, since of many that share a slow link that is the one whose next is nearly
 * here. @param worth of who is at the other end, as PeerBook has it; @param probationMs how old that is
 */
export function leastUseful<T extends Brought>(
  sessions: Iterable<T>,
  now: number,
  worth: (session: T) => number,
  probationMs = PROBATION_MS,
): T | undefined {
  let least: T | undefined;
  for (const session of sessions) {
    if (session.since > now - probationMs) continue;
    if (least === undefined || isWorse(session, least, now, worth)) least = session;
  }
  return least;
}

/** One that is new had less time to bring as much. */
function isWorse<T extends Brought>(a: T, b: T, now: number, worth: (session: T) => number): boolean {
  const rate = ({ verified, since }: T): number => verified / (now - since);
  if (rate(a) !== rate(b)) return rate(a) < rate(b);
  if (a.received !== b.received) return a.received < b.received;
  return worth(a) < worth(b);
}

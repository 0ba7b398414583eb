import { checkNotFromFuture, checkRecent, UNKNOWN_TIME } from '../shared/control/envelope.js';
import { ChunkmeshError } from '../shared/errors.js';
import { MAX_CLOCK_AHEAD_SECONDS } from '../shared/limits.js';

/** What an agent knows of the time, and what it makes of the times that others say (P-3.6). */

export interface FleetClock {
  /**
   * Seconds since the epoch, as well as is known: what this machine's own clock shows, or the latest that the CA said, where that is later (P-12.6).
   * What the own clock showed before is no part of it: one that was ahead once must not end certificates. Where it is not believed it may be late
   * by any time, and is never ahead.
   */
  now(): number;
  /** What this machine's own clock shows, where that is not what `now` says: others go by theirs (P-3.6). */
  wall?(): number;
  /** Whether what depends on the time may be refused by it. */
  readonly believed: boolean;
}

/** This machine's, believed. */
export const systemClock: FleetClock = { now: () => Date.now() / 1000, believed: true };

/** Seconds since the epoch. */
export const ownTime = (clock: FleetClock): number => Math.floor(clock.wall?.() ?? clock.now());

/** The `at` of what is signed now. */
export function signingTime(clock: FleetClock): number {
  return clock.believed ? ownTime(clock) : UNKNOWN_TIME;
}

/** P-3.6, of a message that is worth nothing once it is old. @throws E_MESSAGE_TIME */
export function checkFresh(at: number, clock: FleetClock): void {
  if (clock.believed && at !== UNKNOWN_TIME) checkRecent(at, ownTime(clock));
}

/** P-5.2, of an offer or an answer. @throws E_MESSAGE_TIME */
export function checkStands({ at, expires }: { at: number; expires: number }, clock: FleetClock): void {
  if (!clock.believed || at === UNKNOWN_TIME) return;
  const now = ownTime(clock);
  checkNotFromFuture(at, now);
  if (now > expires + MAX_CLOCK_AHEAD_SECONDS) {
    throw new ChunkmeshError('E_MESSAGE_TIME', `offer or answer expired ${now - expires} s ago`);
  }
}

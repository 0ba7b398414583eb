/**
 * The number that every envelope carries (P-3.1, P-3.8). Pure: time comes in.
 *
 *     n = epoch * 2^20 + count        of a device: the epoch rises at each start of its agent
 *     n = microseconds since 1970     of whoever keeps no state, an operator's tools
 */

/** What signs an envelope has one: each number comes once, and none is lower than the one before. */
export interface MessageCounter {
  /** Safe integers from 0 up. */
  next(): number;
}

/** Of one epoch: at 4 messages a second three days' worth, and then the next epoch begins. */
export const EPOCH_MESSAGES = 2 ** 20;
/** So that the highest number of the highest epoch is 2^53 - 1. */
export const MAX_EPOCH = 2 ** 33 - 1;
/** A clock past the year 2106 is wrong: as an epoch it would leave none for the starts after it. */
const MAX_CLOCK_EPOCH = 2 ** 32 - 1;

/**
 * The epoch of a start. The clock is only a floor: with it a device that lost its store is heard at once, and not when its peers have
 * forgotten its higher numbers; without one, or with one that went back, the epoch still rises.
 * @param last the highest that may be in use, undefined for none; @param now seconds since the epoch, NaN where no clock is believed
 */
export function nextEpoch(last: number | undefined, now: number): number {
  const seconds = Math.floor(now);
  const floor = seconds >= 1 && seconds <= MAX_CLOCK_EPOCH ? seconds : 1;
  return Math.min(MAX_EPOCH, Math.max((last ?? 0) + 1, floor));
}

/** Counts from an epoch on. */
export class EpochCounter implements MessageCounter {
  #next: number;
  readonly #reserve: (epoch: number) => void;

  /**
   * @param epoch of this start: remembered before the first number is taken
   * @param reserve is told of the epoch that is to be remembered now, half an epoch before its first number
   */
  constructor(epoch: number, reserve: (epoch: number) => void) {
    this.#next = epoch * EPOCH_MESSAGES;
    this.#reserve = reserve;
  }

  next(): number {
    const n = this.#next;
    // The last number there is stays: nobody takes it twice, which is all that is left to do after 2^53 messages.
    this.#next = Math.min(Number.MAX_SAFE_INTEGER, n + 1);
    if (n % EPOCH_MESSAGES === EPOCH_MESSAGES / 2) {
      this.#reserve(Math.min(MAX_EPOCH, Math.floor(n / EPOCH_MESSAGES) + 1));
    }
    return n;
  }
}

/** The wall clock's microseconds, and one more where it stands still or goes back. */
export class ClockCounter implements MessageCounter {
  readonly #microseconds: () => number;
  #last = 0;

  /** @param microseconds since 1970 */
  constructor(microseconds: () => number) {
    this.#microseconds = microseconds;
  }

  next(): number {
    this.#last = Math.max(this.#last + 1, Math.floor(this.#microseconds()));
    return this.#last;
  }
}

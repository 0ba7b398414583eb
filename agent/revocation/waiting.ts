import type { ControlMessage } from '../../shared/mqtt/control_link.js';
import type { Heard } from '../control.js';

/** Messages that came before the revocation list by which they are to be judged (P-14.3, P-14.4): few, small, and not for long. Pure. */

/** A burst of offers to a device that has just come. */
export const MAX_WAITING = 64;
/** An offer or a `have` with its certificate; what is larger is sent anew by who means it. */
export const MAX_WAITING_BYTES = 8_192;
/** As long as an offer waits for its answer. */
export const WAITING_MS = 10_000;

/** One that was opened is not opened again: its number was taken (P-3.8). */
export interface LateMessage extends ControlMessage {
  readonly heard?: Heard;
}

interface Kept {
  readonly message: LateMessage;
  readonly until: number;
}

export class Waiting {
  readonly #kept: Kept[] = [];

  get size(): number {
    return this.#kept.length;
  }

  /** @param now monotonic ms @returns false where there is no place for it */
  keep(message: LateMessage, now: number): boolean {
    this.expire(now);
    if (this.#kept.length >= MAX_WAITING || message.payload.length > MAX_WAITING_BYTES) return false;
    this.#kept.push({ message, until: now + WAITING_MS });
    return true;
  }

  /** All that are still of use, in their order; none is kept any more. */
  take(now: number): LateMessage[] {
    this.expire(now);
    return this.#kept.splice(0).map(({ message }) => message);
  }

  clear(): void {
    this.#kept.length = 0;
  }

  /** @returns how many waited in vain */
  expire(now: number): number {
    let count = 0;
    while (this.#kept[0] !== undefined && now >= this.#kept[0].until) {
      this.#kept.shift();
      count++;
    }
    return count;
  }
}

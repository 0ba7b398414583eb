import type { RolloutProgress, StatusMessage } from '../shared/control/messages.js';
import { MAX_ROLLOUTS } from '../shared/limits.js';

/** When a status is due: soon after a change, never more often than the interval, and now and then although nothing moves. */

/** So that "last seen" means something on a quiet fleet; a thousand devices cost the broker 17 messages a second. */
const HEARTBEAT_MS = 60_000;

export class StatusClock {
  readonly #intervalMs: number;
  #changed = true;
  #last = Number.NEGATIVE_INFINITY;

  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  changed(): void {
    this.#changed = true;
  }

  get due(): number {
    return this.#last + (this.#changed ? this.#intervalMs : HEARTBEAT_MS);
  }

  said(now: number): void {
    this.#changed = false;
    this.#last = now;
  }
}

export interface StatusParts {
  /** Seconds since the epoch. */
  readonly at: number;
  readonly online: boolean;
  readonly agent: string;
  readonly peers: number;
  readonly rollouts: readonly RolloutProgress[];
}

/** P-4.7 */
export function statusMessage({ rollouts, ...parts }: StatusParts): StatusMessage {
  return { t: 'status', ...parts, rollouts: rollouts.slice(0, MAX_ROLLOUTS) };
}

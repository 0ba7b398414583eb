import type { AckSample } from '../congestion.js';

/** With less than this of what is believed coming through, somebody else takes the rest. */
const OWN_SHARE = 0.9;

/**
 * Whose a queue is that stays while the sender keeps to its model: a rate of which a process that paused had a hundredth too much fills a
 * queue as others would, but not once it is what came of it.
 */
export class OwnQueue {
  #beganAt = 0;
  #deliveredThen = 0;
  /** It was taken for one's own and drained: one that stays now is somebody else's. */
  #drained = false;

  /** A cycle of probing begins. */
  begin({ now, delivered }: AckSample): void {
    this.#beganAt = now;
    this.#deliveredThen = delivered;
  }

  /** A cycle ended without a queue. */
  gone(): void {
    this.#drained = false;
  }

  /**
   * A cycle ended with one.
   * @param rate that is believed. @returns what came of it, to be believed instead while the queue is drained; null where the queue is
   * somebody else's. Bytes per millisecond.
   */
  rateToDrainAt({ now, delivered, appLimited }: AckSample, rate: number): number | null {
    const came = (delivered - this.#deliveredThen) / (now - this.#beganAt);
    this.#drained = !this.#drained && !appLimited && came >= OWN_SHARE * rate;
    return this.#drained ? Math.min(rate, came) : null;
  }
}

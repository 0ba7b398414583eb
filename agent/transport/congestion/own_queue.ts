import type { AckSample } from '../congestion.js';

/** With less than this of what came over the last cycle without a queue, somebody else takes the rest... */
const OWN_SHARE = 0.96;
/** ...or with less than this of what is believed: a pause makes no more than a tenth too much of it... */
const BELIEVED_SHARE = 0.9;
/** ...save in the first cycle, in which it is what a startup showed, of bursts. */
const BELIEVED_SHARE_FIRST = 0.8;
/** Each time that others are found, so much less is what one had alone: the path may have become a slower one meanwhile. */
const FADING = 0.97;

/**
 * Whose a queue is that stays while the sender keeps to its model: a rate of which a process that paused had a few hundredths too much
 * fills a queue as others would. What comes over a whole cycle of probing, seconds, is exact.
 */
export class OwnQueue {
  #beganAt = 0;
  #deliveredThen = 0;
  /** What is to come if nobody else is there; 0 while nothing is known. Bytes per millisecond. */
  #least = 0;
  #isFirst = true;
  /** It was taken for one's own and drained: one that stays now is somebody else's. */
  #drained = false;

  /** A cycle of probing begins. */
  begin({ now, delivered }: AckSample): void {
    this.#beganAt = now;
    this.#deliveredThen = delivered;
  }

  /** A cycle ended without a queue. */
  onNone(sample: AckSample): void {
    this.#drained = false;
    this.#isFirst = false;
    this.#least = OWN_SHARE * this.#came(sample);
  }

  /**
   * A cycle ended with one.
   * @param rate that was believed. @returns what came of it, to be kept to until the next probe; null where the queue is somebody else's.
   * Bytes per millisecond.
   */
  rateToDrainAt(sample: AckSample, rate: number): number | null {
    const came = this.#came(sample);
    const believed = (this.#isFirst ? BELIEVED_SHARE_FIRST : BELIEVED_SHARE) * rate;
    this.#isFirst = false;
    this.#drained = !this.#drained && came > 0 && came >= Math.max(this.#least, believed);
    if (this.#drained) return Math.min(rate, came);
    this.#least *= FADING;
    return null;
  }

  /** It was found to be that of others: the next one is another. */
  forget(): void {
    this.#drained = false;
  }

  #came({ now, delivered }: AckSample): number {
    return now > this.#beganAt ? (delivered - this.#deliveredThen) / (now - this.#beganAt) : 0;
  }
}

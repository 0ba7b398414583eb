import { Lab, type StarCount } from '../../test/lab/lab.js';
import type { EndLink } from './fluid.js';

/** An origin and devices in the lab, each with a link of its own. */

export const ORIGIN = 0;

/** Ms: a millisecond to where all links meet, and one from there. */
const DELAY_MS = 1;
/** As `tc tbf latency 100ms`. */
const QUEUE_SECONDS = 0.1;
/** A few datagrams more than that on the slowest links. */
const MIN_QUEUE_BYTES = 32_768;

const settings = (rate: number) => ({
  rate,
  delay: DELAY_MS,
  queue: Math.max(MIN_QUEUE_BYTES, (rate / 8) * QUEUE_SECONDS),
});

export class Star {
  readonly lab: Lab;
  #upBytes: number[] = [];

  private constructor(lab: Lab) {
    this.lab = lab;
  }

  /** @param links of the origin, then of each device */
  static async with<T>(links: readonly EndLink[], work: (star: Star) => Promise<T>): Promise<T> {
    const lab = await Lab.star(links.length);
    try {
      for (const [end, { up, down }] of links.entries()) {
        await lab.set(`up${end}`, settings(up));
        await lab.set(`down${end}`, settings(down));
      }
      return await work(new Star(lab));
    } finally {
      await lab.close();
    }
  }

  /** IP bytes that an end has sent so far. */
  async sentBy(end: number): Promise<number> {
    const { up }: StarCount = await this.lab.countStar();
    this.#upBytes = up.map(({ bytes }, i) => bytes + (this.#upBytes[i] ?? 0));
    return this.#upBytes[end] ?? 0;
  }
}

/**
 * How fast bytes come, from devices and from seeds apart. Who has had more than what devices alone bring now, could have more of a seed;
 * who has not, would only take from the seed what its peers give as fast. Pure.
 */

/** Over so long a rate is taken: some chunks of a slow link, a tenth of a transfer that is over soon. */
const SPAN_MS = 1_000;
/** Devices that bring this part of the most that ever came leave little to be had. Less would have every short gap asked of a seed. */
const ENOUGH = 0.7;
/** Of the peak, with each span: a link that became slow is believed so after a minute. */
const PEAK_DECAY = 0.99;

export class Intake {
  #spanSince = 0;
  #devices = 0;
  #seeds = 0;
  #devicesRate = 0;
  #rate = 0;
  #peak = 0;

  /** @param now monotonic ms */
  received(bytes: number, fromSeed: boolean, now: number): void {
    this.#turn(now);
    if (fromSeed) this.#seeds += bytes;
    else this.#devices += bytes;
  }

  /** Bytes per second, of devices and seeds, of the last whole span. */
  rate(now: number): number {
    this.#turn(now);
    return this.#rate;
  }

  /** Whether devices bring far less than has come before. */
  isHungry(now: number): boolean {
    this.#turn(now);
    return this.#devicesRate < ENOUGH * this.#peak;
  }

  #turn(now: number): void {
    const elapsed = now - this.#spanSince;
    if (elapsed < SPAN_MS) return;
    this.#rate = ((this.#devices + this.#seeds) * 1000) / elapsed;
    this.#devicesRate = (this.#devices * 1000) / elapsed;
    this.#peak = Math.max(this.#rate, this.#peak * PEAK_DECAY);
    this.#devices = 0;
    this.#seeds = 0;
    this.#spanSince = now;
  }
}

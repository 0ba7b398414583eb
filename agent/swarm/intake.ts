/**
 * How fast bytes come, from devices and from seeds apart. Who has had more than what devices alone bring now, could have more of a seed;
 * who has not, would only take from the seed what its peers give as fast. Pure.
 */

/** Over so long a rate is taken: some chunks of a slow link, a tenth of a transfer that is over soon. */
const SPAN_MS = 1_000;
/** Devices that bring this part of the most that ever came leave little to be had: between 0.44 (up a tenth of down) and 0.87 (one seed among eight like it). */
const ENOUGH = 0.6;
/** Of each span in the smoothed rates: links and processes stand still for a moment, and no seed is to be asked for that. */
const GAIN = 0.3;
/** Of the peak, with each span: a link that became slow is believed so after a minute. */
const PEAK_DECAY = 0.99;

export class Intake {
  #spanSince = 0;
  #devices = 0;
  #seeds = 0;
  /** Smoothed, of devices and of all. */
  #devicesRate = 0;
  #allRate = 0;
  /** Of the last whole span. */
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

  /** Bytes per second, of devices and seeds, smoothed over some seconds. */
  smoothedRate(now: number): number {
    this.#turn(now);
    return this.#allRate;
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
    this.#devicesRate += GAIN * ((this.#devices * 1000) / elapsed - this.#devicesRate);
    this.#allRate += GAIN * (this.#rate - this.#allRate);
    this.#peak = Math.max(this.#allRate, this.#peak * PEAK_DECAY);
    this.#devices = 0;
    this.#seeds = 0;
    this.#spanSince = now;
  }
}

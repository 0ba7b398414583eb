import { Link, type LinkOptions } from './link.js';
import type { Target, World } from './world.js';

/** What travels over a path: it knows where it goes. */
export interface Parcel {
  readonly to: Target<Parcel>;
}

/** A bottleneck that several flows share, and the way back. */
export class Path {
  readonly forward: Link<Parcel>;
  readonly back: Link<Parcel>;

  constructor(world: World, forward: LinkOptions, back: LinkOptions) {
    const deliver = (at: number, parcel: Parcel) => world.schedule(at, parcel.to, parcel);
    this.forward = new Link(forward, world.random, deliver);
    this.back = new Link(back, world.random, deliver);
  }

  /** From where the others go to. */
  get reversed(): Path {
    return { forward: this.back, back: this.forward, reversed: this };
  }
}

/** What arrived, by time. Milliseconds and bytes. */
export class Meter {
  static readonly BIN_MS = 10;
  bytes = 0;
  readonly #bins: number[] = [];

  add(now: number, bytes: number): void {
    this.bytes += bytes;
    const bin = Math.floor(now / Meter.BIN_MS);
    while (this.#bins.length <= bin) this.#bins.push(0);
    this.#bins[bin] = (this.#bins[bin] ?? 0) + bytes;
  }

  bytesBetween(fromMs: number, toMs: number): number {
    let sum = 0;
    for (let bin = Math.floor(fromMs / Meter.BIN_MS); bin < Math.floor(toMs / Meter.BIN_MS); bin++) {
      sum += this.#bins[bin] ?? 0;
    }
    return sum;
  }

  bitsPerSecond(fromMs: number, toMs: number): number {
    return (this.bytesBetween(fromMs, toMs) * 8000) / (toMs - fromMs);
  }
}

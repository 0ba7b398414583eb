import type { Peer } from './peer.js';

/**
 * Of whom a chunk may be asked, given who else holds it (P-10.7): of the site's own devices, then of its seed, then of devices of other
 * sites, then of a seed there. Pure.
 */

const LEVELS = 4;
const FIRST_FAR_LEVEL = 2;

export class Sources {
  /** As bits, by level: chunks that a good peer of a lower level holds... */
  readonly #lower: Uint8Array[] = [];
  /** ...and whether that is of the last look. It is only made where somebody asks. */
  readonly #known = [false, false, false, false];
  /** As bits: chunks that peers of other sites hold. */
  readonly #far: Uint8Array;
  #byLevel: readonly Peer[][] = [];
  #now = 0;

  constructor(chunkCount: number) {
    this.#far = new Uint8Array(Math.ceil(chunkCount / 8));
  }

  /** Call before a row of questions. @param peers that may be asked */
  look(peers: readonly Peer[], now: number): void {
    this.#now = now;
    this.#byLevel = Array.from({ length: LEVELS }, (_, level) => peers.filter((peer) => peer.level === level));
    this.#known.fill(false);
  }

  /** Nobody is asked rather than another. */
  get isOneLevel(): boolean {
    return this.#byLevel.filter((peers) => peers.length > 0).length <= 1;
  }

  at(level: number): readonly Peer[] {
    return this.#byLevel[level] ?? [];
  }

  /** As bits: what peers of other sites hold; null where there are none. */
  get far(): Uint8Array | null {
    const peers = this.#byLevel.slice(FIRST_FAR_LEVEL).flat();
    if (peers.length === 0) return null;
    this.#far.fill(0);
    for (const peer of peers) add(this.#far, peer.have.bytes);
    return this.#far;
  }

  /** As bits: chunks not to be asked of a peer of the level; null for none. @param helpsOut whether a seed may be asked for what devices beside it hold */
  barred(level: number, helpsOut: boolean): Uint8Array | null {
    const below = helpsOut ? level - 1 : level;
    return below === 0 ? null : this.#heldBelow(below);
  }

  #heldBelow(level: number): Uint8Array {
    const lower = this.#lower[level] ?? new Uint8Array(this.#far.length);
    this.#lower[level] = lower;
    if (this.#known[level]) return lower;
    lower.fill(0);
    for (const peer of this.#byLevel.slice(0, level).flat()) if (peer.isGood(this.#now)) add(lower, peer.have.bytes);
    this.#known[level] = true;
    return lower;
  }
}

function add(to: Uint8Array, bits: Uint8Array): void {
  for (let i = 0; i < to.length; i++) to[i] = (to[i] ?? 0) | (bits[i] ?? 0);
}

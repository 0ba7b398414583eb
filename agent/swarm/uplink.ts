/**
 * Who of a site asks another site for a chunk (P-10.7): each chunk is to cross the site's uplink once, and then goes from device to device
 * inside. Devices of a site that see a chunk elsewhere, and at none of theirs, wait each a time of its own for that chunk; who asks first says so, and the
 * others leave it to that one for a while. Pure.
 */

/** Between one device and the next: longer than word takes from device to device within a site. */
const TURN_MS = 100;
/** Devices of the site that may go first. With as many more, somebody's word has come long since. */
const MAX_TURNS = 20;
const UNKNOWN = 255;
/** How long a chunk is left to who said that it comes: a few times what it waits behind others at a peer. */
export const COMING_MS = 8_000;
/** Chunks that may come by one device at once: about what it has on its way. Who says more is not heeded. */
const MAX_COMING = 64;
/** Who said so often that a chunk comes, of which none came, and less often one that did, is not heeded any more. */
const MAX_BROKEN = 8;

interface Neighbour {
  readonly hash: number;
  /** Chunks that it said come, with until when they are left to it. */
  readonly coming: Map<number, number>;
  kept: number;
  broken: number;
}

export class Uplink {
  readonly #self: number;
  /** The devices of the same site that this one has sessions with. */
  readonly #neighbours = new Map<string, Neighbour>();
  /** From when on this device's turns are counted, by chunk; Infinity where the chunk is not known elsewhere. */
  readonly #from: Float64Array;
  /** As bits: chunks known elsewhere, as of the last look. */
  readonly #known: Uint8Array;
  /** How many of the site's devices come before this one, by chunk, as far as it was asked since they changed. */
  readonly #turns: Uint8Array;

  constructor(chunkCount: number, self: string) {
    this.#self = hashOf(self);
    this.#from = new Float64Array(chunkCount).fill(Number.POSITIVE_INFINITY);
    this.#known = new Uint8Array(Math.ceil(chunkCount / 8));
    this.#turns = new Uint8Array(chunkCount).fill(UNKNOWN);
  }

  /** Devices of the site that this one has sessions with. */
  get neighbours(): number {
    return this.#neighbours.size;
  }

  add(id: string): void {
    this.#turns.fill(UNKNOWN);
    this.#neighbours.set(id, { hash: hashOf(id), coming: new Map(), kept: 0, broken: 0 });
  }

  remove(id: string): void {
    const neighbour = this.#neighbours.get(id);
    if (neighbour === undefined || !this.#neighbours.delete(id)) return;
    this.#turns.fill(UNKNOWN);
    for (const [chunk, until] of neighbour.coming) {
      if (this.#from[chunk] !== until || this.#isPromised(chunk)) continue;
      // Known anew at the next look: not everyone asks at the same moment.
      this.#from[chunk] = Number.POSITIVE_INFINITY;
      this.#known[chunk >>> 3] = (this.#known[chunk >>> 3] ?? 0) & ~(0x80 >>> (chunk & 7));
    }
  }

  /** @param elsewhere as bits, the chunks that are missing here, and that peers of other sites hold */
  look(elsewhere: Uint8Array, now: number): void {
    const known = this.#known;
    for (let at = 0; at < known.length; at++) {
      const fresh = (elsewhere[at] ?? 0) & ~(known[at] ?? 0);
      if (fresh === 0) continue;
      known[at] = (known[at] ?? 0) | fresh;
      for (let bit = 0; bit < 8; bit++) {
        if ((fresh & (0x80 >> bit)) === 0) continue;
        const chunk = at * 8 + bit;
        if (this.#from[chunk] === Number.POSITIVE_INFINITY) this.#from[chunk] = now;
      }
    }
  }

  /**
   * By that device of the site, or one that it heard of, the chunk comes.
   * @returns whether that is news: this device's other neighbours are then to be told, who may not know each other.
   */
  onComing(id: string, chunk: number, now: number): boolean {
    const neighbour = this.#neighbours.get(id);
    if (neighbour === undefined || chunk >= this.#from.length) return false;
    forgetBroken(neighbour, now);
    if (neighbour.coming.has(chunk)) return false;
    const { coming, broken, kept } = neighbour;
    if (coming.size >= MAX_COMING || (broken >= MAX_BROKEN && broken > kept)) return false;
    coming.set(chunk, now + COMING_MS);
    const from = this.#from[chunk] ?? 0;
    const isNews = from === Number.POSITIVE_INFINITY || from <= now;
    // Who hears the same of several neighbours waits no longer for it.
    if (isNews) this.#from[chunk] = now + COMING_MS;
    return isNews;
  }

  /** The chunk is there, at that neighbour or here. */
  arrived(chunk: number, id?: string): void {
    if (id !== undefined) this.#neighbours.get(id)?.coming.delete(chunk);
    else for (const { coming } of this.#neighbours.values()) coming.delete(chunk);
  }

  /** The chunk is here, right, by that neighbour: what counts for it, since saying that it holds one costs nothing. */
  brought(id: string): void {
    const neighbour = this.#neighbours.get(id);
    if (neighbour !== undefined) neighbour.kept++;
  }

  #isPromised(chunk: number): boolean {
    return [...this.#neighbours.values()].some(({ coming }) => coming.has(chunk));
  }

  /** From when on this device may ask another site for the chunk. */
  turnAt(chunk: number): number {
    // Devices that do not know each other are not to begin at the same moment either.
    const part = this.#neighbours.size === 0 ? 0 : mixed(this.#self, chunk) / 2 ** 32;
    return (this.#from[chunk] ?? Number.POSITIVE_INFINITY) + (this.#turnsOf(chunk) + part) * TURN_MS;
  }

  /**
   * @param free as bits, chunks that are missing here and asked of nobody
   * @returns those of them that this device may ask another site for, and when it may ask for the next
   */
  due(free: Uint8Array, now: number): { due: Uint8Array; nextAt: number } {
    const due = new Uint8Array(this.#known.length);
    let nextAt = Number.POSITIVE_INFINITY;
    for (let at = 0; at < due.length; at++) {
      const byte = (free[at] ?? 0) & (this.#known[at] ?? 0);
      for (let bit = 0; bit < 8 && byte !== 0; bit++) {
        if ((byte & (0x80 >> bit)) === 0) continue;
        const turnAt = this.turnAt(at * 8 + bit);
        if (turnAt <= now) due[at] = (due[at] ?? 0) | (0x80 >> bit);
        else nextAt = Math.min(nextAt, turnAt);
      }
    }
    return { due, nextAt };
  }

  #turnsOf(chunk: number): number {
    const known = this.#turns[chunk] ?? 0;
    if (known !== UNKNOWN) return known;
    const own = mixed(this.#self, chunk);
    let turns = 0;
    for (const { hash } of this.#neighbours.values()) if (turns < MAX_TURNS && mixed(hash, chunk) < own) turns++;
    this.#turns[chunk] = turns;
    return turns;
  }
}

function forgetBroken(neighbour: Neighbour, now: number): void {
  for (const [chunk, until] of neighbour.coming) {
    if (now < until) return;
    neighbour.coming.delete(chunk);
    neighbour.broken++;
  }
}

/** FNV-1a. Who chooses its own id to come first gains work by it. */
function hashOf(id: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** The order of devices for one chunk has nothing to do with that for another. */
function mixed(hash: number, chunk: number): number {
  let x = hash ^ Math.imul(chunk + 1, 0x9e3779b1);
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

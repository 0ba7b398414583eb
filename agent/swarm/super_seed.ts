import { Bitfield } from '../../shared/artifact/bitfield.js';
import { MAX_PIPELINE_BYTES, MIN_PIPELINE_BYTES } from './limits.js';
import { SeedPeer } from './seed_peer.js';
import { SiteTurns } from './site_turns.js';

/**
 * What a seed tells each of its peers that it holds (P-10.6): each chunk is told to one of them first, and to the others once a device
 * holds it, or where that one takes long. So the seed sends each chunk once, and the devices send it to each other. Pure.
 */

/** Told to a peer alone and not held by it yet: at least what a device asks of a peer that it does not know, or its share of what it may ask for at most: who is alone begins at full speed. */
const MIN_AHEAD_BYTES = MIN_PIPELINE_BYTES;
/** A chunk that a peer was told of and does not hold after so long may be told to another, once none is left that nobody was told of... */
const MIN_LATE_MS = 2_000;
/** ...or after so many times what the last ones took. */
const LATE_FACTOR = 2;
/** Not later, however slow the peers: each round then costs a copy of a few chunks at most. */
const MAX_LATE_MS = 15_000;
/** A peer that is the only one for so long is told of everything: nobody is there whom it could give anything, or who could bring what another seed owes it. */
const ALONE_MS = 2_000;
/** Smoothing of how long a chunk takes from being told to being held. */
const PACE_GAIN = 0.1;

interface Given {
  readonly to: string;
  readonly at: number;
  /** Nobody was told of it before. */
  readonly first: boolean;
}

export interface News {
  readonly peer: string;
  readonly chunks: readonly number[];
}

export class SuperSeed {
  readonly #chunkCount: number;
  readonly #chunkLength: (chunk: number) => number;
  /** What the seed itself holds, as it is now. */
  readonly #own: Uint8Array;
  readonly #peers = new Map<string, SeedPeer>();
  readonly #turns = new SiteTurns();
  /** How many peers hold each chunk. */
  readonly #holders: Uint16Array;
  /** As bits: chunks that no peer holds and none was told of; those of them that one was, too long ago; and those that a peer holds. */
  readonly #fresh: Uint8Array;
  readonly #late: Uint8Array;
  readonly #spread: Uint8Array;
  /** The last peer that was told of a chunk that none holds yet, the longest ago first. */
  readonly #given = new Map<number, Given>();
  /** Of those, the ones of which nobody was told before. */
  #firsts = 0;
  #paceMs = 0;
  /** Since when there is one peer; Infinity where there is none, or several; -Infinity once it is so for ALONE_MS. */
  #aloneSince = Number.POSITIVE_INFINITY;

  /** @param held by the seed; it may change */
  constructor(chunkCount: number, chunkLength: (chunk: number) => number, held = Bitfield.full(chunkCount)) {
    this.#chunkCount = chunkCount;
    this.#chunkLength = chunkLength;
    this.#own = held.bytes;
    this.#holders = new Uint16Array(chunkCount);
    this.#fresh = Bitfield.full(chunkCount).toBytes();
    this.#late = new Uint8Array(this.#fresh.length);
    this.#spread = new Uint8Array(this.#fresh.length);
  }

  addPeer(id: string, site: string, now: number): void {
    this.removePeer(id);
    this.#turns.add(id, site, now);
    this.#peers.set(id, new SeedPeer(this.#chunkCount, this.#chunkLength, now));
  }

  /** A path to the peer has answered: until then it is told nothing, though it may tell what it holds. */
  open(id: string): void {
    const peer = this.#peers.get(id);
    if (peer !== undefined) peer.open = true;
  }

  removePeer(id: string): void {
    const peer = this.#peers.get(id);
    if (peer === undefined) return;
    this.#peers.delete(id);
    this.#turns.remove(id);
    for (const [chunk, { to }] of this.#given) if (to === id) this.#giveBack(chunk, this.#fresh);
    // One that holds everything leaves the seed, not the fleet.
    if (peer.have.isFull) return;
    for (const chunk of peer.have.held()) {
      const holders = (this.#holders[chunk] ?? 1) - 1;
      this.#holders[chunk] = holders;
      if (holders > 0) continue;
      clear(this.#spread, chunk);
      set(this.#fresh, chunk);
    }
  }

  /** P-7.6 @returns whether the peer now holds everything. */
  onHave(id: string, first: number, bits: Uint8Array, now: number): boolean {
    const peer = this.#peers.get(id);
    if (peer === undefined) return false;
    for (let at = 0; at < bits.length; at++) {
      const byte = bits[at] ?? 0;
      for (let bit = 0; bit < 8 && byte !== 0; bit++) {
        const chunk = first + at * 8 + bit;
        if ((byte & (0x80 >> bit)) !== 0 && chunk < this.#chunkCount) this.#held(peer, chunk, now);
      }
    }
    return peer.have.isFull;
  }

  /** The peer was sent the whole chunk. It gets more, whether it says what it holds or not: one on a metered link does not (P-10.5), and gives nothing. */
  onServed(id: string, chunk: number, now: number): void {
    const peer = this.#peers.get(id);
    if (peer === undefined) return;
    peer.served(chunk, now);
    if (peer.have.count === 0 && this.#given.get(chunk)?.to === id) this.#giveBack(chunk, this.#late);
  }

  /** What to tell whom now. */
  news(now: number): News[] {
    this.#findLate(now);
    const news = new Map<string, number[]>();
    const isAlone = this.#isAlone(now);
    const least = Math.max(MIN_AHEAD_BYTES, MAX_PIPELINE_BYTES / Math.max(1, this.#peers.size));
    // One chunk a peer a round, so that each has its share of what is left.
    let hungry = [...this.#peers].filter(([, peer]) => peer.open && !peer.have.isFull);
    const own = this.#turns.now(
      hungry.map(([id]) => id),
      now,
    );
    while (hungry.length > 0) {
      hungry = hungry.filter(([id, peer]) => {
        const chunk = peer.isFull(least) || !own.has(id) ? -1 : this.#next(peer);
        if (chunk < 0) {
          // Second copies would keep the last first ones waiting.
          const spread = isAlone || this.#firsts === 0 ? this.#untold(peer, isAlone) : [];
          if (spread.length > 0) news.set(id, [...(news.get(id) ?? []), ...spread]);
          return false;
        }
        this.#give(id, peer, chunk, now);
        const chunks = news.get(id);
        if (chunks === undefined) news.set(id, [chunk]);
        else chunks.push(chunk);
        return true;
      });
    }
    return [...news].map(([peer, chunks]) => ({ peer, chunks }));
  }

  /** When `news` is due although nothing happens. */
  nextDeadline(): number {
    const oldest = this.#given.values().next();
    const lateAt = oldest.done ? Number.POSITIVE_INFINITY : oldest.value.at + this.#lateAfterMs;
    const isWaiting = this.#aloneSince !== Number.NEGATIVE_INFINITY;
    return Math.min(
      lateAt,
      ...this.#several.map((peer) => peer.expiresAt(this.#lateAfterMs)),
      this.#turns.nextDeadline(),
      isWaiting ? this.#aloneSince + ALONE_MS : Number.POSITIVE_INFINITY,
    );
  }

  #isAlone(now: number): boolean {
    const [first, second] = this.#peers.values();
    if (first === undefined || second !== undefined || !first.open) {
      this.#aloneSince = Number.POSITIVE_INFINITY;
      return false;
    }
    this.#aloneSince = Math.min(this.#aloneSince, now);
    if (now < this.#aloneSince + ALONE_MS) return false;
    this.#aloneSince = Number.NEGATIVE_INFINITY;
    return true;
  }

  /** None where there is one: that is told of everything soon. */
  get #several(): SeedPeer[] {
    return this.#peers.size > 1 ? [...this.#peers.values()] : [];
  }

  get #lateAfterMs(): number {
    return Math.max(MIN_LATE_MS, Math.min(MAX_LATE_MS, this.#paceMs * LATE_FACTOR));
  }

  #held(peer: SeedPeer, chunk: number, now: number): void {
    if (!peer.holds(chunk, now)) return;
    this.#holders[chunk] = (this.#holders[chunk] ?? 0) + 1;
    const given = this.#given.get(chunk);
    if (given !== undefined) {
      const took = now - given.at;
      this.#paceMs = this.#paceMs === 0 ? took : this.#paceMs + PACE_GAIN * (took - this.#paceMs);
      this.#forget(chunk);
    }
    clear(this.#fresh, chunk);
    clear(this.#late, chunk);
    set(this.#spread, chunk);
  }

  #give(id: string, peer: SeedPeer, chunk: number, now: number): void {
    const first = has(this.#fresh, chunk);
    if (first) this.#firsts++;
    clear(this.#fresh, chunk);
    clear(this.#late, chunk);
    this.#given.set(chunk, { to: id, at: now, first });
    peer.give(chunk, now);
  }

  #giveBack(chunk: number, to: Uint8Array): void {
    this.#forget(chunk);
    set(to, chunk);
  }

  #forget(chunk: number): void {
    if (this.#given.get(chunk)?.first) this.#firsts--;
    this.#given.delete(chunk);
  }

  #findLate(now: number): void {
    for (const peer of this.#several) peer.expire(now, this.#lateAfterMs);
    for (const [chunk, { at }] of this.#given) {
      if (now < at + this.#lateAfterMs) return;
      this.#giveBack(chunk, this.#late);
    }
  }

  /** The next chunk for the peer alone, or -1. */
  #next(peer: SeedPeer): number {
    const chunk = firstOf(this.#fresh, this.#own, peer);
    return chunk >= 0 ? chunk : firstOf(this.#late, this.#own, peer);
  }

  /** What it was not told of and that others hold already, or any. */
  #untold(peer: SeedPeer, any: boolean): number[] {
    const chunks: number[] = [];
    const [told, have] = [peer.told.bytes, peer.have.bytes];
    for (let at = 0; at < this.#spread.length; at++) {
      const tellable = any ? 0xff : (this.#spread[at] ?? 0);
      const byte = tellable & (this.#own[at] ?? 0) & ~(told[at] ?? 0) & ~(have[at] ?? 0);
      for (let bit = 0; bit < 8 && byte !== 0; bit++) {
        if ((byte & (0x80 >> bit)) === 0) continue;
        chunks.push(at * 8 + bit);
      }
    }
    for (const chunk of chunks) peer.told.set(chunk);
    return chunks;
  }
}

function has(bits: Uint8Array, at: number): boolean {
  return ((bits[at >>> 3] ?? 0) & (0x80 >>> (at & 7))) !== 0;
}

function set(bits: Uint8Array, at: number): void {
  bits[at >>> 3] = (bits[at >>> 3] ?? 0) | (0x80 >>> (at & 7));
}

function clear(bits: Uint8Array, at: number): void {
  bits[at >>> 3] = (bits[at >>> 3] ?? 0) & ~(0x80 >>> (at & 7));
}

/** The first bit of both `bits` and `own` that the peer neither holds nor was told of, or -1. */
function firstOf(bits: Uint8Array, own: Uint8Array, peer: SeedPeer): number {
  const [told, have] = [peer.told.bytes, peer.have.bytes];
  for (let at = 0; at < bits.length; at++) {
    const byte = (bits[at] ?? 0) & (own[at] ?? 0) & ~(told[at] ?? 0) & ~(have[at] ?? 0) & 0xff;
    if (byte !== 0) return at * 8 + Math.clz32(byte) - 24;
  }
  return -1;
}

import type { Deadline } from './deadline.js';
import type { FreeChunks } from './free_chunks.js';
import type { Intake } from './intake.js';
import { EXPLORE_MS, OUTPACES_FACTOR, SITE_OWES_MS } from './limits.js';
import type { Peer } from './peer.js';
import type { Sources } from './sources.js';
import type { Uplink } from './uplink.js';

/**
 * When a peer is asked for what is rather asked of others (P-10.7): a seed now and then, and where the others bring too little; who is
 * elsewhere more rarely, and where the site is far slower. Pure.
 */

export interface ExploringOptions {
  /** By id: all, those that rest too. */
  readonly peers: ReadonlyMap<string, Peer>;
  readonly sources: Sources;
  readonly uplink: Uplink;
  /** What comes from the own site, and from others. */
  readonly near: Intake;
  readonly far: Intake;
  /** Told when a peer is to be asked so. */
  readonly due: Deadline;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

export class Exploring {
  readonly #options: ExploringOptions;
  #phaseMs: number | undefined;

  constructor(options: ExploringOptions) {
    this.#options = options;
  }

  /** @param ready peers that may be asked; their time begins where it did not */
  begin(ready: readonly Peer[], now: number): void {
    // Devices that begin together explore at different times.
    this.#phaseMs ??= this.#options.random() * EXPLORE_MS;
    for (const peer of ready) peer.exploredAt ??= now + this.#phaseMs;
  }

  /** As bits: what is rather asked of others than of the peer; null for nothing. */
  barred(peer: Peer, now: number): Uint8Array | null {
    const sinceExplored = now - (peer.exploredAt ?? now);
    if (!peer.near && (sinceExplored >= this.#farMs || this.#outpacesSite(peer, now))) return null;
    const helpsOut = peer.seed && (sinceExplored >= EXPLORE_MS || this.#isHungry(peer, now));
    return this.#options.sources.barred(peer.level, helpsOut);
  }

  /** The peer is asked for a chunk, `barred` or not. */
  asked(peer: Peer, now: number): void {
    if (now >= (peer.exploredAt ?? now) + EXPLORE_MS) peer.exploredAt = now;
  }

  /** Tells when one of them is to be asked for what is rather asked of others. */
  lookAhead(ready: readonly Peer[], free: FreeChunks, now: number): void {
    const { sources, due } = this.#options;
    if (sources.isOneLevel) return;
    for (const { near, seed, exploredAt, have } of ready) {
      if (near && !seed) continue;
      const turn = (exploredAt ?? now) + (seed ? EXPLORE_MS : this.#farMs);
      const beyond = (exploredAt ?? now) + this.#farMs;
      for (const at of near ? [turn] : [turn, beyond]) {
        if (at > now && at < due.at && free.hasAnyOf(have.bytes)) due.notAfter(at);
      }
    }
  }

  /** The devices of a site share its uplink, and this. */
  get #farMs(): number {
    return EXPLORE_MS * (1 + this.#options.uplink.neighbours);
  }

  /** Whether the site keeps this device waiting for what this one, who is elsewhere, would bring far sooner. */
  #outpacesSite({ rate }: Peer, now: number): boolean {
    const { near: intake, peers } = this.#options;
    if (rate <= OUTPACES_FACTOR * intake.smoothedRate(now)) return false;
    for (const { near, owesSince } of peers.values()) if (near && now >= owesSince + SITE_OWES_MS) return true;
    return false;
  }

  #isHungry(seed: Peer, now: number): boolean {
    const { near, far } = this.#options;
    return (seed.near ? near : far).isHungry(now);
  }
}

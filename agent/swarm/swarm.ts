import type { Bitfield } from '../../shared/artifact/bitfield.js';
import { ENDGAME_AGE_MS, MAX_COPIES_IN_ENDGAME, MAX_OUTSTANDING_BYTES, REST_MS } from './limits.js';
import { Peer } from './peer.js';
import { Picker } from './picker.js';

/**
 * One artifact's swarm, as seen from one device: who holds what, and what to ask of whom. Pure: time and randomness come in,
 * requests and cancellations go out.
 */

export interface SwarmAction {
  readonly kind: 'request' | 'cancel';
  readonly peer: string;
  readonly chunk: number;
}

export interface SwarmOptions {
  readonly held: Bitfield;
  /** Bytes. */
  readonly chunkLength: (chunk: number) => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

export class Swarm {
  readonly #held: Bitfield;
  readonly #chunkLength: (chunk: number) => number;
  readonly #picker: Picker;
  readonly #peers = new Map<string, Peer>();
  /** How many peers were asked for a chunk that is not verified yet. */
  readonly #copies = new Map<number, number>();
  #outstandingBytes = 0;

  constructor({ held, chunkLength, random }: SwarmOptions) {
    this.#held = held;
    this.#chunkLength = chunkLength;
    this.#picker = new Picker(held.length, random);
  }

  get complete(): boolean {
    return this.#held.isFull;
  }

  get peers(): ReadonlyMap<string, Peer> {
    return this.#peers;
  }

  /** Whether the peer holds a chunk that is missing. */
  offersAny(id: string): boolean {
    const have = this.#peers.get(id)?.have;
    if (have === undefined) return false;
    for (const chunk of this.#held.missing()) if (have.get(chunk)) return true;
    return false;
  }

  addPeer(id: string, seed: boolean): void {
    this.removePeer(id);
    this.#peers.set(id, new Peer(id, seed, this.#held.length));
  }

  removePeer(id: string): void {
    const peer = this.#peers.get(id);
    if (peer === undefined) return;
    for (const chunk of [...peer.outstanding.keys()]) this.#settle(peer, chunk);
    for (const chunk of peer.have.held()) this.#picker.lost(chunk);
    this.#peers.delete(id);
  }

  /** P-7.6: bits are added, never taken away. */
  onHave(id: string, first: number, bits: Uint8Array): void {
    const peer = this.#peers.get(id);
    if (peer === undefined) return;
    for (const [at, byte] of bits.entries()) {
      for (let bit = 0; bit < 8 && byte !== 0; bit++) {
        const chunk = first + at * 8 + bit;
        if ((byte & (0x80 >> bit)) === 0 || chunk >= this.#held.length || peer.have.get(chunk)) continue;
        peer.have.set(chunk);
        this.#picker.gained(chunk);
      }
    }
  }

  /** Bytes of a chunk arrived from a peer that was asked for it. */
  onBytes(id: string, bytes: number, now: number): void {
    this.#peers.get(id)?.received(bytes, now);
  }

  isAsked(id: string, chunk: number): boolean {
    return this.#peers.get(id)?.outstanding.has(chunk) ?? false;
  }

  /** @returns cancellations for the other peers that were asked for it. */
  onVerified(id: string, chunk: number, now: number): SwarmAction[] {
    const length = this.#chunkLength(chunk);
    const actions: SwarmAction[] = [];
    for (const peer of this.#peers.values()) {
      if (!peer.outstanding.has(chunk)) continue;
      if (peer.id === id) peer.delivered(length, now);
      else actions.push({ kind: 'cancel', peer: peer.id, chunk });
      this.#settle(peer, chunk);
    }
    return actions;
  }

  /** The peer does not serve the chunk now. `gone`: it does not hold it at all. Otherwise it is busy, and rests. */
  onReject(id: string, chunk: number, gone: boolean, now: number): void {
    const peer = this.#peers.get(id);
    if (peer === undefined) return;
    this.#settle(peer, chunk);
    if (!gone) {
      peer.restUntil = now + REST_MS;
    } else if (peer.have.get(chunk)) {
      peer.have.set(chunk, false);
      this.#picker.lost(chunk);
    }
  }

  /** The chunk could not be kept (a full disk, say): it is asked again when the caller schedules again. */
  onDropped(id: string, chunk: number): void {
    const peer = this.#peers.get(id);
    if (peer !== undefined) this.#settle(peer, chunk);
  }

  /** Requests to make now, and cancellations of what stalled peers owe. */
  schedule(now: number): SwarmAction[] {
    const actions: SwarmAction[] = [];
    for (const peer of this.#peers.values()) {
      if (now < peer.stallsAt) continue;
      peer.restUntil = now + REST_MS;
      for (const chunk of [...peer.outstanding.keys()]) {
        this.#settle(peer, chunk);
        actions.push({ kind: 'cancel', peer: peer.id, chunk });
      }
    }
    if (this.complete) return actions;
    // One request a peer a round: a fast peer is filled no later, and a slow one is not left the rarest chunks.
    for (const peer of this.#peers.values()) if (now >= peer.restUntil) peer.restUntil = 0;
    let ready = [...this.#peers.values()].filter((peer) => peer.restUntil === 0);
    while (ready.length > 0) ready = ready.filter((peer) => this.#ask(peer, now, actions));
    return actions;
  }

  /** When `schedule` is due again although nothing arrives: a stall or the end of a rest. Past ones stay due until then. */
  nextDeadline(): number {
    let deadline = Number.POSITIVE_INFINITY;
    for (const peer of this.#peers.values()) {
      deadline = Math.min(deadline, peer.stallsAt);
      if (peer.restUntil > 0) deadline = Math.min(deadline, peer.restUntil);
    }
    return deadline;
  }

  #ask(peer: Peer, now: number, actions: SwarmAction[]): boolean {
    if (peer.outstandingBytes >= peer.pipelineBytes || this.#outstandingBytes >= MAX_OUTSTANDING_BYTES) return false;
    let chunk = this.#picker.pick(peer.have, (i) => !this.#held.get(i) && !this.#copies.has(i));
    if (chunk < 0 && peer.outstanding.size === 0) chunk = this.#pickAgain(peer, now);
    if (chunk < 0) return false;
    const length = this.#chunkLength(chunk);
    peer.asked(chunk, length, now);
    this.#outstandingBytes += length;
    this.#copies.set(chunk, (this.#copies.get(chunk) ?? 0) + 1);
    actions.push({ kind: 'request', peer: peer.id, chunk });
    return true;
  }

  /** The endgame: an idle peer doubles a request, the longest outstanding first. */
  #pickAgain(idle: Peer, now: number): number {
    let oldest = now - ENDGAME_AGE_MS;
    let found = -1;
    for (const peer of this.#peers.values()) {
      for (const [chunk, since] of peer.outstanding) {
        if (since >= oldest || !idle.have.get(chunk) || this.#held.get(chunk)) continue;
        if ((this.#copies.get(chunk) ?? 0) >= MAX_COPIES_IN_ENDGAME) continue;
        oldest = since;
        found = chunk;
      }
    }
    return found;
  }

  #settle(peer: Peer, chunk: number): void {
    if (!peer.outstanding.has(chunk)) return;
    const length = this.#chunkLength(chunk);
    peer.settled(chunk, length);
    this.#outstandingBytes -= length;
    const copies = (this.#copies.get(chunk) ?? 1) - 1;
    if (copies === 0) this.#copies.delete(chunk);
    else this.#copies.set(chunk, copies);
  }
}

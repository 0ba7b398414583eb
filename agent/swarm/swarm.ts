import type { Bitfield } from '../../shared/artifact/bitfield.js';
import { Asking } from './asking.js';
import { Deadline } from './deadline.js';
import { Intake } from './intake.js';
import { REST_MS } from './limits.js';
import type { Misbehaviour } from './misbehaviour.js';
import { Peer } from './peer.js';
import { Picker } from './picker.js';
import { Requests } from './requests.js';
import type { SwarmAction, SwarmOptions } from './swarm_types.js';
import { Uplink } from './uplink.js';

export type { SwarmAction, SwarmOptions } from './swarm_types.js';

/**
 * One artifact's swarm, as seen from one device: who holds what, and what to ask of whom. Pure: time and randomness come in,
 * requests and cancellations go out.
 */

export class Swarm {
  readonly #held: Bitfield;
  readonly #chunkLength: (chunk: number) => number;
  readonly #misbehaved: (peer: string, how: Misbehaviour) => void;
  readonly #twins: (chunk: number) => readonly number[];
  readonly #peers = new Map<string, Peer>();
  readonly #picker: Picker;
  readonly #uplink: Uplink;
  /** What comes from the own site, and from others. */
  readonly #near = new Intake();
  readonly #far = new Intake();
  readonly #due = new Deadline();
  readonly #requests: Requests;
  readonly #asking: Asking;
  #receivedBytes = 0;

  constructor(options: SwarmOptions) {
    const { held, chunkLength, random, self, allowance, misbehaved = () => {}, twins = () => [] } = options;
    this.#twins = twins;
    this.#held = held;
    this.#chunkLength = chunkLength;
    this.#misbehaved = misbehaved;
    this.#picker = new Picker(held.length, random);
    this.#uplink = new Uplink(held.length, self);
    const [peers, near, far, due] = [this.#peers, this.#near, this.#far, this.#due];
    this.#requests = new Requests({ peers, far, due, chunkLength, misbehaved, ...(allowance && { allowance }) });
    const [picker, uplink, requests] = [this.#picker, this.#uplink, this.#requests];
    this.#asking = new Asking(options, { peers, picker, uplink, requests, near, far, due });
  }

  get complete(): boolean {
    return this.#held.isFull;
  }

  /** Bytes asked for and not yet verified. */
  get outstandingBytes(): number {
    return this.#requests.outstandingBytes;
  }

  /** Bytes of chunks that were asked for, wanted by then or not. */
  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  get peers(): ReadonlyMap<string, Peer> {
    return this.#peers;
  }

  /** @param near whether it is of this device's site; @param worth as PeerBook has it */
  addPeer(id: string, seed: boolean, near = true, worth = 1): void {
    this.removePeer(id);
    this.#peers.set(id, new Peer(id, seed, near, worth, this.#held.length));
    if (near && !seed) this.#uplink.add(id);
  }

  /** What holds everything and has no session, an HTTP server: `schedule` asks nothing of it, `claim` does. */
  addSource(id: string): void {
    this.removePeer(id);
    this.#peers.set(id, new Peer(id, true, false, 1, this.#held.length, true));
  }

  removePeer(id: string): void {
    const peer = this.#peers.get(id);
    if (peer === undefined) return;
    for (const chunk of [...peer.outstanding.keys()]) this.#requests.settle(peer, chunk);
    for (const chunk of peer.have.held()) this.#picker.lost(chunk);
    this.#peers.delete(id);
    this.#uplink.remove(id);
  }

  /** P-7.6: bits are added, never taken away. @returns whether it told of a chunk that is missing here. */
  onHave(id: string, first: number, bits: Uint8Array): boolean {
    const peer = this.#peers.get(id);
    if (peer === undefined) return false;
    let missing = false;
    for (let at = 0; at < bits.length; at++) {
      const byte = bits[at] ?? 0;
      for (let bit = 0; bit < 8 && byte !== 0; bit++) {
        const chunk = first + at * 8 + bit;
        if ((byte & (0x80 >> bit)) === 0 || chunk >= this.#held.length || peer.have.get(chunk)) continue;
        peer.have.set(chunk);
        this.#picker.gained(chunk);
        if (peer.near) this.#uplink.arrived(chunk, id);
        missing ||= !this.#held.get(chunk);
      }
    }
    return missing;
  }

  /** Bytes of a chunk arrived from a peer that was asked for it. */
  onBytes(id: string, chunk: number, bytes: number, now: number): void {
    const peer = this.#peers.get(id);
    if (peer === undefined) return;
    this.#receivedBytes += bytes;
    peer.received(chunk, bytes, now);
    (peer.near ? this.#near : this.#far).received(bytes, peer.seed, now);
  }

  /** P-7.13 @returns what to tell whom of it. */
  onComing(id: string, chunk: number, now: number): SwarmAction[] {
    const actions: SwarmAction[] = [];
    const isNews = !this.#held.get(chunk) && this.#uplink.onComing(id, chunk, now);
    if (isNews) this.#asking.tellComing(chunk, actions, id);
    return actions;
  }

  isAsked(id: string, chunk: number): boolean {
    return this.#peers.get(id)?.outstanding.has(chunk) ?? false;
  }

  /** @returns cancellations for the other peers that were asked for it. */
  onVerified(id: string, chunk: number, now: number): SwarmAction[] {
    const actions: SwarmAction[] = [];
    this.#uplink.arrived(chunk);
    this.#uplink.brought(id);
    const wonSince = this.#peers.get(id)?.outstanding.get(chunk) ?? now;
    for (const peer of this.#peers.values()) {
      const since = peer.outstanding.get(chunk);
      if (since === undefined) continue;
      if (peer.id === id) {
        peer.delivered(this.#chunkLength(chunk), now);
      } else {
        if (since <= wonSince) this.#requests.failed(peer);
        actions.push({ kind: 'cancel', peer: peer.id, chunk });
      }
      this.#requests.settle(peer, chunk);
    }
    for (const twin of this.#twins(chunk)) if (twin !== chunk) this.#withdraw(twin, actions);
    return actions;
  }

  /** P-10.11: what has come under another number is wanted of nobody. */
  #withdraw(chunk: number, actions: SwarmAction[]): void {
    for (const peer of this.#peers.values()) {
      if (!peer.outstanding.has(chunk)) continue;
      actions.push({ kind: 'cancel', peer: peer.id, chunk });
      this.#requests.settle(peer, chunk);
    }
  }

  /** The peer does not serve the chunk now. `gone`: it does not hold it at all. Otherwise it is busy, and rests. */
  onReject(id: string, chunk: number, gone: boolean, now: number): void {
    const peer = this.#peers.get(id);
    if (peer === undefined) return;
    this.#requests.settle(peer, chunk);
    peer.failures++;
    if (!gone) {
      peer.restUntil = now + REST_MS;
    } else if (peer.have.get(chunk)) {
      this.#misbehaved(id, 'false-have');
      peer.have.set(chunk, false);
      this.#picker.lost(chunk);
    }
  }

  /** The chunk could not be kept (a full disk, say): it is asked again when the caller schedules again. */
  onDropped(id: string, chunk: number): void {
    const peer = this.#peers.get(id);
    if (peer !== undefined) this.#requests.settle(peer, chunk);
  }

  /**
   * For a source (`addSource`): a run of neighbouring chunks that nobody was asked for, the rarest first, held under `id` from now on as what peers were asked for. Call after `schedule`.
   * @param most bytes; the first chunk is taken however long it is
   * @param unheld only what no peer holds that could be asked; else also, where nothing is left, one that others owe for too long (P-10.4)
   * @returns the chunks in order; none where there are none, or where too much is outstanding
   */
  claim(id: string, now: number, most: number, unheld: boolean): number[] {
    const source = this.#peers.get(id);
    return source === undefined ? [] : this.#asking.claim(source, now, most, unheld);
  }

  /** Whether `claim` may find something, now or later. */
  hasClaimable(unheld: boolean): boolean {
    return this.#asking.hasClaimable(unheld);
  }

  /** Requests to make now, and cancellations of what stalled peers owe. */
  schedule(now: number): SwarmAction[] {
    return this.#asking.schedule(now);
  }

  /**
   * When `schedule` is due again although nothing arrives: a stall, the end of a rest, a request that is old enough to be asked
   * of another peer. Past ones stay due until then.
   */
  nextDeadline(): number {
    let deadline = this.#due.at;
    for (const peer of this.#peers.values()) {
      if (!peer.isSource) deadline = Math.min(deadline, peer.stallsAt);
      if (peer.restUntil > 0) deadline = Math.min(deadline, peer.restUntil);
    }
    return deadline;
  }
}

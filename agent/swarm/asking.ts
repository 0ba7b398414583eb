import { Bitfield } from '../../shared/artifact/bitfield.js';
import { AskingAgain } from './asking_again.js';
import type { Deadline } from './deadline.js';
import { Exploring } from './exploring.js';
import { FreeChunks } from './free_chunks.js';
import type { Intake } from './intake.js';
import { byMerit } from './merit.js';
import type { Misbehaviour } from './misbehaviour.js';
import type { Peer } from './peer.js';
import type { Picker } from './picker.js';
import type { Requests } from './requests.js';
import { Sources } from './sources.js';
import type { SwarmAction, SwarmOptions } from './swarm_types.js';
import type { Uplink } from './uplink.js';

/** What to ask of whom now, given what a swarm knows. Pure. */

/** What the swarm knows, and learns meanwhile. */
export interface Known {
  /** By id: all, those that rest too. */
  readonly peers: ReadonlyMap<string, Peer>;
  readonly picker: Picker;
  readonly uplink: Uplink;
  readonly requests: Requests;
  /** What comes from the own site, and from others. */
  readonly near: Intake;
  readonly far: Intake;
  /** When `schedule` is due although nothing happens, but for stalls and rests. */
  readonly due: Deadline;
}

export class Asking {
  readonly #held: Bitfield;
  readonly #verifying: ReadonlySet<number>;
  readonly #chunkLength: (chunk: number) => number;
  readonly #frugal: () => boolean;
  readonly #misbehaved: (peer: string, how: Misbehaviour) => void;
  readonly #peers: ReadonlyMap<string, Peer>;
  readonly #picker: Picker;
  readonly #uplink: Uplink;
  readonly #requests: Requests;
  readonly #due: Deadline;
  readonly #sources: Sources;
  readonly #free: FreeChunks;
  readonly #exploring: Exploring;
  readonly #again: AskingAgain;
  /** As bits, of the last `schedule`; null where nobody asked. */
  #dueElsewhere: Uint8Array | null = null;

  constructor(options: SwarmOptions, known: Known) {
    this.#held = options.held;
    this.#verifying = options.verifying;
    this.#chunkLength = options.chunkLength;
    this.#frugal = options.frugal;
    this.#misbehaved = options.misbehaved ?? (() => {});
    this.#peers = known.peers;
    this.#picker = known.picker;
    this.#uplink = known.uplink;
    this.#requests = known.requests;
    this.#due = known.due;
    this.#sources = new Sources(options.held.length);
    this.#free = new FreeChunks(options);
    this.#exploring = new Exploring({ ...known, sources: this.#sources, random: options.random });
    const { held, verifying, frugal, twins = () => [] } = options;
    this.#again = new AskingAgain({ ...known, held, verifying, frugal, twins });
  }

  /** As Swarm.schedule. */
  schedule(now: number): SwarmAction[] {
    const actions: SwarmAction[] = [];
    this.#passOverStalled(now, actions);
    if (this.#held.isFull) return actions;
    for (const peer of this.#peers.values()) if (now >= peer.restUntil) peer.restUntil = 0;
    this.#due.clear();
    this.#requests.measure(now);
    this.#free.look(this.#requests.askedAt.keys());
    this.#picker.leaveOut(this.#held);
    const ready = [...this.#peers.values()].filter((peer) => peer.restUntil === 0);
    ready.sort(byMerit);
    this.#sources.look(ready, now);
    const { far } = this.#sources;
    if (far !== null) this.#uplink.look(far, now);
    this.#dueElsewhere = null;
    this.#exploring.begin(ready, now);
    // All of a level before the next: what the own devices can bring is no more to be asked of others.
    for (let level = 0; level <= 3; level++) this.#askAll(this.#sources.at(level), now, actions);
    // What is full now has room again when the first of it is late.
    this.#requests.measureLate(now);
    this.#exploring.lookAhead(ready, this.#free, now);
    return actions;
  }

  /** As Swarm.claim. */
  claim(source: Peer, now: number, most: number, unheld: boolean): number[] {
    this.#requests.limit();
    if (this.#requests.roomBytes <= 0) return [];
    this.#findClaimable(unheld);
    this.#picker.leaveOut(this.#held);
    let chunk = this.#picker.pick(this.#free.bits);
    if (chunk < 0 && !unheld) chunk = this.#again.pick(source, Bitfield.full(this.#held.length), now);
    if (chunk < 0 || source.outstanding.has(chunk)) return [];
    const run: number[] = [];
    let left = Math.min(most, this.#requests.roomBytes);
    do {
      run.push(chunk);
      left -= this.#chunkLength(chunk);
      this.#request(source, chunk, now);
      chunk++;
    } while (this.#free.has(chunk) && this.#chunkLength(chunk) <= left);
    return run;
  }

  /** As Swarm.hasClaimable. */
  hasClaimable(unheld: boolean): boolean {
    if (!unheld) return this.#held.count + this.#verifying.size < this.#held.length;
    this.#findClaimable(unheld);
    return this.#free.hasAny;
  }

  /** P-10.7: devices of the site that do not hold it leave the chunk to this one, which would not give it where every byte costs. */
  tellComing(chunk: number, actions: SwarmAction[], except = ''): void {
    if (this.#frugal()) return;
    for (const { id, near, seed, have } of this.#peers.values()) {
      if (near && !seed && id !== except && !have.get(chunk)) actions.push({ kind: 'coming', peer: id, chunk });
    }
  }

  #passOverStalled(now: number, actions: SwarmAction[]): void {
    for (const peer of this.#peers.values()) {
      // HTTP has a patience of its own (P-11.2).
      if (now < peer.stallsAt || peer.isSource) continue;
      this.#misbehaved(peer.id, 'stalled');
      peer.stalled(now);
      for (const chunk of [...peer.outstanding.keys()]) {
        this.#requests.settle(peer, chunk);
        actions.push({ kind: 'cancel', peer: peer.id, chunk });
      }
    }
  }

  /** One request a peer a round: a fast peer is filled no later, and a slow one is not left the rarest chunks. */
  #askAll(peers: readonly Peer[], now: number, actions: SwarmAction[]): void {
    let ready = peers;
    while (ready.length > 0) ready = ready.filter((peer) => this.#ask(peer, now, actions));
  }

  #ask(peer: Peer, now: number, actions: SwarmAction[]): boolean {
    if (!this.#requests.hasRoom(peer, now)) return false;
    let chunk = this.#pick(peer, now);
    if (chunk < 0 && peer.outstanding.size === 0) {
      chunk = this.#again.pick(peer, peer.have, now);
      if (chunk >= 0 && !this.#frugal()) this.#again.takeOver(chunk, now, actions);
    }
    if (chunk < 0) return false;
    this.#request(peer, chunk, now);
    actions.push({ kind: 'request', peer: peer.id, chunk });
    if (!peer.near) this.tellComing(chunk, actions);
    return true;
  }

  #request(peer: Peer, chunk: number, now: number): void {
    this.#requests.asked(peer, chunk, now);
    this.#free.take(chunk);
  }

  /** @returns the chunk, or -1 */
  #pick(peer: Peer, now: number): number {
    const barred = this.#exploring.barred(peer, now);
    const due = peer.near ? null : this.#ownTurns(now);
    // Far cheaper to know than which is the rarest, and null for every peer that has nothing to give.
    const wanted = this.#free.wanted(peer.have.bytes, barred, due);
    if (wanted === null) return -1;
    this.#exploring.asked(peer, now);
    return this.#picker.pick(wanted);
  }

  /** As bits: what is missing, and this device's to ask for in other sites now (P-10.7). The same for all peers of one `schedule`. */
  #ownTurns(now: number): Uint8Array {
    if (this.#dueElsewhere === null) {
      const { due, nextAt } = this.#uplink.due(this.#free.bits, now);
      this.#dueElsewhere = due;
      this.#due.notAfter(nextAt);
    }
    return this.#dueElsewhere;
  }

  /** What is free, and with `unheld` held by no peer that could be asked. */
  #findClaimable(unheld: boolean): void {
    this.#free.look(this.#requests.askedAt.keys());
    if (!unheld) return;
    for (const { have, restUntil } of this.#peers.values()) if (restUntil === 0) this.#free.leaveOut(have.bytes);
  }
}

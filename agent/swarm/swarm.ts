import { Bitfield } from '../../shared/artifact/bitfield.js';
import { againAt, againAtCost, lateAfterMs, lateByOwnPace, type Pace, urgency } from './endgame.js';
import { Intake } from './intake.js';
import {
  EXPLORE_MS,
  FAR_PIPELINE_SECONDS,
  MAX_OUTSTANDING_BYTES,
  MIN_FAR_PIPELINE_BYTES,
  OUTPACES_FACTOR,
  REST_MS,
  SITE_OWES_MS,
} from './limits.js';
import { bestRateOf, byMerit } from './merit.js';
import type { Misbehaviour } from './misbehaviour.js';
import { Peer } from './peer.js';
import { Picker } from './picker.js';
import { Sources } from './sources.js';
import { Uplink } from './uplink.js';

/**
 * One artifact's swarm, as seen from one device: who holds what, and what to ask of whom. Pure: time and randomness come in,
 * requests and cancellations go out.
 */

export interface SwarmAction {
  /** `coming`: the peer, of the same site, is told that the chunk was asked for elsewhere (P-7.13). */
  readonly kind: 'request' | 'cancel' | 'coming';
  readonly peer: string;
  readonly chunk: number;
}

export interface SwarmOptions {
  readonly held: Bitfield;
  /** Chunks that came and are not held yet, and those of the same bytes: they are not asked again. */
  readonly verifying: ReadonlySet<number>;
  /** Bytes. */
  readonly chunkLength: (chunk: number) => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Whether every byte costs: a chunk is then asked for again only where the first copy will hardly come. */
  readonly frugal: () => boolean;
  /** The device's own id, for its turn among those of its site. */
  readonly self: string;
  /** Chunks of the same bytes, of which one at a time is asked for: the first that comes brings all. Default none. */
  readonly twins?: (chunk: number) => readonly number[];
  /** Bytes that may be asked for and not yet here, where other transfers come before this one (P-10.12). Default no limit. */
  readonly allowance?: () => number;
  /** A peer did not do what it said or was asked. */
  readonly misbehaved?: (peer: string, how: Misbehaviour) => void;
}

export class Swarm {
  readonly #held: Bitfield;
  readonly #verifying: ReadonlySet<number>;
  readonly #chunkLength: (chunk: number) => number;
  readonly #twins: (chunk: number) => readonly number[];
  readonly #picker: Picker;
  readonly #frugal: () => boolean;
  readonly #allowance: () => number;
  readonly #peers = new Map<string, Peer>();
  readonly #sourceIds = new Set<string>();
  readonly #sources: Sources;
  readonly #uplink: Uplink;
  /** What comes from the own site, and from others. */
  readonly #near = new Intake();
  readonly #far = new Intake();
  #explorePhaseMs: number | undefined;
  readonly #random: () => number;
  readonly #misbehaved: (peer: string, how: Misbehaviour) => void;
  #farOutstandingBytes = 0;
  /** As bits, of the last `schedule`; null where nobody asked. */
  #due: Uint8Array | null = null;
  /** As bits: what may be asked of the peer at hand. */
  readonly #wanted: Uint8Array;
  /** When a chunk that is not verified yet was asked, once for each peer that was asked; the latest last. */
  readonly #askedAt = new Map<number, number[]>();
  #outstandingBytes = 0;
  #receivedBytes = 0;
  /** Bytes that may be outstanding, as of the last look. */
  #most = MAX_OUTSTANDING_BYTES;
  /** The five as of the last `schedule`: chunks to ask for, as bits; bytes per second of the best peer; late bytes, of all and of other sites; when a request becomes too old. */
  #free: Uint8Array = new Uint8Array();
  #bestRate = 0;
  #lateBytes = 0;
  #farLateBytes = 0;
  #dueAt = Number.POSITIVE_INFINITY;

  constructor(options: SwarmOptions) {
    const { held, verifying, chunkLength, random, frugal, self, twins, misbehaved = () => {} } = options;
    this.#misbehaved = misbehaved;
    this.#frugal = frugal;
    this.#allowance = options.allowance ?? (() => Number.POSITIVE_INFINITY);
    this.#held = held;
    this.#verifying = verifying;
    this.#chunkLength = chunkLength;
    this.#twins = twins ?? (() => []);
    this.#picker = new Picker(held.length, random);
    this.#sources = new Sources(held.length);
    this.#uplink = new Uplink(held.length, self);
    this.#wanted = new Uint8Array(held.bytes.length);
    this.#random = random;
  }

  get complete(): boolean {
    return this.#held.isFull;
  }

  /** Bytes asked for and not yet verified. */
  get outstandingBytes(): number {
    return this.#outstandingBytes;
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
    this.#peers.set(id, new Peer(id, true, false, 1, this.#held.length));
    this.#sourceIds.add(id);
  }

  removePeer(id: string): void {
    const peer = this.#peers.get(id);
    if (peer === undefined) return;
    for (const chunk of [...peer.outstanding.keys()]) this.#settle(peer, chunk);
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
    if (isNews) this.#tellComing(chunk, actions, id);
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
        if (since <= wonSince) this.#failed(peer);
        actions.push({ kind: 'cancel', peer: peer.id, chunk });
      }
      this.#settle(peer, chunk);
    }
    return actions;
  }

  /** The peer does not serve the chunk now. `gone`: it does not hold it at all. Otherwise it is busy, and rests. */
  onReject(id: string, chunk: number, gone: boolean, now: number): void {
    const peer = this.#peers.get(id);
    if (peer === undefined) return;
    this.#settle(peer, chunk);
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
    if (peer !== undefined) this.#settle(peer, chunk);
  }

  /**
   * For a source (`addSource`): a run of neighbouring chunks that nobody was asked for, the rarest first, held under `id` from now on as what peers were asked for. Call after `schedule`.
   * @param most bytes; the first chunk is taken however long it is
   * @param unheld only what no peer holds that could be asked; else also, where nothing is left, one that others owe for too long (P-10.4)
   * @returns the chunks in order; none where there are none, or where too much is outstanding
   */
  claim(id: string, now: number, most: number, unheld: boolean): number[] {
    const source = this.#peers.get(id);
    this.#limit();
    if (source === undefined || this.#roomBytes <= 0) return [];
    this.#findClaimable(unheld);
    this.#picker.leaveOut(this.#held);
    let chunk = this.#picker.pick(this.#free);
    if (chunk < 0 && !unheld) chunk = this.#pickAgain(source, Bitfield.full(this.#held.length), now);
    if (chunk < 0 || source.outstanding.has(chunk)) return [];
    const run: number[] = [];
    let left = Math.min(most, this.#roomBytes);
    do {
      run.push(chunk);
      left -= this.#chunkLength(chunk);
      this.#request(source, chunk, now);
      chunk++;
    } while (this.#isFree(chunk) && this.#chunkLength(chunk) <= left);
    return run;
  }

  /** Whether `claim` may find something, now or later. */
  hasClaimable(unheld: boolean): boolean {
    if (!unheld) return this.#held.count + this.#verifying.size < this.#held.length;
    this.#findClaimable(unheld);
    for (let chunk = 0; chunk < this.#held.length; chunk++) if (this.#isFree(chunk)) return true;
    return false;
  }

  /** Requests to make now, and cancellations of what stalled peers owe. */
  schedule(now: number): SwarmAction[] {
    const actions: SwarmAction[] = [];
    for (const peer of this.#peers.values()) {
      // HTTP has a patience of its own (P-11.2).
      if (now < peer.stallsAt || this.#sourceIds.has(peer.id)) continue;
      this.#misbehaved(peer.id, 'stalled');
      peer.stalled(now);
      for (const chunk of [...peer.outstanding.keys()]) {
        this.#settle(peer, chunk);
        actions.push({ kind: 'cancel', peer: peer.id, chunk });
      }
    }
    if (this.complete) return actions;
    for (const peer of this.#peers.values()) if (now >= peer.restUntil) peer.restUntil = 0;
    this.#measure(now);
    this.#findFree();
    this.#picker.leaveOut(this.#held);
    const ready = [...this.#peers.values()].filter((peer) => peer.restUntil === 0);
    ready.sort(byMerit);
    this.#sources.look(ready, now);
    const { far } = this.#sources;
    if (far !== null) this.#uplink.look(far, now);
    this.#due = null;
    // Devices that begin together explore at different times.
    this.#explorePhaseMs ??= this.#random() * EXPLORE_MS;
    for (const peer of ready) peer.exploredAt ??= now + this.#explorePhaseMs;
    // All of a level before the next: what the own devices can bring is no more to be asked of others.
    for (let level = 0; level <= 3; level++) this.#askAll(this.#sources.at(level), now, actions);
    // What is full now has room again when the first of it is late.
    this.#measureLate(now);
    this.#lookForExplorers(ready, now);
    return actions;
  }

  /**
   * When `schedule` is due again although nothing arrives: a stall, the end of a rest, a request that is old enough to be asked
   * of another peer. Past ones stay due until then.
   */
  nextDeadline(): number {
    let deadline = this.#dueAt;
    for (const peer of this.#peers.values()) {
      if (!this.#sourceIds.has(peer.id)) deadline = Math.min(deadline, peer.stallsAt);
      if (peer.restUntil > 0) deadline = Math.min(deadline, peer.restUntil);
    }
    return deadline;
  }

  get #pace(): Pace {
    return { chunkLength: this.#chunkLength, bestRate: this.#bestRate };
  }

  #measure(now: number): void {
    this.#limit();
    this.#bestRate = bestRateOf(this.#peers.values());
    this.#dueAt = Number.POSITIVE_INFINITY;
    this.#measureLate(now);
  }

  #limit(): void {
    this.#most = Math.min(MAX_OUTSTANDING_BYTES, this.#allowance());
  }

  #measureLate(now: number): void {
    this.#lateBytes = 0;
    this.#farLateBytes = 0;
    const isFull = this.#roomBytes <= 0;
    if (!isFull && this.#farOutstandingBytes < this.#farBudget(now)) return;
    // A link between sites may be far slower than the site: nothing is late there for that.
    const farPace = { ...this.#pace, bestRate: bestRateOf(this.#farPeers()) };
    if (isFull) this.#lateBytes = this.#lateOf(this.#peers.values(), this.#pace, now);
    this.#farLateBytes = this.#lateOf(this.#farPeers(), farPace, now);
  }

  #lateOf(peers: Iterable<Peer>, pace: Pace, now: number): number {
    let late = 0;
    for (const { outstanding } of peers) {
      for (const [chunk, since] of outstanding) {
        const lateAt = since + lateAfterMs(chunk, pace);
        if (now >= lateAt) late += this.#chunkLength(chunk);
        else this.#dueAt = Math.min(this.#dueAt, lateAt);
      }
    }
    return late;
  }

  #isFar({ near, id }: Peer): boolean {
    return !near && !this.#sourceIds.has(id);
  }

  #farPeers(): Peer[] {
    return [...this.#peers.values()].filter((peer) => this.#isFar(peer));
  }

  /** Bytes that may be on their way from other sites. */
  #farBudget(now: number): number {
    return Math.max(MIN_FAR_PIPELINE_BYTES, FAR_PIPELINE_SECONDS * this.#far.rate(now));
  }

  /** One request a peer a round: a fast peer is filled no later, and a slow one is not left the rarest chunks. */
  #askAll(peers: readonly Peer[], now: number, actions: SwarmAction[]): void {
    let ready = peers;
    while (ready.length > 0) ready = ready.filter((peer) => this.#ask(peer, now, actions));
  }

  #ask(peer: Peer, now: number, actions: SwarmAction[]): boolean {
    if (!this.#hasRoom(peer, now)) return false;
    let chunk = this.#pick(peer, now);
    if (chunk < 0 && peer.outstanding.size === 0) {
      chunk = this.#pickAgain(peer, peer.have, now);
      if (chunk >= 0 && !this.#frugal()) this.#takeOver(chunk, now, actions);
    }
    if (chunk < 0) return false;
    this.#request(peer, chunk, now);
    actions.push({ kind: 'request', peer: peer.id, chunk });
    if (!peer.near) this.#tellComing(chunk, actions);
    return true;
  }

  #request(peer: Peer, chunk: number, now: number): void {
    const length = this.#chunkLength(chunk);
    peer.asked(chunk, length, now);
    this.#outstandingBytes += length;
    if (this.#isFar(peer)) this.#farOutstandingBytes += length;
    this.#askedAt.set(chunk, [...(this.#askedAt.get(chunk) ?? []), now]);
    this.#taken(chunk);
  }

  /** What is free, and with `unheld` held by no peer that could be asked. */
  #findClaimable(unheld: boolean): void {
    this.#findFree();
    if (!unheld) return;
    for (const { have, restUntil } of this.#peers.values()) {
      if (restUntil > 0) continue;
      const bits = have.bytes;
      for (let i = 0; i < bits.length; i++) this.#free[i] = (this.#free[i] ?? 0) & ~(bits[i] ?? 0);
    }
  }

  #isFree(chunk: number): boolean {
    return chunk < this.#held.length && ((this.#free[chunk >>> 3] ?? 0) & (0x80 >>> (chunk & 7))) !== 0;
  }

  /** Bytes that may still be asked for. What is late does not count: whoever holds it back would keep the others from being asked. */
  get #roomBytes(): number {
    return this.#most - (this.#outstandingBytes - this.#lateBytes);
  }

  #hasRoom(peer: Peer, now: number): boolean {
    if (this.#roomBytes <= 0) return false;
    if (peer.outstandingBytes >= peer.pipelineBytes) return false;
    // One chunk each: who is slow, or lies, must not keep this device from learning what others bring.
    if (peer.near || peer.outstanding.size === 0) return true;
    return this.#farOutstandingBytes - this.#farLateBytes < this.#farBudget(now);
  }

  /** P-10.7: devices of the site that do not hold it leave the chunk to this one, which would not give it where every byte costs. */
  #tellComing(chunk: number, actions: SwarmAction[], except = ''): void {
    if (this.#frugal()) return;
    for (const { id, near, seed, have } of this.#peers.values()) {
      if (near && !seed && id !== except && !have.get(chunk)) actions.push({ kind: 'coming', peer: id, chunk });
    }
  }

  /** What is missing here, asked of nobody, and not come already: who delivered it may be gone while it is verified. */
  #findFree(): void {
    this.#free = this.#held.toBytes();
    for (let i = 0; i < this.#free.length; i++) this.#free[i] = ~(this.#free[i] ?? 0);
    for (let chunk = this.#held.length; chunk < this.#free.length * 8; chunk++) this.#taken(chunk);
    for (const chunk of this.#askedAt.keys()) this.#taken(chunk);
    // Those of the same bytes are among them: to look for these each time would take the square of their number.
    for (const chunk of this.#verifying) this.#clear(chunk);
  }

  #taken(chunk: number): void {
    this.#clear(chunk);
    for (const twin of this.#twins(chunk)) this.#clear(twin);
  }

  #clear(chunk: number): void {
    this.#free[chunk >>> 3] = (this.#free[chunk >>> 3] ?? 0) & ~(0x80 >>> (chunk & 7));
  }

  #pick(peer: Peer, now: number): number {
    const barred = this.#barred(peer, now);
    const due = peer.near ? null : this.#dueElsewhere(now);
    const [have, free, wanted] = [peer.have.bytes, this.#free, this.#wanted];
    let any = 0;
    for (let i = 0; i < wanted.length; i++) {
      const bits = (have[i] ?? 0) & (free[i] ?? 0) & ~(barred?.[i] ?? 0) & (due?.[i] ?? 0xff);
      wanted[i] = bits;
      any |= bits;
    }
    // Far cheaper to know than which is the rarest, and `no` for every peer that has nothing to give.
    if (any === 0) return -1;
    if (now >= (peer.exploredAt ?? now) + EXPLORE_MS) peer.exploredAt = now;
    return this.#picker.pick(wanted);
  }

  /** As bits: what is missing, and this device's to ask for in other sites now (P-10.7). The same for all peers of one `schedule`. */
  #dueElsewhere(now: number): Uint8Array {
    if (this.#due === null) {
      const { due, nextAt } = this.#uplink.due(this.#free, now);
      this.#due = due;
      this.#dueAt = Math.min(this.#dueAt, nextAt);
    }
    return this.#due;
  }

  /** As bits: what is rather asked of others (P-10.7); null for nothing. */
  #barred(peer: Peer, now: number): Uint8Array | null {
    const sinceExplored = now - (peer.exploredAt ?? now);
    if (!peer.near && (sinceExplored >= this.#exploreFarMs || this.#outpacesSite(peer, now))) return null;
    const helpsOut = peer.seed && (sinceExplored >= EXPLORE_MS || this.#isHungry(peer, now));
    return this.#sources.barred(peer.level, helpsOut);
  }

  /** The devices of a site share its uplink, and this. */
  get #exploreFarMs(): number {
    return EXPLORE_MS * (1 + this.#uplink.neighbours);
  }

  /** When one of them is to be asked for what is rather asked of others. */
  #lookForExplorers(ready: readonly Peer[], now: number): void {
    if (this.#sources.isOneLevel) return;
    for (const { near, seed, exploredAt, have } of ready) {
      if (near && !seed) continue;
      const due = (exploredAt ?? now) + (seed ? EXPLORE_MS : this.#exploreFarMs);
      const beyond = (exploredAt ?? now) + this.#exploreFarMs;
      for (const at of near ? [due] : [due, beyond]) {
        if (at > now && at < this.#dueAt && this.#hasFree(have.bytes)) this.#dueAt = at;
      }
    }
  }

  #hasFree(have: Uint8Array): boolean {
    for (let i = 0; i < have.length; i++) if (((have[i] ?? 0) & (this.#free[i] ?? 0)) !== 0) return true;
    return false;
  }

  /** Whether the site keeps this device waiting for what this one, who is elsewhere, would bring far sooner. */
  #outpacesSite({ rate }: Peer, now: number): boolean {
    if (rate <= OUTPACES_FACTOR * this.#near.smoothedRate(now)) return false;
    for (const { near, owesSince } of this.#peers.values()) if (near && now >= owesSince + SITE_OWES_MS) return true;
    return false;
  }

  #isHungry(seed: Peer, now: number): boolean {
    return (seed.near ? this.#near : this.#far).isHungry(now);
  }

  /**
   * The endgame: who is idle is asked for what others owe (P-10.4): what is late, then what has not begun, then the longest outstanding.
   * @param have what it holds
   */
  #pickAgain(idle: Peer, have: Bitfield, now: number): number {
    let oldest = Number.POSITIVE_INFINITY;
    let found = -1;
    for (const [chunk, askedAt] of this.#askedAt) {
      if (!have.get(chunk) || this.#held.get(chunk) || this.#verifying.has(chunk)) continue;
      const owners = [...this.#peers.values()].filter(({ outstanding }) => outstanding.has(chunk));
      const open = { chunk, askedAt, owners };
      const dueAt = this.#frugal() ? againAtCost(open, now) : againAt(open, idle, this.#pace, now);
      const since = (askedAt[0] ?? now) - urgency(open, this.#pace, now) * now;
      if (now < dueAt) this.#dueAt = Math.min(this.#dueAt, dueAt);
      else if (since < oldest) {
        oldest = since;
        found = chunk;
      }
    }
    return found;
  }

  /** What nobody has begun to send is asked of one peer only; a source sends a run, which does not end for one chunk of it. */
  #takeOver(chunk: number, now: number, actions: SwarmAction[]): void {
    for (const peer of this.#peers.values()) {
      if (!peer.outstanding.has(chunk) || peer.begun.has(chunk) || this.#sourceIds.has(peer.id)) continue;
      if (now >= lateByOwnPace(peer, chunk, this.#pace)) this.#failed(peer);
      this.#settle(peer, chunk);
      actions.push({ kind: 'cancel', peer: peer.id, chunk });
    }
  }

  /** Another brings what it owes. */
  #failed(peer: Peer): void {
    peer.failures++;
    if (!this.#sourceIds.has(peer.id)) this.#misbehaved(peer.id, 'slow');
  }

  #settle(peer: Peer, chunk: number): void {
    const since = peer.outstanding.get(chunk);
    if (since === undefined) return;
    const length = this.#chunkLength(chunk);
    peer.settled(chunk, length);
    this.#outstandingBytes -= length;
    if (this.#isFar(peer)) this.#farOutstandingBytes -= length;
    const askedAt = this.#askedAt.get(chunk) ?? [];
    askedAt.splice(askedAt.indexOf(since), 1);
    if (askedAt.length === 0) this.#askedAt.delete(chunk);
  }
}

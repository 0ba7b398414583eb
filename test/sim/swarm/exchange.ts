import { Feeding } from '../../../agent/swarm/feeding.js';
import { leastUseful, Refusals } from '../../../agent/swarm/refusals.js';
import { Swarm } from '../../../agent/swarm/swarm.js';
import type { Bitfield } from '../../../shared/artifact/bitfield.js';
import { MAX_PEERS_NAMED } from '../../../shared/limits.js';
import type { Flows } from './flows.js';

/** What one device holds of the artifact, and its sessions: the real Swarm decides, and chunks come as a fluid. */

/** P-7.2 */
const PATH_MS = 5_000;
const ONE_CHUNK = Uint8Array.of(0x80);
const NONE: ReadonlySet<number> = new Set();

export interface Ground {
  /** Virtual ms. */
  readonly now: number;
  readonly random: () => number;
  readonly chunkBytes: number;
  readonly flows: Flows;
  /** By flow. */
  readonly sides: (Side | undefined)[];
}

export interface ExchangeEvents {
  named(peers: readonly Exchange[]): void;
  /** A session ended and was not told to. */
  left(): void;
  /** Progress that an operator should see. */
  changed(): void;
}

/** One device's side of a session; chunks that it asked for come by its flow. */
export class Side {
  readonly owner: Exchange;
  readonly peer: Exchange;
  readonly since: number;
  readonly flow: number;
  /** Asked for and not come, in order, and what came of the first. */
  queue: number[] = [];
  sent = 0;
  /** The peer's own side, once there is one. */
  other: Side | null = null;
  open = false;
  received = 0;
  verified = 0;
  ended = false;

  constructor(owner: Exchange, peer: Exchange, now: number, flow: number) {
    this.owner = owner;
    this.peer = peer;
    this.since = now;
    this.flow = flow;
  }
}

export class Exchange {
  readonly id: string;
  readonly seed: boolean;
  readonly node: number;
  readonly held: Bitfield;
  readonly sides = new Map<string, Side>();
  readonly refusals = new Refusals();
  readonly feeding: Feeding;
  /** Null once everything is held. */
  swarm: Swarm | null;
  /** Something happened by which more may be asked; a peer told of a chunk by which more may be asked. */
  due = false;
  told = false;
  /** Bytes given to others, those that came and were of no use, and virtual ms; -1 while something is missing. */
  given = 0;
  wasted = 0;
  completedAt = -1;
  readonly #ground: Ground;
  readonly #events: ExchangeEvents;
  #unopened = 0;

  constructor(id: string, seed: boolean, node: number, held: Bitfield, ground: Ground, events: ExchangeEvents) {
    this.id = id;
    this.seed = seed;
    this.node = node;
    this.held = held;
    this.#ground = ground;
    this.#events = events;
    const { random, chunkBytes } = ground;
    this.feeding = new Feeding(ground.now, random);
    this.swarm = held.isFull
      ? null
      : new Swarm({ held, verifying: NONE, chunkLength: () => chunkBytes, random, frugal: () => false, self: id });
  }

  get complete(): boolean {
    return this.held.isFull;
  }

  /** P-10.1 */
  get lonely(): boolean {
    return !this.complete && (this.sides.size === 0 || !this.feeding.isFed(this.#ground.now));
  }

  /** A session was agreed with the peer; where the peer has its side too, it opens. */
  connect(peer: Exchange): void {
    const { now, flows, sides } = this.#ground;
    const old = this.sides.get(peer.id);
    if (old !== undefined) this.drop(old);
    const side = new Side(this, peer, now, flows.add(peer.node, this.node));
    sides[side.flow] = side;
    this.sides.set(peer.id, side);
    this.swarm?.addPeer(peer.id, peer.seed);
    this.#unopened++;
    const other = peer.sides.get(this.id);
    if (other === undefined || other.other !== null) return;
    [side.other, other.other] = [other, side];
    for (const one of [side, other]) one.owner.#opened(one);
    for (const one of [side, other]) one.owner.#tellPeer(one);
    if (this.complete && peer.complete) this.drop(side);
  }

  /** P-10.3 */
  makeRoom(): void {
    const least = leastUseful(this.sides.values(), this.#ground.now, () => 1);
    if (least === undefined) return;
    this.refusals.madeRoom(least.peer.id, this.#ground.now);
    this.drop(least);
  }

  /** Ends the session, and the peer hears of it. */
  drop(side: Side): void {
    this.#remove(side);
    const { other } = side;
    if (other === null || other.ended) return;
    const { owner } = other;
    owner.#remove(other);
    if (other.received === 0 && !owner.complete)
      owner.refusals.leftWithNothing(this.id, owner.sides.size, this.#ground.now);
    owner.#events.left();
  }

  /** Bytes of what was asked for come. @param credit how many the flow brings @param full called for each chunk that is whole */
  receive(side: Side, credit: number, full: (side: Side, chunk: number) => void): void {
    const { chunkBytes, now } = this.#ground;
    let left = credit;
    while (left > 0 && side.queue.length > 0) {
      const part = Math.min(left, chunkBytes - side.sent);
      left -= part;
      side.sent += part;
      side.received += part;
      this.swarm?.onBytes(side.peer.id, side.queue[0] as number, part, now);
      if (chunkBytes - side.sent > 0.5) break;
      side.sent = 0;
      full(side, side.queue.shift() as number);
    }
    side.peer.given += credit - left;
    if (side.queue.length === 0) this.#ground.flows.stop(side.flow);
  }

  /** A chunk came whole. */
  take(side: Side, chunk: number): void {
    const { chunkBytes, now } = this.#ground;
    if (this.swarm === null || side.ended || this.held.get(chunk)) {
      this.wasted += chunkBytes;
      this.swarm?.onDropped(side.peer.id, chunk);
      return;
    }
    this.held.set(chunk);
    side.verified += chunkBytes;
    this.feeding.progressed(now);
    for (const { peer } of this.swarm.onVerified(side.peer.id, chunk, now)) this.#cancel(peer, chunk);
    this.#events.changed();
    this.due = true;
    for (const side of this.sides.values())
      if (side.open && side.peer.swarm !== null) side.peer.#heard(this.id, chunk, ONE_CHUNK);
    if (this.complete) this.#completed();
  }

  /** Makes the requests that are due. */
  schedule(): void {
    this.due = false;
    this.told = false;
    if (this.swarm === null) return;
    for (const { kind, peer, chunk } of this.swarm.schedule(this.#ground.now)) {
      if (kind === 'cancel') this.#cancel(peer, chunk);
      else if (kind === 'request') this.#request(peer, chunk);
    }
  }

  /** What the agent's timer does. */
  tick(): void {
    const { now } = this.#ground;
    if (this.swarm !== null && this.swarm.nextDeadline() <= now) this.due = true;
    if (this.#unopened === 0) return;
    for (const side of [...this.sides.values()]) if (!side.open && now - side.since >= PATH_MS) this.drop(side);
  }

  #opened(side: Side): void {
    side.open = true;
    this.#unopened--;
    this.due = true;
    this.#events.changed();
  }

  /** P-7.6, P-7.9 */
  #tellPeer({ peer }: Side): void {
    if (this.held.count > 0) peer.#heard(this.id, 0, this.held.toBytes());
    const others: Exchange[] = [];
    for (const other of this.sides.values()) {
      if (others.length === MAX_PEERS_NAMED) break;
      if (other.open && other.peer !== peer) others.push(other.peer);
    }
    peer.#events.named(others);
  }

  #heard(id: string, first: number, bits: Uint8Array): void {
    if (this.swarm?.onHave(id, first, bits)) this.told = true;
  }

  #completed(): void {
    this.completedAt = this.#ground.now;
    this.swarm = null;
    for (const side of [...this.sides.values()]) if (side.open && side.peer.complete) this.drop(side);
  }

  #request(peer: string, chunk: number): void {
    const side = this.sides.get(peer);
    if (side === undefined) return;
    side.queue.push(chunk);
    if (side.queue.length === 1) this.#ground.flows.start(side.flow);
  }

  #cancel(peer: string, chunk: number): void {
    const side = this.sides.get(peer);
    const at = side?.queue.indexOf(chunk) ?? -1;
    if (side === undefined || at < 0) return;
    side.queue.splice(at, 1);
    if (at === 0) {
      this.wasted += side.sent;
      side.sent = 0;
    }
    if (side.queue.length === 0) this.#ground.flows.stop(side.flow);
  }

  #remove(side: Side): void {
    if (side.ended) return;
    side.ended = true;
    if (!side.open) this.#unopened--;
    if (this.sides.get(side.peer.id) === side) this.sides.delete(side.peer.id);
    this.wasted += side.sent;
    this.swarm?.removePeer(side.peer.id);
    this.#ground.flows.remove(side.flow);
    this.#ground.sides[side.flow] = undefined;
    this.due = true;
  }
}

import { StatusClock } from '../../../agent/status.js';
import { Agreements, offerHash } from '../../../agent/swarm/agreement.js';
import { Announcer, MembersHeard } from '../../../agent/swarm/announcer.js';
import { MAX_SESSIONS_PER_SEED, REPLACE_SESSION_AFTER_MS } from '../../../agent/swarm/limits.js';
import {
  announcementFor,
  type Member,
  mayListen,
  mustAnnounce,
  type Standing,
  seeksPeers,
  shardsToListenIn,
} from '../../../agent/swarm/meeting.js';
import { Bitfield } from '../../../shared/artifact/bitfield.js';
import { digestLacks, digestOffers, makeDigest } from '../../../shared/artifact/digest.js';
import type { AnswerMessage, HaveMessage } from '../../../shared/control/messages.js';
import { MAX_SESSIONS_PER_ARTIFACT } from '../../../shared/limits.js';
import type { Broker, Client } from './broker.js';
import { Exchange, type Ground } from './exchange.js';

/** One device of a simulated fleet, as the agent is: announcements, offers and answers by the rules of P-5.6 and P-10, no envelope sealed. */

export type Message =
  | { readonly kind: 'have'; readonly from: Device; readonly have: HaveMessage }
  | { readonly kind: 'offer'; readonly from: Device; readonly payload: Uint8Array; readonly at: number }
  | { readonly kind: 'answer'; readonly from: Device; readonly offer: Uint8Array; readonly at: number };

export interface Fleet extends Ground {
  readonly broker: Broker<Message>;
  readonly shards: number;
  readonly joinWindowMs: number;
  /** By id. */
  device(id: string): Device;
  /** Unique. */
  nonce(): Uint8Array;
}

const ARTIFACT = 'artifact';
/** As the agent has them. */
const STATUS_INTERVAL_MS = 2_000;
const MAX_STATUS_INTERVAL_MS = 32_000;
const HEARTBEAT_MS = 60_000;
/** P-4.4: what the field takes. */
const MAX_ROOM = 255;
const NO_BYTES = new Uint8Array();
const ANSWER: AnswerMessage = {
  ...{ t: 'answer', at: 0, expires: 0, artifact: NO_BYTES, session: NO_BYTES, key: NO_BYTES, candidates: [] },
  offer: NO_BYTES,
};

/** How a device stands is asked in each step: one object for all of them. */
const scratch: { -readonly [K in keyof Standing]: Standing[K] } = {
  ...{ shards: 1, held: 0, complete: false, lonely: true, room: 0, announced: false, listensIn: [] },
};

export class Device implements Client<Message> {
  readonly ledger = { messages: 0, bytes: 0 };
  readonly exchange: Exchange;
  readonly joinedAt: number;
  readonly #fleet: Fleet;
  readonly #member: Member;
  readonly #announcer: Announcer;
  readonly #heard = new MembersHeard();
  readonly #agreements: Agreements<true>;
  readonly #status = new StatusClock(STATUS_INTERVAL_MS, MAX_STATUS_INTERVAL_MS, () => 0);
  /** Of the last status that was published. */
  #said = 'idle';
  #announced = false;
  #listening: readonly number[] = [];

  constructor(id: string, seed: boolean, node: number, fleet: Fleet, chunks: number) {
    this.#fleet = fleet;
    this.#member = { device: id, seed };
    this.#agreements = new Agreements(id);
    this.#announcer = new Announcer(fleet.now, fleet.joinWindowMs, fleet.random);
    this.joinedAt = this.#announcer.joinsAt;
    const held = seed ? Bitfield.full(chunks) : new Bitfield(chunks);
    this.exchange = new Exchange(id, seed, node, held, fleet, {
      named: (peers) => this.#named(peers),
      left: () => this.#left(),
      changed: () => this.#status.changed(),
    });
    // Before the rollout devices say that they are there at times of their own.
    const before = fleet.now - fleet.random() * HEARTBEAT_MS;
    this.#status.publishes(before, this.#states);
    this.#status.said(before);
    this.#status.changed();
    this.#status.quiet(this.joinedAt);
  }

  get id(): string {
    return this.exchange.id;
  }

  /** P-10.3 */
  get room(): number {
    const { seed, sides } = this.exchange;
    return Math.max(0, (seed ? MAX_SESSIONS_PER_SEED : MAX_SESSIONS_PER_ARTIFACT) - sides.size);
  }

  take(message: Message): void {
    if (message.kind === 'have') this.#onHave(message.from, message.have);
    else if (message.kind === 'offer') this.#onOffer(message.from, message.payload, message.at);
    else this.#onAnswer(message.from, message.offer, message.at);
  }

  /** Whether `tick` would do nothing: it waits to join, or has everything and no session. */
  get isIdle(): boolean {
    const { held, sides, complete } = this.exchange;
    const { now } = this.#fleet;
    if (sides.size > 0 || now >= this.#status.due) return false;
    return complete ? this.#listening.length > 0 : held.count === 0 && now < this.#announcer.due;
  }

  /** What the agent's timer does for announcements and status. */
  tick(): void {
    const { now } = this.#fleet;
    const due = now >= this.#announcer.due && mustAnnounce(this.#member, this.#standing());
    if (due && this.exchange.lonely && this.room === 0) this.exchange.makeRoom();
    this.#listen();
    if (due && mustAnnounce(this.#member, this.#standing())) this.#announce();
    if (now >= this.#status.due) this.#saySoFar();
  }

  /** As the agent does. */
  #saySoFar(): void {
    const { now, broker } = this.#fleet;
    const before = this.#said;
    const states = this.#states;
    const publishes = this.#status.publishes(now, states);
    if (publishes) {
      this.#said = states;
      broker.status(this, states === before && states !== 'fetching' ? 'heartbeat' : 'status');
    }
    this.#status.said(now, publishes);
  }

  get #states(): string {
    const { held, complete } = this.exchange;
    if (complete) return 'complete';
    if (this.#fleet.now < this.joinedAt) return 'idle';
    return held.count > 0 ? 'fetching' : 'indexing';
  }

  get #seconds(): number {
    return Math.floor(this.#fleet.now / 1000);
  }

  /** Good until the next call. */
  #standing(): Standing {
    const { held, complete, lonely } = this.exchange;
    scratch.shards = this.#fleet.shards;
    scratch.held = held.count;
    scratch.complete = complete;
    scratch.lonely = lonely;
    scratch.room = this.room;
    scratch.announced = this.#announced;
    scratch.listensIn = this.#listening;
    return scratch;
  }

  #listen(): void {
    const { broker } = this.#fleet;
    const standing = this.#standing();
    const listens = this.#listening.length > 0;
    if (mayListen(this.#member, standing) === listens) return;
    if (listens) {
      for (const shard of this.#listening) broker.unsubscribe(this, shard);
      this.#listening = [];
    } else {
      this.#listening = shardsToListenIn(this.#member, standing, this.#fleet.random);
      for (const shard of this.#listening) broker.subscribe(this, shard);
    }
  }

  #announce(): void {
    const { broker, now } = this.#fleet;
    const { held, sides } = this.exchange;
    const most = sides.size === 0 ? MAX_ROOM : MAX_SESSIONS_PER_ARTIFACT - 1;
    const room = Math.min(most, this.room);
    const { shards, again } = announcementFor(this.#member, this.#standing(), this.#announcer);
    const said = { at: this.#seconds, held: held.count, room, digest: makeDigest(held) };
    const have: HaveMessage = { t: 'have', ...said, ...(again && { again }) };
    for (const shard of shards) {
      broker.have(this, shard, { kind: 'have', from: this, have });
    }
    this.#announced = true;
    this.#announcer.announced(now);
  }

  /** P-10.2 */
  #onHave(from: Device, have: HaveMessage): void {
    if (from === this) return;
    const { now, random, shards } = this.#fleet;
    this.#heard.heard(from.id, now);
    const by = { site: '', sameSite: true, worth: 1, again: have.again ?? false };
    if (!this.#isOfInterest(have) || !this.#heard.offers(random, shards, this.#listening.length, by)) return;
    if (have.room === 0) return;
    this.#offer(from, have.room >= MAX_SESSIONS_PER_ARTIFACT ? have.at : undefined);
  }

  /** As Transfer.isOfInterest: unequal counts are of interest whatever the digest says. */
  #isOfInterest(have: HaveMessage): boolean {
    const { held } = this.exchange;
    if (have.held !== held.count) return true;
    if (held.count === 0 || held.isFull) return false;
    return digestOffers(have, held) || digestLacks(have, held);
  }

  /** As Negotiation.offer. */
  #offer(to: Device, announcedAt?: number): void {
    const { now, broker } = this.#fleet;
    const { sides, refusals } = this.exchange;
    if (refusals.isRefused(to.id, now)) return;
    if (sides.has(to.id)) {
      if (announcedAt === undefined || !this.#agreements.isLater(ARTIFACT, to.id, announcedAt)) return;
    } else if (this.room <= this.#agreements.pendingFor(ARTIFACT, now)) return;
    if (this.#agreements.isPending(ARTIFACT, to.id)) return;
    const payload = this.#fleet.nonce();
    if (!this.#agreements.offered(ARTIFACT, to.id, payload, true, now)) return;
    broker.signal(this, to, 'offer', { kind: 'offer', from: this, payload, at: this.#seconds });
  }

  #onOffer(from: Device, payload: Uint8Array, at: number): void {
    const { now, broker } = this.#fleet;
    const { sides, refusals } = this.exchange;
    if (refusals.isRefused(from.id, now)) return;
    const there = sides.get(from.id);
    if (there !== undefined) {
      const old = now - there.since >= REPLACE_SESSION_AFTER_MS;
      if (!old || !this.#agreements.isLater(ARTIFACT, from.id, at)) return;
    } else if (this.room === 0) return;
    if (!this.#agreements.received(ARTIFACT, from.id, now)) return;
    this.#agreements.agreed(ARTIFACT, from.id, at);
    this.exchange.connect(from.exchange);
    broker.signal(this, from, 'answer', { kind: 'answer', from: this, offer: offerHash(payload), at: this.#seconds });
  }

  #onAnswer(from: Device, offer: Uint8Array, at: number): void {
    const { now } = this.#fleet;
    const { sides, refusals } = this.exchange;
    if (refusals.isRefused(from.id, now)) return;
    if (this.#agreements.answered(ARTIFACT, from.id, { ...ANSWER, offer }, now) === null) return;
    if (sides.has(from.id) ? !this.#agreements.isLater(ARTIFACT, from.id, at) : this.room === 0) return;
    this.#agreements.agreed(ARTIFACT, from.id, at);
    this.exchange.connect(from.exchange);
  }

  /** P-10.3 */
  #named(peers: readonly Exchange[]): void {
    for (const peer of peers) {
      if (this.exchange.complete || peer === this.exchange) continue;
      const pending = this.#agreements.pendingFor(ARTIFACT, this.#fleet.now);
      if (seeksPeers(this.room, pending)) this.#offer(this.#fleet.device(peer.id));
    }
  }

  #left(): void {
    if (this.exchange.lonely && this.exchange.sides.size === 0) this.#announcer.restart(this.#fleet.now);
  }
}

import type { PacketSizes } from './sizes.js';

/** The broker of a simulated fleet: takes messages, hands each to who subscribed one step later, and counts what that costs. */

export type Kind = 'trust' | 'have' | 'offer' | 'answer' | 'status' | 'heartbeat' | 'subscription';
export const KINDS: readonly Kind[] = ['trust', 'have', 'offer', 'answer', 'status', 'heartbeat', 'subscription'];

/** What a member said and heard. */
export interface Ledger {
  messages: number;
  bytes: number;
}

export interface Count {
  messages: number;
  bytes: number;
}

/** What the broker did in one step. Messages are PUBLISH packets; bytes are of all packets. */
export interface Load {
  in: Count;
  out: Count;
}

/** Who takes part, as the broker sees it. */
export interface Client<T> {
  readonly ledger: Ledger;
  take(message: T): void;
}

interface Letter<T> {
  /** Undefined for what goes to a shard. */
  readonly to: Client<T> | undefined;
  readonly shard: number;
  readonly kind: Kind;
  readonly bytes: number;
  readonly message: T;
}

const nothing = (): Load => ({ in: { messages: 0, bytes: 0 }, out: { messages: 0, bytes: 0 } });

export class Broker<T> {
  readonly loads: Load[] = [nothing()];
  /** In and out together, by kind. */
  readonly byKind = new Map<Kind, Count>(KINDS.map((kind) => [kind, { messages: 0, bytes: 0 }]));
  readonly #sizes: PacketSizes;
  /** How many subscribe to every status. */
  readonly #operators: number;
  readonly #listeners = new Map<number, Set<Client<T>>>();
  #letters: Letter<T>[] = [];

  constructor(sizes: PacketSizes, operators: number) {
    this.#sizes = sizes;
    this.#operators = operators;
  }

  /** What was published in the last step reaches its readers, and a new step begins. */
  step(): void {
    const letters = this.#letters;
    this.#letters = [];
    this.loads.push(nothing());
    for (const { to, shard, kind, bytes, message } of letters) {
      if (to !== undefined) {
        this.#deliver(to, kind, bytes, message);
        continue;
      }
      for (const listener of this.#listeners.get(shard) ?? []) this.#deliver(listener, kind, bytes, message);
    }
  }

  subscribe(client: Client<T>, shard: number): void {
    const listeners = this.#listeners.get(shard) ?? new Set();
    this.#listeners.set(shard, listeners.add(client));
    this.#packets(client, 'subscription', this.#sizes.subscribe, this.#sizes.suback);
  }

  unsubscribe(client: Client<T>, shard: number): void {
    this.#listeners.get(shard)?.delete(client);
    this.#packets(client, 'subscription', this.#sizes.unsubscribe, this.#sizes.unsuback);
  }

  /** The retained message, to who subscribed it before. */
  trust(to: Client<T>): void {
    this.#count(this.#now.out, 'trust', 1, this.#sizes.trust, to);
    this.#count(this.#now.in, 'trust', 0, this.#sizes.puback, to);
  }

  have(from: Client<T>, shard: number, message: T): void {
    this.#count(this.#now.in, 'have', 1, this.#sizes.have, from);
    this.#letters.push({ to: undefined, shard, kind: 'have', bytes: this.#sizes.have, message });
  }

  signal(from: Client<T>, to: Client<T>, kind: 'offer' | 'answer', message: T): void {
    this.#publishOnce(from, kind, this.#sizes[kind]);
    this.#letters.push({ to, shard: 0, kind, bytes: this.#sizes[kind], message });
  }

  /** @param kind a heartbeat is one that would have been said without a rollout: the client's ledger, which is the rollout's, has it not. */
  status(from: Client<T>, kind: 'status' | 'heartbeat'): void {
    if (kind === 'status') {
      this.#publishOnce(from, kind, this.#sizes.status);
    } else {
      this.#count(this.#now.in, kind, 1, this.#sizes.status);
      this.#count(this.#now.out, kind, 0, this.#sizes.puback);
    }
    for (let i = 0; i < this.#operators; i++) {
      this.#count(this.#now.out, kind, 1, this.#sizes.status);
      this.#count(this.#now.in, kind, 0, this.#sizes.puback);
    }
  }

  get #now(): Load {
    return this.loads.at(-1) as Load;
  }

  /** With QoS 1. */
  #publishOnce(from: Client<T>, kind: Kind, bytes: number): void {
    this.#count(this.#now.in, kind, 1, bytes, from);
    this.#count(this.#now.out, kind, 0, this.#sizes.puback, from);
  }

  #packets(client: Client<T>, kind: Kind, said: number, answered: number): void {
    this.#count(this.#now.in, kind, 0, said, client);
    this.#count(this.#now.out, kind, 0, answered, client);
  }

  #deliver(to: Client<T>, kind: Kind, bytes: number, message: T): void {
    this.#count(this.#now.out, kind, 1, bytes, to);
    if (kind !== 'have') this.#count(this.#now.in, kind, 0, this.#sizes.puback, to);
    to.take(message);
  }

  #count(side: Count, kind: Kind, messages: number, bytes: number, client?: Client<T>): void {
    side.messages += messages;
    side.bytes += bytes;
    const total = this.byKind.get(kind) as Count;
    total.messages += messages;
    total.bytes += bytes;
    if (client === undefined) return;
    client.ledger.messages += messages;
    client.ledger.bytes += bytes;
  }
}

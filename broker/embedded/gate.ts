import type { AedesOptions, Client, ConnectPacket, PublishPacket } from 'aedes';
import type { Logger } from 'pino';
import { parseTopic, TOPICS } from '../../shared/control/topics.js';
import { MAX_MESSAGE_BYTES } from '../../shared/limits.js';
import { isTold } from '../../shared/tally.js';
import type { PayloadScanner } from '../meter/payload_scanner.js';
import type { Admitted } from './admission.js';
import { GuardedStream } from './guarded_stream.js';
import { CONNACK, refuseConnect } from './refusal.js';

/** What a broker asks at each step of a client, answered from the table (P-2.2 to P-2.7). */

/** A device with 32 groups and 16 rollouts has under 300; wildcards make more pointless. */
const MAX_SUBSCRIPTIONS = 512;
/** A client that reads this much too slowly is cut off; it comes back and says what it still needs. */
const MAX_BACKLOG_BYTES = 8 * 2 ** 20;
/**
 * Where refused messages go: nobody may subscribe it. aedes has no way to drop a message short of ending the connection, but lets
 * its authorizer rewrite the message.
 */
const NOWHERE = '$SYS/refused';
const NOTHING = Buffer.alloc(0);

export interface Refusals {
  connections: number;
  publishes: number;
  subscriptions: number;
  oversized: number;
}

const NONE_REFUSED: Refusals = { connections: 0, publishes: 0, subscriptions: 0, oversized: 0 };

/** What is asked of the lists that the broker goes by. */
export interface GateRules {
  /** How who was admitted is admitted by now; null where it is not any more. */
  again(admitted: Admitted): Admitted | null;
  /** P-14.2: whether a revocation list is in force now. What is not reaches nobody. */
  takes(list: Uint8Array): boolean;
}

interface ClientState {
  readonly admitted: Admitted;
  readonly filters: Set<string>;
  readonly refusals: Refusals;
}

export class Gate {
  readonly refused: Refusals = { ...NONE_REFUSED };
  /** PUBLISH packets and wills that arrived, refused ones included. */
  messages = 0;
  /** Bytes of the artifact found in them. */
  payloadBytes = 0;
  /** Messages that could not be looked into, since the artifact could no longer be read. */
  unscanned = 0;
  readonly #prefix: string;
  readonly #log: Logger;
  readonly #scanner: PayloadScanner | undefined;
  readonly #rules: GateRules;
  readonly #admissions = new WeakMap<object, Admitted>();
  /** Outlives the connection: aedes asks about the will when the client is gone. */
  readonly #states = new WeakMap<Client, ClientState>();
  readonly #connected = new Set<Client>();
  readonly #inspected = new WeakSet<object>();

  constructor(prefix: string, log: Logger, scanner: PayloadScanner | undefined, rules: GateRules) {
    this.#prefix = prefix;
    this.#log = log;
    this.#scanner = scanner;
    this.#rules = rules;
  }

  /** The handlers that aedes is made with. */
  readonly handlers = {
    preConnect: (client, packet, done) => this.#connect(client, packet, done),
    authorizePublish: (client, packet, done) => {
      this.#publish(client, packet);
      done(null);
    },
    authorizeSubscribe: (client, subscription, done) => {
      done(null, this.#subscribe(client, subscription.topic) ? subscription : null);
    },
    authorizeForward: (client, packet) => (this.#forward(client, packet.topic) ? packet : null),
  } satisfies AedesOptions;

  /** Called before the stream is handed to aedes. */
  expect(stream: GuardedStream, admitted: Admitted): void {
    this.#admissions.set(stream, admitted);
  }

  forget(client: Client): void {
    this.#connected.delete(client);
  }

  unsubscribed(client: Client, filters: readonly string[]): void {
    for (const filter of filters) this.#states.get(client)?.filters.delete(filter);
  }

  /**
   * Ends the connection of every client of which `stays` does not hold; at once, whether it reads or not.
   * @param reason for the log
   */
  expel(stays: (admitted: Admitted) => boolean, reason: string): void {
    for (const client of this.#connected) {
      const admitted = this.#states.get(client)?.admitted;
      if (admitted !== undefined && stays(admitted)) continue;
      this.#log.warn({ client: client.id }, reason);
      client.close(() => client.conn.destroy());
    }
  }

  #connect(client: Client, packet: ConnectPacket, done: (error: Error | null, ok: boolean) => void): void {
    const greeted = this.#admissions.get(client.conn);
    const id = greeted?.access.identity.id;
    if (greeted === undefined || packet.clientId !== id) {
      this.#turnAway(id, 'the client id is not the certificate holder (P-2.5)');
      refuseConnect(client, CONNACK.identifierRejected, done);
      return;
    }
    // P-14.9: a connection may wait for its CONNECT, and what was true at its handshake be true no more.
    const admitted = this.#rules.again(greeted);
    if (admitted === null) {
      this.#turnAway(id, 'revoked, or not in the roster any more');
      refuseConnect(client, CONNACK.notAuthorized, done);
      return;
    }
    this.#states.set(client, { admitted, filters: new Set(), refusals: { ...NONE_REFUSED } });
    this.#connected.add(client);
    const { will } = packet;
    if (will) this.#inspect(will);
    const reason = will ? this.#whyRefused(admitted, will) : null;
    if (will && reason !== null) {
      this.#count(client, 'publishes', will.topic, reason);
      refuseConnect(client, CONNACK.notAuthorized, done);
      return;
    }
    // No sessions are kept: what would queue for an absent client has no bound, and every control message is stale when it returns.
    packet.clean = true;
    done(null, true);
  }

  #turnAway(id: string | undefined, reason: string): void {
    this.refused.connections++;
    this.#log.warn({ client: id, reason }, 'refused a client');
  }

  #publish(client: Client | null, packet: PublishPacket): void {
    this.#inspect(packet);
    const state = client && this.#states.get(client);
    const reason = state ? this.#whyRefused(state.admitted, packet) : 'of no client';
    if (reason === null) return;
    if (client)
      this.#count(client, packet.payload.length > MAX_MESSAGE_BYTES ? 'oversized' : 'publishes', packet.topic, reason);
    packet.topic = NOWHERE;
    packet.payload = NOTHING;
    packet.retain = false;
  }

  /** Once for each message: a will is seen when it arrives, and again when it is delivered. */
  #inspect(packet: Pick<PublishPacket, 'payload'>): void {
    if (this.#inspected.has(packet)) return;
    this.#inspected.add(packet);
    this.messages++;
    const { payload } = packet;
    try {
      this.payloadBytes += this.#scanner?.scan(typeof payload === 'string' ? Buffer.from(payload) : payload) ?? 0;
    } catch (error) {
      this.unscanned++;
      this.#log.error({ err: error }, 'a message could not be looked into');
    }
  }

  #whyRefused(
    { access }: Admitted,
    { topic, payload, retain }: Pick<PublishPacket, 'topic' | 'payload'> & { retain?: boolean },
  ): string | null {
    if (payload.length > MAX_MESSAGE_BYTES) return 'too large (P-2.7)';
    if (!access.decide('publish', topic)) return 'not in the table (P-2.2)';
    const parsed = parseTopic(this.#prefix, topic);
    if (parsed === null) return 'not a topic of P-2.1';
    if (retain === true && !TOPICS[parsed.name].retained) return 'retained where nothing is (P-2.6)';
    if (parsed.name !== 'revoked' || this.#rules.takes(new Uint8Array(Buffer.from(payload)))) return null;
    return 'no list that is newer, or of its time (P-14.2)';
  }

  #subscribe(client: Client, filter: string): boolean {
    const state = this.#states.get(client);
    if (state?.admitted.access.decide('subscribe', filter)) {
      if (state.filters.has(filter) || state.filters.size < MAX_SUBSCRIPTIONS) {
        state.filters.add(filter);
        return true;
      }
    }
    this.#count(client, 'subscriptions', filter, 'not in the table (P-2.2, P-2.3), or too many');
    return false;
  }

  #forward(client: Client, topic: string): boolean {
    if (client.conn instanceof GuardedStream && client.conn.backlogBytes > MAX_BACKLOG_BYTES) {
      this.#log.warn({ client: client.id }, 'reads too slowly');
      client.conn.destroy();
      return false;
    }
    return this.#states.get(client)?.admitted.access.decide('subscribe', topic) ?? false;
  }

  /** Logged at the first, second, fourth, ... refusal of a client, so that a flood of them floods no log. */
  #count(client: Client, kind: keyof Refusals, topic: string, reason: string): void {
    this.refused[kind]++;
    const state = this.#states.get(client);
    if (state === undefined) return;
    // Each kind for itself: many subscriptions are not to hide a publish.
    const refusals = ++state.refusals[kind];
    if (!isTold(refusals)) return;
    const { id } = state.admitted.access.identity;
    this.#log.warn({ client: id, topic: topic.slice(0, 300), refusals, reason }, `refused ${kind}`);
  }
}

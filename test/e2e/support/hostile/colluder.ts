import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { onTestFinished } from 'vitest';
import { offerHash } from '../../../../agent/swarm/agreement.js';
import { sealEnvelope } from '../../../../shared/control/envelope.js';
import { decodeMap } from '../../../../shared/control/message_pack.js';
import {
  type AnswerMessage,
  decodeMessage,
  encodeMessage,
  messageType,
  type OfferMessage,
} from '../../../../shared/control/messages.js';
import { type ParsedTopic, parseTopic, topics } from '../../../../shared/control/topics.js';
import {
  agreeSessionKey,
  generateSessionKeyPair,
  type SessionContext,
  type SessionSecret,
} from '../../../../shared/crypto/box.js';
import type { Credential } from '../../../../shared/identity/bundle.js';
import type { HostileBroker, Said } from './hostile_broker.js';
import type { SessionLedger } from './session_ledger.js';

/**
 * A device with a valid certificate of its own that the broker works for: it reads every offer and answer, answers what was meant for
 * others, repeats their keys as its own, and sends datagrams under every name that it might be taken for.
 */

type Signal = Extract<ParsedTopic, { name: 'signal' }>;

interface Held {
  readonly secret: SessionSecret;
  readonly publicKey: Uint8Array;
  readonly session: Uint8Array;
}

export class Colluder {
  readonly #credential: Credential;
  readonly #broker: HostileBroker;
  readonly #ledger: SessionLedger;
  readonly #socket: Socket;
  /** What it sent in its own name or that of others. */
  tried = 0;

  private constructor(credential: Credential, broker: HostileBroker, ledger: SessionLedger, socket: Socket) {
    this.#credential = credential;
    this.#broker = broker;
    this.#ledger = ledger;
    this.#socket = socket;
  }

  static async join(credential: Credential, broker: HostileBroker, ledger: SessionLedger): Promise<Colluder> {
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    onTestFinished(() => new Promise<void>((resolve) => socket.close(resolve)));
    return new Colluder(credential, broker, ledger, socket);
  }

  /** What the broker shows it, before anybody else has it. */
  read(said: Said): void {
    const topic = parseTopic(this.#credential.prefix, said.topic);
    if (topic?.name !== 'signal' || topic.from === this.#credential.identity.id) return;
    const payload = decodeMap(said.payload).p as Uint8Array;
    if (messageType(payload) === 'offer') this.#onOffer(topic, payload, decodeMessage('offer', payload));
    else this.#onAnswer(topic, payload, decodeMessage('answer', payload));
  }

  /** It answers for the device that is meant, and offers to it with the keys of who offered. */
  #onOffer({ site, to, from }: Signal, payload: Uint8Array, offer: OfferMessage): void {
    const mine = this.#keys();
    const answer = encodeMessage({
      ...offer,
      ...{ t: 'answer' as const, offer: offerHash(payload), key: mine.publicKey, session: mine.session },
      candidates: this.#candidates,
    });
    for (const as of [this.#self, to]) this.#tell(site, from, as, answer);
    // As its own: who gets it agrees with a key of which it knows no secret.
    this.#tell(site, to, this.#self, encodeMessage(offer));
    this.#tell(site, to, this.#self, encodeMessage({ ...offer, key: mine.publicKey }));
    for (const answerer of [this.#self, to]) {
      const context = {
        artifact: offer.artifact,
        offerer: { device: from, session: offer.session },
        answerer: { device: answerer, session: mine.session },
      };
      this.#attack(mine, offer, context, 1);
    }
  }

  #onAnswer({ site, to, from }: Signal, payload: Uint8Array, answer: AnswerMessage): void {
    const mine = this.#keys();
    this.#tell(site, to, this.#self, payload);
    this.#tell(
      ...([site, to, this.#self] as const),
      encodeMessage({ ...answer, key: mine.publicKey, candidates: this.#candidates }),
    );
    const context = {
      artifact: answer.artifact,
      offerer: { device: to, session: mine.session },
      answerer: { device: from, session: answer.session },
    };
    this.#attack(mine, answer, context, 0);
  }

  /** Datagrams to who made it, sealed for a session that it may think it has. */
  #attack(
    mine: Held,
    { key: theirs, session, candidates }: Omit<OfferMessage, 't'>,
    context: SessionContext,
    as: 0 | 1,
  ): void {
    const key = this.#ledger.asColluder(() => agreeSessionKey(mine.secret, theirs, context));
    if (key === null) return;
    for (let packet = 0; packet < 3; packet++) {
      const datagram = Buffer.alloc(15 + 16 + 9);
      datagram[0] = 0x41;
      datagram.set(session, 1);
      datagram.writeUIntBE(packet, 9, 6);
      datagram[31] = 1; // PING
      key.seal(as, datagram, 9);
      for (const [host, port] of candidates) if (host === '127.0.0.1') this.#socket.send(datagram, port, host);
    }
  }

  /** Signed by its own key, on its own topic or, by the broker's hand, on that of another. */
  #tell(site: string, to: string, as: string, payload: Uint8Array): void {
    this.tried++;
    const { prefix } = this.#credential;
    const topic = topics.signal(prefix, site, to, as);
    this.#broker.tell(to, topic, sealEnvelope(topic, payload, this.#credential));
  }

  get #self(): string {
    return this.#credential.identity.id;
  }

  get #candidates(): [string, number][] {
    return [['127.0.0.1', this.#socket.address().port]];
  }

  #keys(): Held {
    return { ...generateSessionKeyPair(), session: new Uint8Array(randomBytes(8)) };
  }
}

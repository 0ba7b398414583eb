import { randomBytes } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { onTestFinished } from 'vitest';
import { Endpoint } from '../../../agent/io/endpoint.js';
import { Agreements, offerHash } from '../../../agent/swarm/agreement.js';
import { ChunkBuffers } from '../../../agent/swarm/chunk_buffers.js';
import { Serving } from '../../../agent/transfer/serving.js';
import { Session } from '../../../agent/transport/session.js';
import type { EndReason } from '../../../agent/transport/session_types.js';
import { Bitfield } from '../../../shared/artifact/index.js';
import { openEnvelope, sealEnvelope } from '../../../shared/control/envelope.js';
import { decodeMessage, encodeMessage, messageType, type OfferMessage } from '../../../shared/control/messages.js';
import { SendersHeard } from '../../../shared/control/replay.js';
import { parseTopic, shardOf, topics } from '../../../shared/control/topics.js';
import {
  agreeSessionKey,
  type Direction,
  generateSessionKeyPair,
  type SessionSecret,
} from '../../../shared/crypto/box.js';
import { ChunkmeshError } from '../../../shared/errors.js';
import type { Credential } from '../../../shared/identity/bundle.js';
import { ControlLink, type ControlMessage } from '../../../shared/mqtt/control_link.js';
import { UNLIMITED_READS } from '../../support/unlimited_reads.js';
import type { GatedSource } from './source.js';

/**
 * A member of the fleet inside the test, made of the library's own parts: a real credential, real sessions. It holds the whole
 * artifact, serves what its source gives, and tells the test what its peers say.
 */

const ROOM = 8;
const OFFER_SECONDS = 30;
const PATIENCE_MS = 40_000;
const seconds = (): number => Math.floor(Date.now() / 1000);

export interface Agreed {
  readonly device: string;
  readonly session: Session;
  /** What datagrams to the peer carry in clear. */
  readonly remoteId: Uint8Array;
  readonly candidates: OfferMessage['candidates'];
  /** What the peer said that it holds. */
  readonly held: Bitfield;
  /** Chunks that it asked for; INDEX_CHUNK among them. */
  readonly asked: Set<number>;
  end?: { readonly reason: EndReason; readonly byPeer: boolean };
}

interface MemberEvents {
  /** A session was agreed, opened, heard of chunks or ended. */
  change: [];
}

interface Kept {
  readonly secret: SessionSecret;
  readonly localId: Uint8Array;
}

export class Member extends EventEmitter<MemberEvents> {
  readonly link: ControlLink;
  readonly sessions: Agreed[] = [];
  readonly #credential: Credential;
  readonly #source: GatedSource;
  readonly #endpoint: Endpoint;
  readonly #agreements: Agreements<Kept>;
  readonly #heard = new SendersHeard();

  private constructor(credential: Credential, source: GatedSource, endpoint: Endpoint, broker: string) {
    super();
    this.#credential = credential;
    this.#source = source;
    this.#endpoint = endpoint;
    this.#agreements = new Agreements(credential.identity.id);
    this.link = new ControlLink(credential, { broker });
    this.link.on('failure', () => {}).on('message', (message) => this.#onMessage(message));
    const { prefix, identity } = credential;
    this.link.subscribe(topics.signal(prefix, identity.site, identity.id, '+'), 1);
    this.link.subscribe(topics.have(prefix, source.index.artifact, 0, '+'), 0);
  }

  /** Announces itself once it is connected, and offers to whoever announces. Gone with the test. */
  static async join(credential: Credential, source: GatedSource, broker: string): Promise<Member> {
    const endpoint = await Endpoint.open('127.0.0.1', 0);
    const member = new Member(credential, source, endpoint, broker);
    onTestFinished(() => member.leave());
    await member.link.waitOnline(10_000);
    member.announce();
    return member;
  }

  async leave(): Promise<void> {
    for (const { session } of this.sessions) session.close(1);
    await this.#endpoint.close();
    await this.link.close();
  }

  /** The first session with the device of which `where` holds, now or later. @param from sessions to pass over. */
  async until(device: string, where: (agreed: Agreed) => boolean, from = 0): Promise<Agreed> {
    for (;;) {
      const found = this.sessions.slice(from).find((agreed) => agreed.device === device && where(agreed));
      if (found !== undefined) return found;
      await once(this, 'change', { signal: AbortSignal.timeout(PATIENCE_MS) });
    }
  }

  /** P-10.1 */
  announce(): void {
    const { prefix, identity } = this.#credential;
    const { held, index } = this.#source;
    const shard = identity.role === 'seed' ? 0 : shardOf(identity.id, 1);
    const digest = Bitfield.full(Math.min(512, held.length)).toBytes();
    this.#say(
      topics.have(prefix, index.artifact, shard, identity.id),
      encodeMessage({ t: 'have', at: seconds(), held: held.count, room: ROOM, digest }),
    );
  }

  offer(device: string): void {
    const { secret, publicKey } = generateSessionKeyPair();
    const localId = new Uint8Array(randomBytes(8));
    const payload = encodeMessage({ t: 'offer', ...this.#terms(localId, publicKey) });
    const { artifact } = this.#source.index;
    const fresh = this.#agreements.offered(artifact, device, payload, { secret, localId }, performance.now());
    if (fresh) this.#signal(device, payload);
  }

  #terms(session: Uint8Array, key: Uint8Array) {
    const artifact = new Uint8Array(Buffer.from(this.#source.index.artifact, 'hex'));
    const at = seconds();
    return { at, expires: at + OFFER_SECONDS, artifact, session, key, candidates: [...this.#endpoint.candidates] };
  }

  #signal(device: string, payload: Uint8Array): void {
    const { prefix, identity } = this.#credential;
    this.#say(topics.signal(prefix, identity.site, device, identity.id), payload);
  }

  #say(topic: string, payload: Uint8Array): void {
    this.link.publish(topic, sealEnvelope(topic, payload, this.#credential), { qos: 1, retain: false });
  }

  #onMessage(message: ControlMessage): void {
    try {
      this.#take(message);
    } catch (error) {
      // Others may say what they like.
      if (!(error instanceof ChunkmeshError)) throw error;
    }
  }

  #take({ topic, payload: envelope }: ControlMessage): void {
    const { prefix, verifier, identity } = this.#credential;
    const parsed = parseTopic(prefix, topic);
    const { signer, n, payload } = openEnvelope(prefix, topic, envelope, verifier, seconds());
    const from = signer.identity.id;
    if (from === identity.id || !this.#heard.take(signer.publicKey, n, performance.now())) return;
    if (parsed?.name === 'have') this.offer(from);
    else if (parsed?.name === 'signal' && messageType(payload) === 'offer') this.#onOffer(from, payload);
    else if (parsed?.name === 'signal') this.#onAnswer(from, payload);
  }

  #onOffer(from: string, payload: Uint8Array): void {
    const offer = decodeMessage('offer', payload);
    const { artifact } = this.#source.index;
    if (!this.#agreements.received(artifact, from, performance.now())) return;
    const { secret, publicKey } = generateSessionKeyPair();
    const localId = new Uint8Array(randomBytes(8));
    this.#agree(from, 1, { secret, localId }, offer);
    this.#signal(from, encodeMessage({ t: 'answer', offer: offerHash(payload), ...this.#terms(localId, publicKey) }));
  }

  #onAnswer(from: string, payload: Uint8Array): void {
    const answer = decodeMessage('answer', payload);
    const kept = this.#agreements.answered(this.#source.index.artifact, from, answer, performance.now());
    if (kept !== null) this.#agree(from, 0, kept, answer);
  }

  #agree(device: string, direction: Direction, { secret, localId }: Kept, theirs: Omit<OfferMessage, 't'>): void {
    const [us, them] = [
      { device: this.#credential.identity.id, session: localId },
      { device, session: theirs.session },
    ];
    const [offerer, answerer] = direction === 0 ? [us, them] : [them, us];
    const key = agreeSessionKey(secret, theirs.key, { artifact: theirs.artifact, offerer, answerer });
    if (key === null) return;
    const { index, held } = this.#source;
    const wake = (): void => this.#endpoint.wake();
    const session: Session = new Session({
      direction,
      localId,
      remoteId: theirs.session,
      key,
      now: performance.now(),
      chunkCount: index.chunkCount,
      candidates: theirs.candidates.length,
      token: () => new Uint8Array(randomBytes(8)),
      events: {
        onOpen: () => this.emit('change'),
        onRequest: (chunk, offset, length) => {
          agreed.asked.add(chunk);
          serving.request(chunk, offset, length);
        },
        onCancel: (chunk) => serving.cancel(chunk),
        onReject: () => {},
        onData: () => {},
        onHave: (first, bits) => {
          agreed.held.merge(first, bits);
          this.emit('change');
        },
        onPeers: () => {},
        onComing: () => {},
        onClosed: (reason, byPeer) => {
          serving.close();
          agreed.end = { reason, byPeer };
          this.emit('change');
        },
      },
    });
    const serving = new Serving(
      session,
      () => ({ source: this.#source, index }),
      wake,
      new ChunkBuffers(),
      UNLIMITED_READS,
    );
    const { candidates, session: remoteId } = theirs;
    const agreed: Agreed = {
      ...{ device, session, remoteId, candidates },
      ...{ held: new Bitfield(index.chunkCount), asked: new Set() },
    };
    this.sessions.push(agreed);
    session.have(0, held.toBytes());
    this.emit('change');
    this.#endpoint.attach(localId, session, candidates, () => serving.pump());
  }
}

import { randomBytes } from 'node:crypto';
import { checkNotFromFuture, type Opened } from '../shared/control/envelope.js';
import {
  type AnswerMessage,
  type Candidate,
  decodeMessage,
  encodeMessage,
  messageType,
  type OfferMessage,
} from '../shared/control/messages.js';
import {
  agreeSessionKey,
  type Direction,
  generateSessionKeyPair,
  type SessionKey,
  type SessionSecret,
} from '../shared/crypto/box.js';
import { ChunkmeshError } from '../shared/errors.js';
import { MAX_CLOCK_AHEAD_SECONDS, MAX_OFFER_SECONDS } from '../shared/limits.js';
import { Agreements, offerHash } from './swarm/agreement.js';
import { REPLACE_SESSION_AFTER_MS } from './swarm/limits.js';
import { seeksPeers } from './swarm/meeting.js';
import type { MeshPeer } from './transfer/host.js';
import type { Transfer } from './transfer/transfer.js';

/** Offers and answers: how two devices agree on a session over the broker (P-5). */

const SESSION_ID_BYTES = 8;

/** All that a session needs of its agreement. */
export interface AgreedSession {
  readonly peer: MeshPeer;
  readonly direction: Direction;
  readonly localId: Uint8Array;
  readonly remoteId: Uint8Array;
  readonly key: SessionKey;
  readonly candidates: readonly Candidate[];
}

export interface NegotiationHost {
  /** Monotonic, ms. */
  now(): number;
  /** Since the epoch, s. */
  seconds(): number;
  /** This device's own. */
  candidates(): readonly Candidate[];
  transfer(artifact: string): Transfer | undefined;
  signal(to: MeshPeer, payload: Uint8Array): void;
  agreed(transfer: Transfer, session: AgreedSession): void;
}

interface Kept {
  readonly peer: MeshPeer;
  readonly secret: SessionSecret;
  readonly localId: Uint8Array;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

export function peerOf({ signer }: Opened): MeshPeer {
  const { id, site, role } = signer.identity;
  return { device: id, site, seed: role === 'seed', certificate: signer.fingerprint };
}

export class Negotiation {
  readonly #self: string;
  readonly #host: NegotiationHost;
  readonly #agreements: Agreements<Kept>;

  constructor(self: string, host: NegotiationHost) {
    this.#self = self;
    this.#host = host;
    this.#agreements = new Agreements(self);
  }

  /**
   * Offers a session, where there is room and none is there or on its way.
   * @param announcedAt when the peer said that it has none, seconds since the epoch: a session from before then is over (P-5.6).
   */
  offer(transfer: Transfer, peer: MeshPeer, announcedAt?: number): void {
    const { artifact } = transfer;
    const now = this.#host.now();
    if (transfer.isBanned(peer.device)) return;
    if (transfer.sessionSince(peer.device) !== undefined) {
      if (announcedAt === undefined || !this.#agreements.isLater(artifact, peer.device, announcedAt)) return;
    } else if (!transfer.hasPlaceFor(peer)) {
      return;
    } else if (!peer.seed && transfer.mayAgree <= this.#agreements.pendingFor(artifact, now)) {
      return;
    }
    if (this.#agreements.isPending(artifact, peer.device)) return;
    const { secret, publicKey } = generateSessionKeyPair();
    const localId = new Uint8Array(randomBytes(SESSION_ID_BYTES));
    const payload = encodeMessage({ t: 'offer', ...this.#terms(transfer, localId, publicKey) });
    const kept = { peer, secret, localId };
    if (this.#agreements.offered(artifact, peer.device, payload, kept, now)) this.#host.signal(peer, payload);
  }

  /** As `offer`, to a device that PEERS named: where this one has not enough peers yet (P-10.3). */
  seek(transfer: Transfer, peer: MeshPeer): void {
    const pending = this.#agreements.pendingFor(transfer.artifact, this.#host.now());
    if (seeksPeers(transfer.mayAgree, pending)) this.offer(transfer, peer);
  }

  /** A message on this device's signal topic, opened. @throws E_MESSAGE_*, for the caller to log. */
  onSignal(opened: Opened): void {
    // P-2.2. A broker may pass on what was signed for another device.
    if (opened.topic.name !== 'signal' || opened.topic.to !== this.#self) {
      throw new ChunkmeshError('E_MESSAGE_UNTRUSTED', `a signal of ${opened.signer.identity.id} to another device`);
    }
    const type = messageType(opened.payload);
    if (type === 'offer') this.#onOffer(opened, decodeMessage('offer', opened.payload));
    else if (type === 'answer') this.#onAnswer(opened, decodeMessage('answer', opened.payload));
    else throw new ChunkmeshError('E_MESSAGE_MALFORMED', 'a signal that is neither offer nor answer');
  }

  #terms(transfer: Transfer, session: Uint8Array, key: Uint8Array) {
    const at = this.#host.seconds();
    const candidates = [...this.#host.candidates()];
    return { at, expires: at + MAX_OFFER_SECONDS, artifact: transfer.rollout.artifact, session, key, candidates };
  }

  /** The transfer that both sides may take part in, or undefined (P-5.2, P-5.4, P-10.4). */
  #audience(opened: Opened, { artifact, at, expires }: OfferMessage | AnswerMessage): Transfer | undefined {
    const now = this.#host.seconds();
    checkNotFromFuture(at, now);
    if (now > expires + MAX_CLOCK_AHEAD_SECONDS) {
      throw new ChunkmeshError('E_MESSAGE_TIME', `offer or answer expired ${now - expires} s ago`);
    }
    const { identity } = opened.signer;
    const { id } = identity;
    const transfer = this.#host.transfer(hex(artifact));
    if (transfer === undefined || transfer.isBanned(id)) return undefined;
    if (!transfer.isAudience(identity)) {
      throw new ChunkmeshError(
        'E_MESSAGE_UNTRUSTED',
        `${id} is in no group or site that may have ${transfer.artifact}`,
      );
    }
    return transfer;
  }

  /** P-5.6: whether the session with the device is one that it no longer has, and its offer did not just cross with ours. */
  #givesWay(transfer: Transfer, device: string, { at }: OfferMessage): boolean {
    const since = transfer.sessionSince(device) ?? 0;
    const old = this.#host.now() - since >= REPLACE_SESSION_AFTER_MS;
    return old && this.#agreements.isLater(transfer.artifact, device, at);
  }

  #onOffer(opened: Opened, offer: OfferMessage): void {
    const transfer = this.#audience(opened, offer);
    if (transfer === undefined) return;
    const peer = peerOf(opened);
    const now = this.#host.now();
    const there = transfer.sessionSince(peer.device) !== undefined;
    if (there ? !this.#givesWay(transfer, peer.device, offer) : !transfer.hasPlaceFor(peer)) return;
    const staleIn = (offer.expires + MAX_CLOCK_AHEAD_SECONDS - this.#host.seconds() + 1) * 1000;
    if (!this.#agreements.received(transfer.artifact, peer.device, opened.payload, now + staleIn, now)) return;
    const { secret, publicKey } = generateSessionKeyPair();
    const localId = new Uint8Array(randomBytes(SESSION_ID_BYTES));
    const key = agreeSessionKey(secret, offer.key, {
      artifact: offer.artifact,
      offerer: { device: peer.device, session: offer.session },
      answerer: { device: this.#self, session: localId },
    });
    if (key === null) throw new ChunkmeshError('E_MESSAGE_UNTRUSTED', `${peer.device} offered a key of small order`);
    const terms = this.#terms(transfer, localId, publicKey);
    this.#agreements.agreed(transfer.artifact, peer.device, offer.at);
    this.#host.agreed(transfer, {
      peer,
      direction: 1,
      localId,
      remoteId: offer.session,
      key,
      candidates: offer.candidates,
    });
    this.#host.signal(peer, encodeMessage({ t: 'answer', offer: offerHash(opened.payload), ...terms }));
  }

  #onAnswer(opened: Opened, answer: AnswerMessage): void {
    const transfer = this.#audience(opened, answer);
    if (transfer === undefined) return;
    const { id } = opened.signer.identity;
    const kept = this.#agreements.answered(transfer.artifact, id, answer, this.#host.now());
    if (kept === null) return;
    const key = agreeSessionKey(kept.secret, answer.key, {
      artifact: answer.artifact,
      offerer: { device: this.#self, session: kept.localId },
      answerer: { device: id, session: answer.session },
    });
    if (key === null) throw new ChunkmeshError('E_MESSAGE_UNTRUSTED', `${id} answered with a key of small order`);
    const there = transfer.sessionSince(id) !== undefined;
    const mayBegin = transfer.mayAgree > 0 || transfer.hasPlaceFor(peerOf(opened));
    if (there ? !this.#agreements.isLater(transfer.artifact, id, answer.at) : !mayBegin) return;
    this.#agreements.agreed(transfer.artifact, id, answer.at);
    this.#host.agreed(transfer, {
      peer: peerOf(opened),
      direction: 0,
      localId: kept.localId,
      remoteId: answer.session,
      key,
      candidates: answer.candidates,
    });
  }
}

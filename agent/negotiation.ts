import { randomBytes } from 'node:crypto';
import type { Opened } from '../shared/control/envelope.js';
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
import { MAX_OFFER_SECONDS } from '../shared/limits.js';
import { checkStands, type FleetClock, signingTime } from './clock.js';
import type { Revocation } from './revocation/revocation.js';
import { Agreements, offerHash } from './swarm/agreement.js';
import { REPLACE_BY_HAVE_AFTER_MS, REPLACE_SESSION_AFTER_MS } from './swarm/limits.js';
import { seeksPeers } from './swarm/meeting.js';
import type { Misbehaviour } from './swarm/misbehaviour.js';
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
  readonly clock: FleetClock;
  /** This device's own. */
  candidates(): readonly Candidate[];
  transfer(artifact: string): Transfer | undefined;
  /** P-14.4 */
  readonly revocation: Pick<Revocation, 'version' | 'isAhead' | 'isNamed' | 'mayMeet'>;
  signal(to: MeshPeer, payload: Uint8Array): void;
  agreed(transfer: Transfer, session: AgreedSession): void;
  misbehaved(device: string, how: Misbehaviour): void;
}

interface Kept {
  readonly peer: MeshPeer;
  readonly secret: SessionSecret;
  readonly localId: Uint8Array;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

export function peerOf({ signer }: Opened): MeshPeer {
  const { id, site, role } = signer.identity;
  return { device: id, site, seed: role === 'seed', notBefore: signer.notBefore, certificate: signer.fingerprint };
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
   * @param announced the number of the message in which the peer said that it has none: a session agreed by an earlier one is over (P-5.6).
   */
  offer(transfer: Transfer, peer: MeshPeer, announced?: number): void {
    const { artifact } = transfer;
    const now = this.#host.now();
    const { revocation } = this.#host;
    if (transfer.isBanned(peer.device) || revocation.isNamed(peer) || !revocation.mayMeet(now)) return;
    const since = transfer.sessionSince(peer.device);
    if (since !== undefined) {
      if (announced === undefined || now - since < REPLACE_BY_HAVE_AFTER_MS) return;
      if (!this.#agreements.isLater(artifact, peer.device, announced) || !this.#mayReplace(artifact, peer.device))
        return;
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

  /** P-14.6: what was offered to them is offered no more. */
  drop(isNamed: (peer: MeshPeer) => boolean): void {
    this.#agreements.drop(({ peer }) => isNamed(peer));
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
    const at = signingTime(this.#host.clock);
    const candidates = [...this.#host.candidates()];
    const { version: revoked } = this.#host.revocation;
    return {
      ...{ at, expires: at + MAX_OFFER_SECONDS, artifact: transfer.rollout.artifact, session, key, candidates },
      ...(revoked > 0 && { revoked }),
    };
  }

  /** The transfer that both sides may take part in, or undefined (P-5.2, P-5.4, P-10.4). */
  #audience(opened: Opened, message: OfferMessage | AnswerMessage): Transfer | undefined {
    checkStands(message, this.#host.clock);
    const { identity } = opened.signer;
    const { id } = identity;
    const { revoked = 0 } = message;
    if (this.#host.revocation.isAhead(revoked)) {
      throw new ChunkmeshError('E_REVOCATION_BEHIND', `${id} has revocation list ${revoked}, this device an older one`);
    }
    const transfer = this.#host.transfer(hex(message.artifact));
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
  #givesWay(transfer: Transfer, device: string, n: number): boolean {
    const since = transfer.sessionSince(device) ?? 0;
    const old = this.#host.now() - since >= REPLACE_SESSION_AFTER_MS;
    return old && this.#agreements.isLater(transfer.artifact, device, n) && this.#mayReplace(transfer.artifact, device);
  }

  #mayReplace(artifact: string, device: string): boolean {
    if (this.#agreements.mayReplace(artifact, device, this.#host.now())) return true;
    this.#host.misbehaved(device, 'flood');
    return false;
  }

  #onOffer(opened: Opened, offer: OfferMessage): void {
    const transfer = this.#audience(opened, offer);
    if (transfer === undefined) return;
    const peer = peerOf(opened);
    const there = transfer.sessionSince(peer.device) !== undefined;
    if (there ? !this.#givesWay(transfer, peer.device, opened.n) : !transfer.hasPlaceFor(peer)) return;
    if (!this.#agreements.received(transfer.artifact, peer.device, this.#host.now())) return;
    const { secret, publicKey } = generateSessionKeyPair();
    const localId = new Uint8Array(randomBytes(SESSION_ID_BYTES));
    const key = agreeSessionKey(secret, offer.key, {
      artifact: offer.artifact,
      offerer: { device: peer.device, session: offer.session },
      answerer: { device: this.#self, session: localId },
    });
    if (key === null) throw new ChunkmeshError('E_MESSAGE_UNTRUSTED', `${peer.device} offered a key of small order`);
    const terms = this.#terms(transfer, localId, publicKey);
    this.#agreements.agreed(transfer.artifact, peer.device, opened.n);
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
    const { n, signer } = opened;
    const { id } = signer.identity;
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
    if (there ? !this.#agreements.isLater(transfer.artifact, id, n) : !mayBegin) return;
    this.#agreements.agreed(transfer.artifact, id, n);
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

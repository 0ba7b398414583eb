import type { Bitfield } from '../../shared/artifact/bitfield.js';
import { MAX_PEERS_NAMED } from '../../shared/limits.js';
import { CLOSE, type CloseReason } from '../../shared/wire/frames/close.js';
import type { PeerName } from '../../shared/wire/frames/peers.js';
import { REJECT } from '../../shared/wire/frames/reject.js';
import type { Assembly } from '../swarm/assembly.js';
import { PROBATION_MS } from '../swarm/limits.js';
import { byWorth } from '../swarm/peer_choice.js';
import { leastUseful, Refusals } from '../swarm/refusals.js';
import type { Session } from '../transport/session.js';
import type { EndReason, SessionEvents } from '../transport/session_types.js';
import type { Fetch } from './fetch.js';
import type { MeshPeer, TransferHost } from './host.js';
import { type Link, Links } from './link.js';
import { Serving, type Shelf } from './serving.js';
import { Telling, tellAll } from './telling.js';

/** The sessions of one transfer: made, told what is held, dropped when they are of no more use. */

/** P-7.9: two frames' worth. Each name costs an offer. */
const MAX_NAMES_PER_SESSION = 32;

export interface MeshOwner {
  readonly host: TransferHost;
  held(): Bitfield | null;
  /** Nothing is asked of peers. */
  onlyGives(): boolean;
  /** P-10.10 */
  leavesSeeds(): boolean;
  /** Whether it serves a file of its own, as a fleet's seed does. */
  isOrigin(): boolean;
  shelf(): Shelf;
  fetch(): Fetch | null;
  /** P-10.3: most sessions. */
  places(): number;
  /** P-7.9 */
  peerNamed(peer: PeerName): void;
  /** A session ended and was not told to. */
  left(brought: boolean): void;
}

export class Mesh {
  readonly links = new Links();
  readonly #owner: MeshOwner;
  readonly #telling: Telling;
  readonly #refusals = new Refusals();
  /** Over sessions that have ended. */
  #servedBytes = 0;

  constructor(owner: MeshOwner) {
    this.#owner = owner;
    this.#telling = new Telling(this.links, () => owner.host.now());
  }

  /** Bytes that arrived at peers. */
  get servedBytes(): number {
    let bytes = this.#servedBytes;
    for (const { serving } of this.links.all()) bytes += serving.servedBytes;
    return bytes;
  }

  /** For good (P-10.4), or for a while (P-10.3). */
  isBanned(device: string): boolean {
    return this.#refusals.isRefused(device, this.#owner.host.now());
  }

  /**
   * A session was agreed with the peer. `make` makes it, given who listens.
   * @returns the session, and what to call when it may have room again for what was asked of it.
   */
  connect(peer: MeshPeer, make: (events: SessionEvents) => Session): { session: Session; pump: () => void } {
    const { host } = this.#owner;
    const old = this.links.get(peer.device);
    if (old !== undefined) this.drop(old, CLOSE.superseded);
    if (this.links.size >= this.#owner.places()) this.#giveWay(peer);
    const later: { link?: Link } = {};
    const session = make(this.#eventsOf(later));
    const serving = new Serving(
      session,
      () => this.#owner.shelf(),
      () => host.wake(),
      host.buffers,
      host.reads,
      (chunk) => this.#telling.served(peer.device, chunk),
    );
    const nothing = { assemblies: new Map<number, Assembly>(), open: false, received: 0, verified: 0, named: 0 };
    later.link = { peer, session, serving, since: host.now(), ...nothing };
    this.links.add(later.link);
    // Before the path is known here it may be known there, and what the peer then says of its chunks must find it known.
    this.#owner.fetch()?.swarm.addPeer(peer.device, peer.seed, peer.site === host.site, host.worth(peer.device));
    if (this.#owner.isOrigin()) this.#telling.superSeed(this.#owner.shelf());
    this.#telling.connected(peer, session, host.metered() ? null : this.#owner.held());
    const pump = (): void => {
      serving.pump();
      this.#owner.fetch()?.pump();
      this.tell();
    };
    return { session, pump };
  }

  /** P-10.4 @returns false where it is already: of several chunks that come together each may be wrong. */
  ban(link: Link): boolean {
    if (!this.#refusals.ban(link.peer.device)) return false;
    this.#owner.host.misbehaved(link.peer.device, 'wrong-bytes');
    this.drop(link, CLOSE.wrongBytes);
    return true;
  }

  drop(link: Link, reason: CloseReason): void {
    if (this.links.remove(link)) this.#gone(link, reason);
    link.session.close(reason);
    this.#owner.host.wake();
  }

  /** Two devices of which neither asks for anything make room for others; who serves nobody has no use for any. */
  dropUseless(): void {
    for (const link of this.links.all()) this.#nameIdle(link);
    if (this.#owner.host.metered()) for (const link of [...this.links.all()]) this.drop(link, CLOSE.done);
    else for (const link of [...this.links.opened()]) this.#dropIfUseless(link);
  }

  /** P-14.6 */
  dropRevoked(isNamed: (peer: MeshPeer) => boolean): void {
    for (const link of [...this.links.all()]) if (isNamed(link.peer)) this.drop(link, CLOSE.revoked);
  }

  /** P-10.10 */
  dropSeeds(): void {
    for (const link of [...this.links.all()]) if (link.peer.seed) this.drop(link, CLOSE.done);
  }

  /** Who asks is told busy, and who gives nothing gone; or everyone is told what is held. */
  onMetered(): void {
    const metered = this.#owner.host.metered();
    for (const link of [...this.links.all()]) {
      if (!metered) tellAll(link.session, this.#owner.held());
      else if (this.#mayGive(link)) link.serving.withdraw();
      else this.drop(link, CLOSE.noRoom);
    }
  }

  /** Whether the peer holds what is missing here, or its session is not open yet: who holds anything says so first. */
  #mayGive(link: Link): boolean {
    const [held, fetch] = [this.#owner.held(), this.#owner.fetch()];
    if (held === null || fetch === null || held.isFull) return false;
    const there = fetch.swarm.peers.get(link.peer.device)?.have;
    return !link.open || (there !== undefined && holdsMore(there, held));
  }

  /** P-10.3 */
  dropOneUnfed(): void {
    const { host } = this.#owner;
    const now = host.now();
    const least = leastUseful(this.links.all(), now, ({ peer }) => host.worth(peer.device));
    if (least === undefined) return;
    this.#refusals.madeRoom(least.peer.device, now);
    this.drop(least, CLOSE.noRoom);
  }

  /** P-10.3: those that keep their place whoever comes: all, where they feed the device, or malicious newcomers would end honest sessions. */
  occupants(): Link[] {
    const now = this.#owner.host.now();
    const fetch = this.#owner.fetch();
    const mayGo = fetch?.isHungry === true && !fetch.isFed;
    return [...this.links.all()].filter((link) => !mayGo || !fetch.isSpare(link, now));
  }

  /** P-10.3: whether a seed gets a place that a device has which brought nothing, however new. */
  get yieldsToSeed(): boolean {
    return (this.#owner.fetch()?.isHungry ?? false) && this.#unproven().length > 0;
  }

  #unproven(): Link[] {
    return [...this.links.all()].filter(({ verified, peer }) => verified === 0 && !peer.seed);
  }

  #giveWay({ seed }: MeshPeer): void {
    const { host } = this.#owner;
    const kept = new Set(this.occupants());
    const spare = [...this.links.all()].filter((link) => !kept.has(link));
    const among = spare.length === 0 && seed ? this.#unproven() : spare;
    const least = leastUseful(among, host.now(), ({ peer }) => host.worth(peer.device), 0);
    if (least === undefined) return;
    this.#nameIdle(least, 0);
    this.#refusals.gaveWay(least.peer.device, host.now());
    this.drop(least, CLOSE.noRoom);
  }

  /** What the session showed: one that opened and did not fail went well, or who only serves would learn of failures alone. */
  #learn({ peer, open, session, received }: Link, reason: EndReason): void {
    const known = this.#owner.fetch()?.swarm.peers.get(peer.device);
    const owed = (known?.outstanding.size ?? 0) > 0;
    const failed =
      reason === CLOSE.wrongBytes || reason === 'no path' || (received === 0 && owed && reason !== CLOSE.superseded);
    if (!failed && !open) return;
    this.#owner.host.learned(peer.device, {
      ...{ site: peer.site, subnet: peer.subnet ?? false, failed },
      rate: known?.rate ?? 0,
      rttMs: open ? session.stats.smoothedRtt : 0,
    });
  }

  /** Who is as honest as slow has told of a chunk by then. */
  #nameIdle({ peer, open, since, verified }: Link, probationMs = PROBATION_MS): void {
    const { host, fetch } = this.#owner;
    const claims = fetch()?.swarm.peers.get(peer.device)?.have.count ?? 0;
    const isOld = host.now() >= since + probationMs;
    if (open && verified === 0 && claims === 0 && isOld && fetch() !== null) host.misbehaved(peer.device, 'idle');
  }

  #dropIfUseless(link: Link): void {
    const [there, held] = [this.#owner.fetch()?.swarm.peers.get(link.peer.device)?.have, this.#owner.held()];
    // Who has fewer lacks something: mostly there is nothing to compare.
    if (there === undefined || held === null || there.count < held.count) return;
    if (!holdsMore(held, there)) this.drop(link, CLOSE.done);
  }

  #eventsOf(later: { link?: Link }): SessionEvents {
    const linked = (act: (link: Link) => void): void => {
      if (later.link !== undefined) act(later.link);
    };
    const { fetch, host, peerNamed } = this.#owner;
    return {
      onOpen: () => linked((link) => this.#onOpen(link)),
      onRequest: (chunk, offset, length) => linked((link) => this.#onRequest(link, chunk, offset, length)),
      onCancel: (chunk) => linked((link) => link.serving.cancel(chunk)),
      onReject: (chunk, reason) => linked((link) => fetch()?.onReject(link, chunk, reason)),
      // Once for each datagram: without the closure that the others cost.
      onData: (chunk, offset, bytes) => {
        if (later.link !== undefined) fetch()?.onData(later.link, chunk, offset, bytes);
      },
      onHave: (first, bits) => linked((link) => this.#onHave(link, first, bits)),
      onComing: (chunk) => linked((link) => fetch()?.onComing(link, chunk)),
      onPeers: (peers) =>
        linked((link) => {
          const heeded = peers.slice(0, MAX_NAMES_PER_SESSION - link.named);
          if (heeded.length < peers.length) host.misbehaved(link.peer.device, 'flood');
          link.named += heeded.length;
          for (const peer of byWorth(heeded, host.site, host.worth)) peerNamed(peer);
        }),
      onClosed: (reason, byPeer) => linked((link) => this.#onClosed(link, reason, byPeer)),
    };
  }

  #onOpen(link: Link): void {
    link.open = true;
    if (link.peer.seed && this.#owner.leavesSeeds()) {
      this.drop(link, CLOSE.done);
      return;
    }
    const others = [...this.links.opened()].filter((other) => other !== link).map((other) => other.peer);
    // Those of its own site are of more use to it, and of the others whoever comes.
    const named = byWorth(others, link.peer.site, () => 0).slice(0, MAX_PEERS_NAMED);
    if (named.length > 0) link.session.peers(named);
    this.#owner.fetch()?.schedule();
    this.#telling.opened(link.peer.device);
    this.tell();
    this.#owner.host.changed();
    this.#owner.host.wake();
  }

  /** P-7.8 */
  #onRequest({ serving, session }: Link, chunk: number, offset: number, length: number): void {
    if (this.#owner.host.metered()) session.reject(chunk, REJECT.busy);
    else serving.request(chunk, offset, length);
  }

  /** P-10.6: whom a seed tells of which chunks now. */
  tell(): void {
    if (this.#telling.pump()) this.#owner.host.wake();
  }

  /** When `tell` is due. Monotonic ms. */
  nextDeadline(): number {
    return this.#telling.nextDeadline();
  }

  #gone(link: Link, reason: EndReason): void {
    this.#servedBytes += link.serving.servedBytes;
    if (link.session.stats.rejected.malformed > 0) this.#owner.host.misbehaved(link.peer.device, 'protocol');
    this.#learn(link, reason);
    if (this.#owner.fetch()?.isHungry) this.#nameIdle(link);
    this.#owner.fetch()?.gone(link);
    this.#telling.gone(link.peer.device);
    this.tell();
  }

  #onHave(link: Link, first: number, bits: Uint8Array): void {
    // It has all that this one has, and nothing to ask for.
    if (this.#telling.onHave(link.peer.device, first, bits)) {
      this.drop(link, CLOSE.done);
      return;
    }
    const fetch = this.#owner.fetch();
    if (fetch === null) return;
    fetch.onHave(link, first, bits);
    if (this.#owner.onlyGives()) this.#dropIfUseless(link);
  }

  #onClosed(link: Link, reason: EndReason, byPeer: boolean): void {
    if (!this.links.remove(link)) return;
    if (reason === 'no path') this.#owner.host.misbehaved(link.peer.device, 'unreachable');
    else if (reason === CLOSE.protocolError && !byPeer) this.#owner.host.misbehaved(link.peer.device, 'protocol');
    // Whom this device sent away itself did not leave.
    const left = byPeer || reason === 'no path' || reason === 'idle' || reason === CLOSE.protocolError;
    if (left && link.received === 0 && !this.#owner.onlyGives()) {
      this.#refusals.leftWithNothing(link.peer.device, this.links.size, this.#owner.host.now());
    }
    this.#gone(link, reason);
    this.#owner.left(link.received > 0);
  }
}

const holdsMore = (one: Bitfield, other: Bitfield): boolean =>
  one.bytes.some((byte, i) => (byte & ~(other.bytes[i] ?? 0)) !== 0);

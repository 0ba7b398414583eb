import type { Bitfield } from '../../shared/artifact/bitfield.js';
import { MAX_HAVE_BYTES, MAX_PEERS_NAMED } from '../../shared/limits.js';
import { CLOSE, type CloseReason } from '../../shared/wire/frames/close.js';
import type { PeerName } from '../../shared/wire/frames/peers.js';
import { REJECT } from '../../shared/wire/frames/reject.js';
import type { Assembly } from '../swarm/assembly.js';
import { leastUseful, Refusals } from '../swarm/refusals.js';
import type { Session } from '../transport/session.js';
import type { SessionEvents } from '../transport/session_types.js';
import type { Fetch } from './fetch.js';
import type { MeshPeer, TransferHost } from './host.js';
import { type Link, Links } from './link.js';
import { Serving, type Shelf } from './serving.js';

/** The sessions of one transfer: made, told what is held, dropped when they are of no more use. */

/** P-7.9: two frames' worth. Each name costs an offer. */
const MAX_NAMES_PER_SESSION = 32;

export interface MeshOwner {
  readonly host: TransferHost;
  held(): Bitfield | null;
  complete(): boolean;
  shelf(): Shelf;
  fetch(): Fetch | null;
  /** P-7.9 */
  peerNamed(peer: PeerName): void;
  /** A session ended and was not told to. */
  left(): void;
}

export class Mesh {
  readonly links = new Links();
  readonly #owner: MeshOwner;
  readonly #refusals = new Refusals();

  constructor(owner: MeshOwner) {
    this.#owner = owner;
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
    const later: { link?: Link } = {};
    const session = make(this.#eventsOf(later));
    const serving = new Serving(
      session,
      () => this.#owner.shelf(),
      () => host.wake(),
      host.buffers,
      host.reads,
    );
    const nothing = { assemblies: new Map<number, Assembly>(), open: false, received: 0, verified: 0, named: 0 };
    later.link = { peer, session, serving, since: host.now(), ...nothing };
    this.links.add(later.link);
    // Before the path is known here it may be known there, and what the peer then says of its chunks must find it known.
    this.#owner.fetch()?.swarm.addPeer(peer.device, peer.seed);
    if (!host.metered()) this.#tellAllHeld(session);
    const pump = (): void => {
      serving.pump();
      this.#owner.fetch()?.pump();
    };
    return { session, pump };
  }

  /** P-10.4 @returns false where it is already: of several chunks that come together each may be wrong. */
  ban(link: Link): boolean {
    if (!this.#refusals.ban(link.peer.device)) return false;
    this.drop(link, CLOSE.wrongBytes);
    return true;
  }

  drop(link: Link, reason: CloseReason): void {
    if (this.links.remove(link)) this.#owner.fetch()?.gone(link);
    link.session.close(reason);
    this.#owner.host.wake();
  }

  /** Two devices that both hold everything make room for others; who serves nobody has no use for any. */
  dropUseless(): void {
    if (this.#owner.host.metered()) for (const link of [...this.links.all()]) this.drop(link, CLOSE.done);
    else for (const link of [...this.links.opened()]) this.#dropIfUseless(link);
  }

  /** Who asks is told busy, and who gives nothing gone; or everyone is told what is held. */
  onMetered(): void {
    const metered = this.#owner.host.metered();
    for (const link of [...this.links.all()]) {
      if (!metered) this.#tellAllHeld(link.session);
      else if (this.#mayGive(link)) link.serving.withdraw();
      else this.drop(link, CLOSE.noRoom);
    }
  }

  /** Whether the peer holds what is missing here, or its session is not open yet: who holds anything says so first. */
  #mayGive(link: Link): boolean {
    const [held, fetch] = [this.#owner.held(), this.#owner.fetch()];
    if (held === null || fetch === null || held.isFull) return false;
    const there = fetch.swarm.peers.get(link.peer.device)?.have.toBytes() ?? new Uint8Array();
    const here = held.toBytes();
    return !link.open || there.some((byte, i) => (byte & ~(here[i] ?? 0)) !== 0);
  }

  /** P-10.3 */
  dropOneUnfed(): void {
    const now = this.#owner.host.now();
    const least = leastUseful(this.links.all(), now);
    if (least === undefined) return;
    this.#refusals.madeRoom(least.peer.device, now);
    this.drop(least, CLOSE.noRoom);
  }

  #dropIfUseless(link: Link): void {
    if (this.#owner.fetch()?.swarm.peers.get(link.peer.device)?.have.isFull) this.drop(link, CLOSE.done);
  }

  #eventsOf(later: { link?: Link }): SessionEvents {
    const linked = (act: (link: Link) => void): void => {
      if (later.link !== undefined) act(later.link);
    };
    const { fetch, peerNamed } = this.#owner;
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
      onPeers: (peers) =>
        linked((link) => {
          const heeded = peers.slice(0, MAX_NAMES_PER_SESSION - link.named);
          link.named += heeded.length;
          for (const peer of heeded) peerNamed(peer);
        }),
      onClosed: () => linked((link) => this.#onClosed(link)),
    };
  }

  #onOpen(link: Link): void {
    link.open = true;
    const others = [...this.links.opened()].filter((other) => other !== link).map((other) => other.peer);
    if (others.length > 0) link.session.peers(others.slice(0, MAX_PEERS_NAMED));
    this.#owner.fetch()?.schedule();
    this.#owner.host.changed();
    this.#owner.host.wake();
  }

  /** P-7.8 */
  #onRequest({ serving, session }: Link, chunk: number, offset: number, length: number): void {
    if (this.#owner.host.metered()) session.reject(chunk, REJECT.busy);
    else serving.request(chunk, offset, length);
  }

  #tellAllHeld(session: Session): void {
    const held = this.#owner.held();
    if (held === null || held.count === 0) return;
    const bits = held.toBytes();
    for (let at = 0; at < bits.length; at += MAX_HAVE_BYTES) {
      session.have(at * 8, bits.subarray(at, at + MAX_HAVE_BYTES));
    }
  }

  #onHave(link: Link, first: number, bits: Uint8Array): void {
    const fetch = this.#owner.fetch();
    if (fetch === null) return;
    fetch.onHave(link, first, bits);
    if (this.#owner.complete()) this.#dropIfUseless(link);
  }

  #onClosed(link: Link): void {
    if (!this.links.remove(link)) return;
    if (link.received === 0 && !this.#owner.complete()) {
      this.#refusals.leftWithNothing(link.peer.device, this.links.size, this.#owner.host.now());
    }
    this.#owner.fetch()?.gone(link);
    this.#owner.left();
  }
}

import type { HaveMessage } from '../shared/control/messages.js';
import { shardOf, TOPICS, topics } from '../shared/control/topics.js';
import type { Credential } from '../shared/identity/bundle.js';
import type { Control } from './control.js';
import type { MeshPeer } from './transfer/host.js';
import type { Transfer } from './transfer/transfer.js';

/** Announcing to shards and listening to them, for every transfer of an agent (P-10.1, P-10.2). */
export class Announcements {
  readonly #credential: Credential;
  readonly #control: Control;
  readonly #announced = new Set<Transfer>();
  /** The filter under which a transfer hears its shard. */
  readonly #listening = new Map<Transfer, string>();

  constructor(credential: Credential, control: Control) {
    this.#credential = credential;
    this.#control = control;
  }

  /** Says and joins what is due. @param now monotonic ms; @param at seconds since the epoch */
  tick(transfer: Transfer, now: number, at: number): void {
    if (now >= this.deadline(transfer)) transfer.makeRoom();
    if (transfer.room > 0) this.#listen(transfer);
    else this.#leave(transfer);
    if (now < this.deadline(transfer) || !this.#control.link.online) return;
    const have = transfer.announcement(at);
    if (have === null) return;
    for (const shard of this.#shards(transfer)) this.#control.have(transfer.artifact, shard, have);
    this.#announced.add(transfer);
    transfer.announcer.announced(now);
  }

  /** Once when it joins, then as long as it is alone. */
  deadline(transfer: Transfer): number {
    // With no room, who hears of it would offer in vain.
    const due = transfer.lonely || (transfer.room > 0 && !this.#announced.has(transfer));
    return due && this.#control.link.online && transfer.held !== null
      ? transfer.announcer.due
      : Number.POSITIVE_INFINITY;
  }

  /** P-10.2. @returns whether to offer a session to who said it. */
  heard(transfer: Transfer, peer: MeshPeer, have: HaveMessage, now: number, random: () => number): boolean {
    const { device, site } = peer;
    transfer.heard.heard(device, now, site);
    const sameSite = site === this.#credential.identity.site;
    return transfer.isOfInterest(have) && transfer.heard.offers(random, site, sameSite, transfer.worth(peer));
  }

  forget(transfer: Transfer): void {
    this.#announced.delete(transfer);
    this.#leave(transfer);
  }

  /** A seed is in every shard. */
  #shards({ rollout: { shards } }: Transfer): number[] {
    const { id, role } = this.#credential.identity;
    return role === 'seed' ? Array.from({ length: shards }, (_, shard) => shard) : [shardOf(id, shards)];
  }

  #listen(transfer: Transfer): void {
    if (this.#listening.has(transfer)) return;
    const { prefix, identity } = this.#credential;
    const shard = identity.role === 'seed' ? '+' : shardOf(identity.id, transfer.rollout.shards);
    const filter = topics.have(prefix, transfer.artifact, shard, '+');
    this.#listening.set(transfer, filter);
    this.#control.link.subscribe(filter, TOPICS.have.qos);
  }

  /** A device with no room for sessions leaves its shard, and comes back when it has. */
  #leave(transfer: Transfer): void {
    const filter = this.#listening.get(transfer);
    if (filter === undefined) return;
    this.#listening.delete(transfer);
    this.#control.link.unsubscribe(filter);
  }
}

import type { HaveMessage } from '../shared/control/messages.js';
import { TOPICS, topics } from '../shared/control/topics.js';
import type { Credential } from '../shared/identity/bundle.js';
import type { Control } from './control.js';
import {
  announcementFor,
  type Member,
  mayListen,
  mustAnnounce,
  type Standing,
  shardsToListenIn,
} from './swarm/meeting.js';
import type { MeshPeer } from './transfer/host.js';
import type { Transfer } from './transfer/transfer.js';

/** Announcing to shards and listening to them, for every transfer of an agent (P-10.1, P-10.2). */
export class Announcements {
  readonly #credential: Credential;
  readonly #control: Control;
  readonly #member: Member;
  readonly #random: () => number;
  readonly #announced = new Set<Transfer>();
  /** The shards that a transfer listens in. */
  readonly #listening = new Map<Transfer, readonly number[]>();

  /** @param random uniform in [0, 1) */
  constructor(credential: Credential, control: Control, random: () => number) {
    this.#random = random;
    this.#credential = credential;
    this.#control = control;
    this.#member = { device: credential.identity.id, seed: credential.identity.role === 'seed' };
  }

  /** Says and joins what is due. @param now monotonic ms; @param at seconds since the epoch */
  tick(transfer: Transfer, now: number, at: number): void {
    if (now >= this.deadline(transfer)) transfer.makeRoom();
    this.#listen(transfer);
    const listening = this.#control.link.online ? (this.#listening.get(transfer)?.length ?? 0) : 0;
    transfer.heard.listening(listening, now);
    if (now < this.deadline(transfer) || !this.#control.link.online) return;
    const have = transfer.announcement(at);
    if (have === null) return;
    const { shards, again } = announcementFor(this.#member, this.#standing(transfer), transfer.announcer);
    for (const shard of shards) this.#control.have(transfer.artifact, shard, again ? { ...have, again } : have);
    this.#announced.add(transfer);
    transfer.announcer.announced(now);
  }

  /** Monotonic ms; it may be past. */
  deadline(transfer: Transfer): number {
    return mustAnnounce(this.#member, this.#standing(transfer)) && this.#control.link.online && transfer.held !== null
      ? transfer.announcer.due
      : Number.POSITIVE_INFINITY;
  }

  /** P-10.2. @returns whether to offer a session to who said it. */
  heard(transfer: Transfer, peer: MeshPeer, have: HaveMessage, now: number): boolean {
    const { device, site } = peer;
    transfer.heard.heard(device, now, site);
    const { shards, listensIn } = this.#standing(transfer);
    const sameSite = site === this.#credential.identity.site;
    const from = { site, sameSite, worth: transfer.worth(peer), again: have.again ?? false };
    return transfer.isOfInterest(have) && transfer.heard.offers(this.#random, shards, listensIn.length, from);
  }

  forget(transfer: Transfer): void {
    this.#announced.delete(transfer);
    this.#leave(transfer);
  }

  #standing(transfer: Transfer): Standing {
    const { rollout, held, lonely, room } = transfer;
    return {
      ...{ shards: rollout.shards, held: held?.count ?? 0, complete: held?.isFull ?? false, lonely, room },
      ...{ announced: this.#announced.has(transfer), listensIn: this.#listening.get(transfer) ?? [] },
    };
  }

  #listen(transfer: Transfer): void {
    const standing = this.#standing(transfer);
    if (!mayListen(this.#member, standing)) {
      this.#leave(transfer);
    } else if (!this.#listening.has(transfer)) {
      const shards = shardsToListenIn(this.#member, standing, this.#random);
      this.#listening.set(transfer, shards);
      for (const shard of shards) this.#control.link.subscribe(this.#filter(transfer, shard), TOPICS.have.qos);
    }
  }

  #leave(transfer: Transfer): void {
    for (const shard of this.#listening.get(transfer) ?? []) {
      this.#control.link.unsubscribe(this.#filter(transfer, shard));
    }
    this.#listening.delete(transfer);
  }

  #filter({ artifact }: Transfer, shard: number): string {
    return topics.have(this.#credential.prefix, artifact, shard, '+');
  }
}

import {
  FIRST_REPEAT_MS,
  HEARD_WINDOW_MS,
  KNOWS_ITS_SHARD_MS,
  MAX_MEMBERS_HEARD,
  MAX_REPEAT_MS,
  MAX_SHARDS_AT_ONCE,
  MAX_SHARDS_AT_ONCE_PRODUCT,
  NARROW_ANNOUNCEMENTS,
  REPEATS_ALIKE,
  SHARDS_AT_ONCE_LATER,
  UNHEARD_ANNOUNCEMENTS,
  WIDE_ANNOUNCEMENTS,
  WIDE_REPEAT_MS,
} from './limits.js';
import { answerChance, answersOf } from './peer_choice.js';
import { Sweep } from './sweep.js';

/** When to announce and whether to answer an announcement (P-10.1, P-10.2). Randomness is uniform in [0, 1). */

export class Announcer {
  /** When it first is to announce itself. */
  readonly joinsAt: number;
  #attempt = 0;
  #due: number;
  readonly #random: () => number;
  readonly #sweep: Sweep;
  /** Whether the next announcement is one of those that go through all shards. */
  #isWide = false;

  constructor(now: number, joinWindowMs: number, random: () => number) {
    this.#random = random;
    this.#sweep = new Sweep(random);
    this.joinsAt = now + random() * joinWindowMs;
    this.#due = this.joinsAt;
  }

  /** When `have` is to be published next, if the device still lacks chunks and no session brings them. */
  get due(): number {
    return this.#due;
  }

  /** Whether it has announced itself some times and was not fed. */
  get isUnheard(): boolean {
    return this.#attempt >= UNHEARD_ANNOUNCEMENTS;
  }

  /** P-10.1: the next shards to announce itself in. @param shards of the rollout; @param widely whether it may be in several, after some times */
  nextShards(shards: number, widely: boolean): readonly number[] {
    const past = this.#attempt - NARROW_ANNOUNCEMENTS;
    if (!widely || shards === 1 || past < 0) return this.#sweep.next(shards, 1);
    this.#isWide = past < WIDE_ANNOUNCEMENTS;
    if (past === 0) this.#sweep.restart();
    const most = Math.max(1, Math.floor(MAX_SHARDS_AT_ONCE_PRODUCT / shards));
    const meant = this.#isWide
      ? Math.min(MAX_SHARDS_AT_ONCE, Math.ceil(shards / WIDE_ANNOUNCEMENTS))
      : SHARDS_AT_ONCE_LATER;
    return this.#sweep.next(shards, Math.min(meant, most));
  }

  announced(now: number): void {
    const doubled = Math.min(Math.floor(this.#attempt++ / REPEATS_ALIKE), 16);
    const ceiling = this.#isWide ? WIDE_REPEAT_MS : Math.min(MAX_REPEAT_MS, FIRST_REPEAT_MS * 2 ** doubled);
    this.#isWide = false;
    this.#due = now + ceiling * (0.5 + this.#random() / 2);
  }

  /** The last session is gone, or the broker is back: begin anew from the first interval. */
  restart(now: number): void {
    this.#attempt = 0;
    this.#due = Math.min(this.#due, now + FIRST_REPEAT_MS * this.#random());
  }
}

interface Member {
  readonly at: number;
  readonly site: string;
}

/** Who announced itself. */
export interface From {
  readonly site: string;
  /** Whether that is this device's. */
  readonly sameSite: boolean;
  /** As PeerBook has it. */
  readonly worth: number;
  /** P-10.1: whether it says so again, and was not fed. */
  readonly again?: boolean;
}

const ALIKE: From = { site: '', sameSite: true, worth: 1 };

/** The members of its shards that a device heard of late, for the probability of P-10.2. */
export class MembersHeard {
  readonly #members = new Map<string, Member>();
  readonly #bySite = new Map<string, number>();
  #most = 0;
  /** Shards that are listened in, and since when. Monotonic ms. */
  #listensIn = 0;
  #since = 0;

  heard(device: string, now: number, site = ''): void {
    this.#forget(device);
    this.#members.set(device, { at: now, site });
    this.#bySite.set(site, this.inSite(site) + 1);
    this.#most = Math.max(this.#most, this.#members.size);
    for (const [oldest, { at }] of this.#members) {
      if (at > now - HEARD_WINDOW_MS && this.#members.size <= MAX_MEMBERS_HEARD) break;
      this.#forget(oldest);
    }
  }

  get size(): number {
    return this.#members.size;
  }

  get sites(): Iterable<string> {
    return this.#bySite.keys();
  }

  inSite(site: string): number {
    return this.#bySite.get(site) ?? 0;
  }

  /** @param shards of the rollout; @param listensIn how many of them were heard */
  offers(random: () => number, shards: number, listensIn: number, from: From = ALIKE): boolean {
    const { site, sameSite, worth, again = false } = from;
    const heard = Math.max(1, listensIn);
    const there = this.inSite(site) / heard;
    const members = { there, elsewhere: this.size / heard - there };
    return random() < answerChance(sameSite, members, worth, answersOf(shards, again));
  }

  /** The most that there ever were: who is fed says nothing, and is still there. */
  get most(): number {
    return this.#most;
  }

  /** Call whenever it may have changed. @param shards that are listened in, none where the broker is not there */
  listening(shards: number, now: number): void {
    if (shards !== this.#listensIn) this.#since = now;
    this.#listensIn = shards;
  }

  /** P-11.4: the most that there ever were in a shard, where that is known. */
  mostOfShard(now: number): number | undefined {
    const isKnown = this.#listensIn > 0 && now >= this.#since + KNOWS_ITS_SHARD_MS;
    return isKnown ? Math.ceil(this.#most / this.#listensIn) : undefined;
  }

  #forget(device: string): void {
    const member = this.#members.get(device);
    if (member === undefined) return;
    this.#members.delete(device);
    const left = this.inSite(member.site) - 1;
    if (left > 0) this.#bySite.set(member.site, left);
    else this.#bySite.delete(member.site);
  }
}

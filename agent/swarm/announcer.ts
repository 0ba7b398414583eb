import { FIRST_REPEAT_MS, HEARD_WINDOW_MS, MAX_MEMBERS_HEARD, MAX_REPEAT_MS, REPEATS_ALIKE } from './limits.js';
import { answerChance, answersOf } from './peer_choice.js';

/** When to announce and whether to answer an announcement (P-10.1, P-10.2). Randomness is uniform in [0, 1). */

export class Announcer {
  /** When it first is to announce itself. */
  readonly joinsAt: number;
  #attempt = 0;
  #due: number;
  readonly #random: () => number;

  constructor(now: number, joinWindowMs: number, random: () => number) {
    this.#random = random;
    this.joinsAt = now + random() * joinWindowMs;
    this.#due = this.joinsAt;
  }

  /** When `have` is to be published next, if the device still lacks chunks and no session brings them. */
  get due(): number {
    return this.#due;
  }

  announced(now: number): void {
    const doubled = Math.min(Math.floor(this.#attempt++ / REPEATS_ALIKE), 16);
    const ceiling = Math.min(MAX_REPEAT_MS, FIRST_REPEAT_MS * 2 ** doubled);
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
}

const ALIKE: From = { site: '', sameSite: true, worth: 1 };

/** The members of its shards that a device heard of late, for the probability of P-10.2. */
export class MembersHeard {
  readonly #members = new Map<string, Member>();
  readonly #bySite = new Map<string, number>();
  #most = 0;

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
  offers(random: () => number, shards: number, listensIn: number, { site, sameSite, worth } = ALIKE): boolean {
    const heard = Math.max(1, listensIn);
    const there = this.inSite(site) / heard;
    return random() < answerChance(sameSite, { there, elsewhere: this.size / heard - there }, worth, answersOf(shards));
  }

  /** The most that there ever were: who is fed says nothing, and is still there. */
  get most(): number {
    return this.#most;
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

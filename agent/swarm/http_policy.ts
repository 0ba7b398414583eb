import type { HttpRules } from '../http_rules.js';

/**
 * When one artifact may be asked of HTTP servers (P-11.3): the operator's rules, and turns, so that what a whole fleet asks of a server in a
 * second does not grow with the fleet. Pure: time and randomness (uniform in [0, 1)) come in.
 */

/**
 * Who needs the server waits a random part of this for each device of the swarm. All together then ask 8 times a second; what one
 * of them was given, the others have from it before most of their turns come.
 */
export const TURN_MS_PER_DEVICE = 250;
/** Not longer, however many there are: above 1,200 devices the fleet asks more often than that, and each of them once in 150 s. */
export const MAX_TURN_MS = 300_000;

/**
 * So long who has the first chunks of all waits for others to come for them, before it takes more alone: an announcement, an offer, an answer
 * and a path. Devices with nothing to give have no sessions with each other, and each would take a small artifact whole meanwhile.
 */
export const MEET_MS = 5_000;

export class HttpPolicy {
  readonly #rules: HttpRules;
  readonly #random: () => number;
  #opensAt = Number.POSITIVE_INFINITY;
  /** Of the need that there is: since when, which part of a turn it waits, and when it may be met. Undefined where there is none. */
  #turn: { readonly since: number; readonly part: number; at: number } | undefined;
  #spent = 0;
  #meetsUntil = Number.NEGATIVE_INFINITY;

  constructor(rules: HttpRules, random: () => number) {
    this.#rules = rules;
    this.#random = random;
  }

  /** The transfer begins, or goes on: many others do at the same moment. */
  begin(now: number): void {
    this.#opensAt = now + this.#rules.afterMs * (1 + this.#random());
    this.#turn = undefined;
  }

  /** Whether HTTP is used at all. */
  get isOn(): boolean {
    return this.#rules.use !== 'never' && this.left > 0;
  }

  /** Bytes that may still be asked for. */
  get left(): number {
    return Math.max(0, this.#rules.maxBytes - this.#spent);
  }

  /** When anything may be asked at the earliest. */
  get opensAt(): number {
    return this.isOn ? this.#opensAt : Number.POSITIVE_INFINITY;
  }

  /** Whether only what no peer holds may be asked. @param starved nothing came of late, though peers hold what is missing */
  onlyUnheld(starved: boolean): boolean {
    return this.#rules.use === 'no-peer' && !starved;
  }

  /** This device has its first chunk, and has said so. */
  introduced(now: number): void {
    this.#meetsUntil = now + MEET_MS;
  }

  /**
   * There is need of the server, as there was at each call since the last `met`.
   * @param devices of the swarm, this one among them, as far as they are known
   * @param hasPeers whether any session is open
   * @returns from when on it may be met
   */
  needed(now: number, devices: number, hasPeers: boolean): number {
    if (now < this.opensAt) return this.opensAt;
    if (this.#rules.use === 'always') return now;
    if (devices > 1 && !hasPeers && now < this.#meetsUntil) return this.#meetsUntil;
    this.#turn ??= { since: now, part: this.#random(), at: Number.POSITIVE_INFINITY };
    const { since, part, at } = this.#turn;
    // Sooner where it is learned meanwhile that fewer are there, and never later: a turn that was waited for is one.
    const longest = Math.min(MAX_TURN_MS, Math.max(0, devices - 1) * TURN_MS_PER_DEVICE);
    this.#turn.at = Math.min(at, since + part * longest);
    return this.#turn.at;
  }

  /** It is met with a request, or is no more: the next one waits for a turn of its own. @param bytes that were asked for */
  met(bytes = 0): void {
    this.#spent += bytes;
    this.#turn = undefined;
  }

  /** So many of the bytes asked for did not come. */
  giveBack(bytes: number): void {
    this.#spent -= bytes;
  }
}

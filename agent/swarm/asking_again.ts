import type { Bitfield } from '../../shared/artifact/bitfield.js';
import type { Deadline } from './deadline.js';
import { againAt, againAtCost, lateByOwnPace, urgency } from './endgame.js';
import type { Peer } from './peer.js';
import type { Requests } from './requests.js';
import type { SwarmAction, SwarmOptions } from './swarm_types.js';

/** The endgame: who is idle is asked for what others owe (P-10.4), by the times of `endgame.ts`. Pure. */

export interface AskingAgainOptions
  extends Pick<SwarmOptions, 'held' | 'verifying' | 'frugal'>,
    Required<Pick<SwarmOptions, 'twins'>> {
  /** By id: all, those that rest too. */
  readonly peers: ReadonlyMap<string, Peer>;
  readonly requests: Requests;
  /** Told when a request becomes old enough. */
  readonly due: Deadline;
}

export class AskingAgain {
  readonly #options: AskingAgainOptions;

  constructor(options: AskingAgainOptions) {
    this.#options = options;
  }

  /**
   * What is late, then what has not begun, then the longest outstanding.
   * @param have what `idle` holds
   * @returns the chunk, or -1
   */
  pick(idle: Peer, have: Bitfield, now: number): number {
    const { held, verifying, frugal, peers, requests, due } = this.#options;
    const { pace } = requests;
    let oldest = Number.POSITIVE_INFINITY;
    let found = -1;
    for (const [chunk, askedOf] of requests.askedAt) {
      const twins = this.#twinsOf(chunk);
      // P-10.11: as what number the peer holds the same bytes.
      const mine = have.get(chunk) ? chunk : (twins.find((twin) => have.get(twin)) ?? -1);
      if (mine < 0 || held.get(chunk) || verifying.has(chunk)) continue;
      const owners = [...peers.values()].filter(({ outstanding }) => outstanding.has(chunk));
      const askedAt = twins.length === 1 ? askedOf : this.#askedOfAny(twins);
      const open = { chunk, askedAt, owners };
      const dueAt = frugal() ? againAtCost(open, now) : againAt(open, idle, pace, now);
      const since = (askedAt[0] ?? now) - urgency(open, pace, now) * now;
      if (now < dueAt) due.notAfter(dueAt);
      else if (since < oldest) {
        oldest = since;
        found = mine;
      }
    }
    return found;
  }

  /** What nobody has begun to send is asked of one peer only; a source sends a run, which does not end for one chunk of it. */
  takeOver(chunk: number, now: number, actions: SwarmAction[]): void {
    for (const twin of this.#twinsOf(chunk)) this.#takeOver(twin, now, actions);
  }

  #takeOver(chunk: number, now: number, actions: SwarmAction[]): void {
    const { peers, requests } = this.#options;
    for (const peer of peers.values()) {
      if (!peer.outstanding.has(chunk) || peer.begun.has(chunk) || peer.isSource) continue;
      if (now >= lateByOwnPace(peer, chunk, requests.pace)) requests.failed(peer);
      requests.settle(peer, chunk);
      actions.push({ kind: 'cancel', peer: peer.id, chunk });
    }
  }

  #askedOfAny(twins: readonly number[]): number[] {
    const { askedAt } = this.#options.requests;
    return twins.flatMap((twin) => askedAt.get(twin) ?? []).sort((a, b) => a - b);
  }

  /** Itself among them. */
  #twinsOf(chunk: number): readonly number[] {
    const twins = this.#options.twins(chunk);
    return twins.length === 0 ? [chunk] : twins;
  }
}

import type { Rollout, RolloutProgress } from '../../shared/control/messages.js';
import { type Asker, isInAudience } from '../../shared/trust/audience.js';
import { rankOf } from '../swarm/precedence.js';
import { type FetchCounters, noCounters } from './settling.js';

/** The rollouts that name one artifact: each gets a file of its own, and has a row of its own in the status (P-4.7). */

export interface NamedRollout {
  readonly rollout: Rollout;
  /** Whose trust messages name it: who holds one of them is in the audience (P-5.4). */
  readonly groups: readonly string[];
}

/** Those that name one artifact: at least one. */
export type NamedRollouts = readonly [NamedRollout, ...NamedRollout[]];

interface HandOver extends NamedRollout {
  /** Every chunk was held when it was named: its file costs no transfer. */
  readonly copied: boolean;
  /** Monotonic ms. */
  readonly since: number;
  readonly doneAt: number | null;
}

/** What all rows of an artifact have in common. */
export type SharedProgress = Pick<RolloutProgress, 'state' | 'held' | 'error'> & {
  /** Null where nothing is fetched. */
  readonly counters: FetchCounters | null;
};

export class HandOvers {
  #all: readonly HandOver[] = [];

  /** @param complete whether every chunk of the artifact is held */
  follow(named: NamedRollouts, now: number, complete: boolean): void {
    this.#all = named.map(({ rollout, groups }) => {
      const known = this.#all.find((one) => isSame(one.rollout, rollout));
      return { copied: complete, since: now, doneAt: null, ...known, rollout, groups };
    });
  }

  /** P-5.4: whether a peer of that site, in those groups, may have the artifact under any of its names. */
  isAudience(peer: Asker): boolean {
    return this.#all.some(({ groups, rollout }) => {
      return groups.some((group) => peer.groups.includes(group)) && isInAudience(rollout.audience, peer);
    });
  }

  /** Whether that is so of each of their names. */
  areAll(covered: (name: string) => boolean): boolean {
    return this.#all.every(({ rollout }) => covered(rollout.name));
  }

  /** P-12.3: an emergency is urgent, whether it says so or not. */
  get urgent(): boolean {
    return this.emergency || this.#all.some(({ rollout }) => rollout.urgent === true);
  }

  /** P-10.13: any of them is. */
  get emergency(): boolean {
    return this.#all.some(({ rollout }) => rollout.emergency === true);
  }

  /** P-10.12: that of the first of them. */
  get rank(): number {
    return Math.max(0, ...this.#all.map(({ rollout }) => rankOf(rollout)));
  }

  /** P-12.3: of all of them, each once, in the order of their rollouts. */
  get urls(): readonly string[] {
    return [...new Set(this.#all.flatMap(({ rollout }) => rollout.urls ?? []))];
  }

  /** The next rollout without its file. */
  get next(): Rollout | undefined {
    return this.#all.find(({ doneAt }) => doneAt === null)?.rollout;
  }

  /** Whether any of them has its file. */
  get begun(): boolean {
    return this.#all.some(({ doneAt }) => doneAt !== null);
  }

  /** @returns whether the rollout is still one of those that name the artifact. */
  done(rollout: Rollout, now: number): boolean {
    this.#all = this.#all.map((one) => (isSame(one.rollout, rollout) ? { ...one, doneAt: now } : one));
    return this.#all.some((one) => isSame(one.rollout, rollout));
  }

  allDone(now: number): void {
    this.#all = this.#all.map((one) => ({ ...one, doneAt: one.doneAt ?? now }));
  }

  /** What was handed over is no longer right, and is to be handed over again. */
  undo(now: number): void {
    this.#all = this.#all.map((one) => ({ ...one, since: now, doneAt: null }));
  }

  progress({ state, held, error, counters }: SharedProgress, now: number): RolloutProgress[] {
    // P-4.7: what was fetched is counted once.
    const fetched = this.#all.find(({ copied }) => !copied);
    return this.#all.map((one) => {
      const { name, version, artifact, chunks, size } = one.rollout;
      const done = one.doneAt !== null;
      return {
        ...{ name, version, artifact, state: done ? 'complete' : state, held, chunks, size },
        ...told(one === fetched && counters !== null ? counters : noCounters()),
        ...(one !== fetched && counters !== null && done && { fromDisk: size }),
        seconds: ((one.doneAt ?? now) - one.since) / 1000,
        error: done ? '' : error,
      };
    });
  }
}

/** P-4.7: who uses no HTTP says nothing of it. */
function told({ fromSeed, fromPeers, fromDisk, fromHttp, wasted }: FetchCounters) {
  return { fromSeed, fromPeers, fromDisk, ...(fromHttp > 0 && { fromHttp }), wasted };
}

export function isSame(a: Rollout, b: Rollout): boolean {
  return a.name === b.name && a.version === b.version;
}

import type { Rollout } from '../shared/control/messages.js';
import { ChunkmeshError } from '../shared/errors.js';
import { CLOSE } from '../shared/wire/frames/close.js';
import { Precedence, rankOf } from './swarm/precedence.js';
import { isSame, type NamedRollout, type NamedRollouts } from './transfer/hand_overs.js';
import type { Transfer } from './transfer/transfer.js';

/** The transfers of an agent, one for each artifact that its groups' trust messages name, under however many names. */

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

export interface RolloutsHost {
  /** Made, not yet started. */
  make(artifact: string, named: NamedRollouts): Transfer;
  /** One that was not there before. */
  began(rollout: Rollout, groups: readonly string[]): void;
  /** The transfer is announced in other shards from now on, or nowhere. */
  moved(transfer: Transfer): void;
  /** Of one rollout or transfer: the others go on. */
  failed(error: unknown): void;
}

export class Rollouts {
  readonly #host: RolloutsHost;
  /** By group, what its trust message names. */
  readonly #named = new Map<string, readonly Rollout[]>();
  readonly #transfers = new Map<string, Transfer>();
  readonly #precedence = new Precedence();
  /** The rollouts in force, by artifact. */
  #wanted: ReadonlyMap<string, NamedRollouts> = new Map();
  /** Trust messages are taken one after the other: stopping and starting transfers takes time. */
  #work: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(host: RolloutsHost) {
    this.#host = host;
  }

  get(artifact: string): Transfer | undefined {
    return this.#transfers.get(artifact);
  }

  /** Rollouts of that name that are in force, in whatever group. */
  named(name: string): Rollout[] {
    return [...this.#wanted.values()].flat().flatMap(({ rollout }) => (rollout.name === name ? [rollout] : []));
  }

  /** Those that come first (P-10.12) first. */
  all(): Transfer[] {
    return [...this.#transfers.values()].sort((a, b) => b.contender.rank - a.contender.rank);
  }

  /** Bytes that the transfer may ask for at a time (P-10.12). */
  allowance(artifact: string): number {
    return this.#precedence.allowance(artifact);
  }

  /** P-10.12: call about each second, and when any transfer ends. Whoever may ask for more than before does, and who may ask for less takes note. @param now monotonic ms */
  share(now: number): void {
    const contenders = new Map(this.all().map(({ artifact, contender }) => [artifact, contender]));
    for (const artifact of this.#precedence.look(now, contenders)) this.#transfers.get(artifact)?.tick();
  }

  /** @param remember saves that the message was accepted (P-12.5), before anything is done about it. */
  apply(group: string, rollouts: readonly Rollout[], remember: () => Promise<void>): Promise<void> {
    const done = this.#work.then(async () => {
      await remember();
      await this.#apply(group, rollouts);
    });
    this.#work = done.catch(() => {});
    return done;
  }

  /** @throws the first error of a transfer, once all have ended */
  async stop(): Promise<void> {
    this.#stopped = true;
    const ended = await Promise.allSettled([
      ...this.all().map((transfer) => transfer.stop(CLOSE.shutdown)),
      this.#work,
    ]);
    for (const result of ended) if (result.status === 'rejected') throw result.reason;
  }

  async #apply(group: string, rollouts: readonly Rollout[]): Promise<void> {
    const before = this.#wanted;
    this.#named.set(group, rollouts);
    this.#wanted = this.#byArtifact();
    for (const transfer of this.all()) {
      const named = this.#wanted.get(transfer.artifact);
      if (named === undefined || !goesOn(transfer, named, before)) await this.#end(transfer);
    }
    for (const [artifact, named] of this.#inOrder()) {
      if (this.#stopped) return;
      for (const { rollout, groups } of newIn(named, before.get(artifact))) this.#host.began(rollout, groups);
      await this.#follow(artifact, named);
    }
  }

  /** P-10.12: what comes first is opened first, and gets the room that there is. Those of one rank as they were named. */
  #inOrder(): [artifact: string, named: NamedRollouts][] {
    return [...this.#wanted].sort(([, a], [, b]) => rankOfAll(b) - rankOfAll(a));
  }

  async #follow(artifact: string, named: NamedRollouts): Promise<void> {
    const known = this.#transfers.get(artifact);
    if (known !== undefined) {
      const { shards } = known.rollout;
      known.follow(named);
      if (known.rollout.shards !== shards) this.#host.moved(known);
      return;
    }
    const transfer = this.#host.make(artifact, named);
    this.#transfers.set(artifact, transfer);
    await transfer.start();
  }

  async #end(transfer: Transfer): Promise<void> {
    this.#transfers.delete(transfer.artifact);
    this.#host.moved(transfer);
    await transfer.stop(CLOSE.superseded).catch((error: unknown) => this.#host.failed(error));
  }

  /** What all groups name, by artifact. Of two that disagree on what it is, the first counts. */
  #byArtifact(): ReadonlyMap<string, NamedRollouts> {
    const wanted = new Map<string, [NamedRollout, ...NamedRollout[]]>();
    for (const [group, rollouts] of this.#named) {
      for (const rollout of rollouts) {
        const artifact = hex(rollout.artifact);
        const named = wanted.get(artifact);
        const same = named?.findIndex((one) => isSame(one.rollout, rollout)) ?? -1;
        if (named === undefined) wanted.set(artifact, [{ rollout, groups: [group] }]);
        else if (!agree(named[0].rollout, rollout)) this.#host.failed(disagreement(named[0].rollout, rollout));
        else if (same < 0) named.push({ rollout, groups: [group] });
        else named[same] = { rollout, groups: [...(named[same]?.groups ?? []), group] };
      }
    }
    return wanted;
  }
}

/** What cannot be right, or was not, is begun anew where it is named anew. */
function goesOn(transfer: Transfer, named: NamedRollouts, before: ReadonlyMap<string, NamedRollouts>): boolean {
  if (!agree(transfer.rollout, named[0].rollout)) return false;
  return !transfer.failed || newIn(named, before.get(transfer.artifact)).length === 0;
}

function newIn(named: NamedRollouts, before: NamedRollouts | undefined): NamedRollout[] {
  return named.filter(({ rollout }) => !before?.some((one) => isSame(one.rollout, rollout)));
}

/** The first of the places of all. */
const rankOfAll = (named: NamedRollouts): number => Math.max(...named.map(({ rollout }) => rankOf(rollout)));

const agree = (a: Rollout, b: Rollout): boolean => a.size === b.size && a.chunks === b.chunks;

function disagreement(first: Rollout, other: Rollout): ChunkmeshError {
  const [one, two] = [first, other].map(({ name, version, size }) => `${name} ${version} (${size} bytes)`);
  return new ChunkmeshError('E_INDEX_INVALID', `${two} and ${one} cannot be one artifact`);
}

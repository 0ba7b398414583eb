import type { Rollout } from '../shared/control/messages.js';
import { CLOSE } from '../shared/wire/frames/close.js';
import type { Transfer } from './transfer/transfer.js';

/** The transfers of an agent, held to what its groups' trust messages name. */

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

export interface RolloutsHost {
  /** Made, not yet started. */
  make(artifact: string, rollout: Rollout, group: string): Transfer;
  ended(transfer: Transfer): void;
}

export class Rollouts {
  readonly #host: RolloutsHost;
  readonly #transfers = new Map<string, Transfer>();
  /** Trust messages are taken one after the other: stopping and starting transfers takes time. */
  #work: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(host: RolloutsHost) {
    this.#host = host;
  }

  get(artifact: string): Transfer | undefined {
    return this.#transfers.get(artifact);
  }

  all(): Transfer[] {
    return [...this.#transfers.values()];
  }

  /** @param remember saves that the message was accepted (P-4.3), before anything is done about it. */
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
    await this.#work;
    const ended = await Promise.allSettled(this.all().map((transfer) => transfer.stop(CLOSE.shutdown)));
    for (const result of ended) if (result.status === 'rejected') throw result.reason;
  }

  async #apply(group: string, rollouts: readonly Rollout[]): Promise<void> {
    const wanted = new Map(rollouts.map((rollout) => [hex(rollout.artifact), rollout]));
    for (const transfer of this.all().filter(({ groups }) => groups.has(group))) {
      const rollout = wanted.get(transfer.artifact);
      if (rollout?.name === transfer.rollout.name && rollout.version === transfer.rollout.version) continue;
      if (transfer.groups.size === 1) await this.#end(transfer);
      // Another group has it too, and keeps it under the name and version that it began with.
      else if (rollout === undefined) transfer.groups.delete(group);
    }
    for (const [artifact, rollout] of wanted) {
      this.#transfers.get(artifact)?.groups.add(group);
      if (this.#stopped || this.#transfers.has(artifact)) continue;
      const transfer = this.#host.make(artifact, rollout, group);
      this.#transfers.set(artifact, transfer);
      await transfer.start();
    }
  }

  async #end(transfer: Transfer): Promise<void> {
    this.#transfers.delete(transfer.artifact);
    this.#host.ended(transfer);
    await transfer.stop(CLOSE.superseded);
  }
}

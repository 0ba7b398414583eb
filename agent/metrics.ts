import type { RolloutProgress } from '../shared/control/messages.js';
import type { EndpointStats } from './io/endpoint.js';
import { MisbehaviourBook, type MisbehaviourCount } from './swarm/misbehaviour.js';

/** What an operator's monitoring asks of an agent: counts since it started, and how it stands. */

/** Bytes, of one transfer or of all. */
export interface TransferTotals {
  /** Of verified chunks, by where they came from. */
  readonly fromSeed: number;
  readonly fromPeers: number;
  readonly fromDisk: number;
  readonly fromHttp: number;
  /** That arrived and were of no use. */
  readonly wasted: number;
  /** That arrived at peers. */
  readonly served: number;
}

export interface AgentMetrics {
  /** Of all transfers since the agent started. What was on its way when one ended is not among them. */
  readonly bytes: TransferTotals;
  /** Of the artifacts that rollouts in force name. */
  readonly chunks: { readonly held: number; readonly wanted: number };
  /** How many rollouts are in each state that any is in (P-4.7). */
  readonly rollouts: Readonly<Partial<Record<RolloutProgress['state'], number>>>;
  /** That are open. */
  readonly sessions: number;
  readonly datagrams: EndpointStats;
  /** What all artifacts in the store take of the disk; null where the disk does not say. */
  readonly storeBytes: number | null;
  readonly online: boolean;
  /** Control messages that came before and were dropped (P-3.8). */
  readonly replayed: number;
  /** Of at most MAX_MISBEHAVING devices, those of late. */
  readonly misbehaviour: readonly MisbehaviourCount[];
}

/** As much of a Transfer as is counted. */
export interface CountedTransfer {
  readonly totals: TransferTotals;
  /** Open sessions. */
  readonly peers: number;
  progress(): readonly RolloutProgress[];
}

export const NO_DATAGRAMS: EndpointStats = {
  datagramsReceived: 0,
  datagramsUnknown: 0,
  datagramsSent: 0,
  sendErrors: 0,
};
const NOTHING: TransferTotals = { fromSeed: 0, fromPeers: 0, fromDisk: 0, fromHttp: 0, wasted: 0, served: 0 };

export class AgentCounts {
  readonly misbehaviour = new MisbehaviourBook();
  #ended = NOTHING;

  /** Whatever it counts from now on is not counted here. */
  ended(transfer: CountedTransfer): void {
    this.#ended = sum(this.#ended, transfer.totals);
  }

  of(
    transfers: readonly CountedTransfer[],
  ): Pick<AgentMetrics, 'bytes' | 'chunks' | 'rollouts' | 'sessions' | 'misbehaviour'> {
    const rows = transfers.map((transfer) => transfer.progress());
    const rollouts: Partial<Record<RolloutProgress['state'], number>> = {};
    for (const { state } of rows.flat()) rollouts[state] = (rollouts[state] ?? 0) + 1;
    // Several rollouts of one artifact have its chunks in common.
    const artifacts = rows.flatMap((ofArtifact) => ofArtifact.slice(0, 1));
    return {
      bytes: transfers.reduce((all, { totals }) => sum(all, totals), this.#ended),
      chunks: {
        held: artifacts.reduce((count, { held }) => count + held, 0),
        wanted: artifacts.reduce((count, { chunks }) => count + chunks, 0),
      },
      rollouts,
      sessions: transfers.reduce((count, { peers }) => count + peers, 0),
      misbehaviour: this.misbehaviour.all(),
    };
  }
}

function sum(a: TransferTotals, b: TransferTotals): TransferTotals {
  return {
    fromSeed: a.fromSeed + b.fromSeed,
    fromPeers: a.fromPeers + b.fromPeers,
    fromDisk: a.fromDisk + b.fromDisk,
    fromHttp: a.fromHttp + b.fromHttp,
    wasted: a.wasted + b.wasted,
    served: a.served + b.served,
  };
}

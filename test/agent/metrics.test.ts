import { describe, expect, it } from 'vitest';
import { AgentCounts, type CountedTransfer, type TransferTotals } from '../../agent/metrics.js';
import type { RolloutProgress } from '../../shared/control/messages.js';

const TOTALS: TransferTotals = { fromSeed: 1, fromPeers: 10, fromDisk: 100, fromHttp: 1_000, wasted: 2, served: 20 };

function row(state: RolloutProgress['state'], held: number, chunks: number): RolloutProgress {
  const counts = { fromSeed: 0, fromPeers: 0, fromDisk: 0, wasted: 0, seconds: 0, size: chunks };
  return { ...counts, name: 'a', version: '1', artifact: new Uint8Array(32), state, held, chunks, error: '' };
}

const transfer = (peers: number, ...rows: RolloutProgress[]): CountedTransfer => ({
  totals: TOTALS,
  peers,
  progress: () => rows,
});

describe('the metrics of an agent', () => {
  it('are nothing before it has anything', () => {
    expect(new AgentCounts().of([])).toEqual({
      bytes: { fromSeed: 0, fromPeers: 0, fromDisk: 0, fromHttp: 0, wasted: 0, served: 0 },
      chunks: { held: 0, wanted: 0 },
      ...{ rollouts: {}, sessions: 0, misbehaviour: [] },
    });
  });

  it('sum its transfers, and count the chunks of an artifact once, under however many names', () => {
    const counts = new AgentCounts();
    counts.misbehaviour.add('mallory', 'wrong-bytes');
    const all = [transfer(2, row('fetching', 3, 8), row('complete', 3, 8)), transfer(1, row('fetching', 1, 4))];
    expect(counts.of(all)).toEqual({
      bytes: { fromSeed: 2, fromPeers: 20, fromDisk: 200, fromHttp: 2_000, wasted: 4, served: 40 },
      chunks: { held: 4, wanted: 12 },
      rollouts: { fetching: 2, complete: 1 },
      sessions: 3,
      misbehaviour: [{ device: 'mallory', kind: 'wrong-bytes', count: 1 }],
    });
  });

  it('go on with the bytes of transfers that ended', () => {
    const counts = new AgentCounts();
    counts.ended(transfer(3, row('complete', 8, 8)));
    counts.ended(transfer(0));
    expect(counts.of([transfer(0, row('waiting', 0, 4))])).toMatchObject({
      bytes: { fromSeed: 3, served: 60 },
      chunks: { held: 0, wanted: 4 },
      sessions: 0,
    });
  });
});

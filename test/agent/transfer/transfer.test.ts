import { describe, expect, it } from 'vitest';
import type { NamedRollouts } from '../../../agent/transfer/hand_overs.js';
import { Transfer } from '../../../agent/transfer/transfer.js';
import { FakeSession } from '../../support/fake_session.js';
import { FakeStored } from '../../support/fake_stored.js';
import { Sample } from '../../support/store_fixture.js';

const JOIN_WINDOW_MS = 1000;
const { index, all: chunks } = await Sample.make('transfer', 300_000);

function named(version: string, shards: number): NamedRollouts {
  const artifact = new Uint8Array(Buffer.from(index.artifact, 'hex'));
  const { size, chunkCount } = index;
  return [{ rollout: { name: 'one', version, artifact, size, chunks: chunkCount, shards }, groups: ['a'] }];
}

async function started(held: Iterable<number>, isSeed = false) {
  const clock = { now: 0 };
  const stored = new FakeStored(index, held);
  const transfer = new Transfer({
    ...{ artifact: index.artifact, rollouts: named('1', 1), isSeed, seeds: [], joinWindowMs: JOIN_WINDOW_MS },
    host: {
      now: () => clock.now,
      random: () => 0.5,
      logger: { debug() {}, info() {}, warn() {}, error() {} },
      ...{ wake() {}, changed() {}, completed() {}, warning() {} },
    },
    async *ownFiles() {},
    openStored: async () => stored.real,
    onPeerNamed() {},
  });
  await transfer.start();
  return { transfer, stored, clock };
}

describe('Transfer', () => {
  it('P-5.6: announces room for 12 only where it has no session, a seed too', async () => {
    for (const [isSeed, alone] of [
      [false, 12],
      [true, 64],
    ] as const) {
      const { transfer } = await started(chunks.slice(1), isSeed);
      expect(transfer.announcement(0)?.room).toBe(alone);
      transfer.connect({ device: 'peer', site: 'site', seed: false }, (events) => new FakeSession(events).real);
      expect(transfer.announcement(0)?.room).toBe(11);
    }
  });

  it('P-10.1: joins other shards within a new join window, and the same ones not again', async () => {
    const { transfer, clock } = await started([]);
    expect(transfer.announcer.due).toBe(JOIN_WINDOW_MS / 2);
    clock.now = 60_000;
    transfer.follow(named('2', 1));
    expect(transfer.announcer.due).toBe(JOIN_WINDOW_MS / 2);
    transfer.follow(named('3', 8));
    expect([transfer.rollout.shards, transfer.announcer.due]).toEqual([8, clock.now + JOIN_WINDOW_MS / 2]);
  });

  it('P-10.1: is lonely as long as a chunk is missing, also one that was lost', async () => {
    const { transfer, stored } = await started(chunks.slice(1));
    expect(transfer.lonely).toBe(true);
    await stored.writeChunk(0);
    expect(transfer.lonely).toBe(false);
    stored.held.set(1, false);
    expect(transfer.lonely).toBe(true);
    await transfer.stop(1);
    expect([transfer.lonely, transfer.room, stored.closed]).toEqual([false, 0, true]);
  });
});

import { describe, expect, it } from 'vitest';
import { ChunkBuffers } from '../../../agent/swarm/chunk_buffers.js';
import { joinWindowMs } from '../../../agent/swarm/meeting.js';
import type { NamedRollouts } from '../../../agent/transfer/hand_overs.js';
import { Transfer } from '../../../agent/transfer/transfer.js';
import { CLOSE } from '../../../shared/wire/frames/close.js';
import { FakeHttp, NO_HTTP } from '../../support/fake_http.js';
import { FakeSession } from '../../support/fake_session.js';
import { FakeStored } from '../../support/fake_stored.js';
import { NO_HOLD } from '../../support/no_hold.js';
import { Sample } from '../../support/store_fixture.js';
import { UNLIMITED_READS } from '../../support/unlimited_reads.js';

const JOIN_WINDOW_MS = 1000;
const { index, all: chunks } = await Sample.make('transfer', 300_000);

function named(version: string, shards: number): NamedRollouts {
  const artifact = new Uint8Array(Buffer.from(index.artifact, 'hex'));
  const { size, chunkCount } = index;
  return [{ rollout: { name: 'one', version, artifact, size, chunks: chunkCount, shards }, groups: ['a'] }];
}

async function started(
  held: Iterable<number>,
  isSeed = false,
  window: { joinWindowMs?: number } = { joinWindowMs: JOIN_WINDOW_MS },
) {
  const clock = { now: 0 };
  const stored = new FakeStored(index, held);
  const transfer = new Transfer({
    ...{
      artifact: index.artifact,
      rollouts: named('1', 1),
      isSeed,
      seeds: [],
      ...window,
      seeding: {},
    },
    host: {
      now: () => clock.now,
      random: () => 0.5,
      logger: { debug() {}, info() {}, warn() {}, error() {} },
      buffers: new ChunkBuffers(),
      ...{ reads: UNLIMITED_READS, http: new FakeHttp(), httpRules: NO_HTTP },
      reads: UNLIMITED_READS,
      ...{ self: 'self', site: 'site', worth: () => 0.5, learned() {}, misbehaved() {}, sentWrong() {} },
      metered: () => false,
      ...{ wake() {}, due() {}, changed() {}, completed() {}, warning() {} },
    },
    async *ownFiles() {},
    openStored: async () => stored.real,
    hold: NO_HOLD,
    news() {},
    onPeerNamed() {},
  });
  await transfer.start();
  return { transfer, stored, clock };
}

describe('Transfer', () => {
  it('P-10.2: what a device is worth counts neither for seeds nor of them', async () => {
    const peer = { device: 'peer', site: 'site', seed: false };
    const [device, seed] = [await started([]), await started(chunks, true)];
    expect(device.transfer.worth(peer)).toBe(0.5);
    expect(device.transfer.worth({ ...peer, seed: true })).toBe(1);
    expect(seed.transfer.worth(peer)).toBe(1);
  });

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

  it('P-10.3: seeds take neither the places of the own site nor those of others', async () => {
    for (const [site, places] of [
      ['site', 9],
      ['other', 4],
    ] as const) {
      const { transfer } = await started([]);
      for (let i = 0; i < 8; i++) transfer.heard.heard(`near-${i}`, 0, 'site');
      transfer.heard.heard('far', 0, 'other');
      const join = (device: string, seed: boolean) =>
        transfer.connect({ device, site, seed }, (events) => new FakeSession(events).real);
      for (let i = 0; i < 2; i++) join(`seed-${i}`, true);
      let taken = 0;
      while (transfer.hasPlaceFor({ device: 'next', site, seed: false })) join(`d${taken++}`, false);
      expect([site, taken]).toEqual([site, places]);
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

  it('looks for no other session where its own end because it stops', async () => {
    const { transfer, clock } = await started(chunks.slice(1));
    transfer.connect({ device: 'peer', site: 'site', seed: false }, (events) => new FakeSession(events).real);
    for (let i = 0; i < 9; i++) transfer.announcer.announced(0);
    const { due } = transfer.announcer;
    clock.now = 1;
    await transfer.stop(CLOSE.superseded);
    expect([transfer.announcer.due, transfer.peers]).toEqual([due, 0]);
  });

  it('closes its sessions and takes none outside of its hours, and looks for some when they come', async () => {
    const { transfer, clock } = await started(chunks.slice(1));
    let ended = false;
    transfer.connect({ device: 'peer', site: 'site', seed: false }, (events) => {
      const session = new FakeSession(events);
      session.close = () => {
        ended = true;
        session.end(CLOSE.noRoom);
      };
      return session.real;
    });
    transfer.pause(true);
    expect([ended, transfer.room, transfer.lonely]).toEqual([true, 0, false]);
    expect(transfer.progress().map(({ state }) => state)).toEqual(['paused']);
    clock.now = 3_600_000;
    transfer.pause(false);
    expect([transfer.room, transfer.lonely]).toEqual([12, true]);
    expect(transfer.announcer.due).toBeLessThanOrEqual(clock.now + 2000);
  });

  it('P-10.1: joins anew when its hours open, since many have the same', async () => {
    const { transfer, clock } = await started(chunks.slice(1), false, {});
    transfer.follow(named('2', 4_096));
    transfer.pause(true);
    clock.now = 3_600_000;
    transfer.pause(false);
    expect(transfer.announcer.due).toBe(clock.now + joinWindowMs(4_096) / 2);
  });

  it('P-4.1: goes on at any hour where a rollout that names it is urgent', async () => {
    const { transfer } = await started(chunks.slice(1));
    const [{ rollout, groups }] = named('2', 1);
    transfer.follow([{ rollout: { ...rollout, urgent: true }, groups }]);
    transfer.pause(true);
    expect([transfer.urgent, transfer.room]).toEqual([true, 12]);
  });
});

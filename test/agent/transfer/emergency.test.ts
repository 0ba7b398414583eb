import { describe, expect, it } from 'vitest';
import { emergencyWindowMs, joinWindowMs } from '../../../agent/swarm/meeting.js';
import type { HoldOptions } from '../../../agent/transfer/held_back.js';
import type { Rollout } from '../../../shared/control/messages.js';
import { CLOSE } from '../../../shared/wire/frames/close.js';
import { ALWAYS } from '../../support/fake_http.js';
import { sampleArtifact } from '../../support/memory_artifact.js';
import { NO_HOLD } from '../../support/no_hold.js';
import { TransferStage } from '../../support/transfer_stage.js';

/** P-10.13, of one transfer: what its owner set counts for everything but an emergency. */

const CHUNKS = 8;
const SAMPLE = sampleArtifact(CHUNKS);
const URL = 'http://files.example/firmware';
const HELD: HoldOptions = { ...NO_HOLD, covers: () => true };
const groups = ['cameras'];

function publish(stage: TransferStage, over: Partial<Rollout>): void {
  stage.transfer.follow([{ rollout: { ...SAMPLE.rollout, ...over }, groups }]);
}

describe('P-10.13 an emergency', () => {
  it('is urgent and comes first, whether it says that it is urgent or not', async () => {
    const { transfer } = await TransferStage.start(SAMPLE, { emergency: true });
    expect([transfer.emergency, transfer.urgent, transfer.contender.rank]).toEqual([true, true, 25]);
  });

  it('is fetched at any hour', async () => {
    const stage = await TransferStage.start(SAMPLE, { emergency: true, paused: true });
    expect([stage.row.state, stage.transfer.room]).toEqual(['fetching', 12]);
    expect(stage.join('peer').requests.length).toBeGreaterThan(0);
  });

  it('is fetched though its owner holds everything back', async () => {
    const stage = await TransferStage.start(SAMPLE, { emergency: true, hold: HELD });
    expect([stage.row.state, stage.row.hold, stage.opened]).toEqual(['fetching', undefined, 1]);
    expect(stage.join('peer').requests.length).toBeGreaterThan(0);
  });

  it('ends a hold that is in force, and is held again once it is none any more', async () => {
    const stage = await TransferStage.start(SAMPLE, { indexed: false, hold: HELD });
    expect([stage.row.hold, stage.opened]).toEqual([true, 0]);
    publish(stage, { emergency: true });
    await stage.settle();
    expect([stage.row.hold, stage.opened, stage.row.state]).toEqual([undefined, 1, 'indexing']);
    publish(stage, {});
    await stage.settle();
    expect(stage.row).toMatchObject({ state: 'paused', hold: true });
  });

  it('joins within a smaller window, which is never nothing', async () => {
    for (const joinWindowMs of [1_000, 60_000]) {
      const stage = await TransferStage.start(SAMPLE, { emergency: true, joinWindowMs });
      expect(stage.transfer.announcer.joinsAt).toBeGreaterThan(0);
      expect(stage.transfer.announcer.joinsAt).toBeLessThan(emergencyWindowMs(1));
    }
    const hasty = await TransferStage.start(SAMPLE, { emergency: true, joinWindowMs: 50 });
    expect(hasty.transfer.announcer.joinsAt).toBeLessThan(50);
    expect(emergencyWindowMs(1)).toBeLessThan(joinWindowMs(1));
  });

  it('begins its sessions anew where it was none before, and again when it is none any more: their ceilings are others', async () => {
    const stage = await TransferStage.start(SAMPLE);
    const before = stage.join('before');
    publish(stage, { emergency: true });
    expect([before.closed, stage.news]).toEqual([CLOSE.superseded, 1]);
    const during = stage.join('during');
    publish(stage, { emergency: true, version: '1' });
    expect([during.closed, stage.news]).toEqual([null, 1]);
    publish(stage, {});
    expect([during.closed, stage.news]).toEqual([CLOSE.superseded, 2]);
  });

  it('asks a second peer over a metered link as over any other, and gives nothing all the same (P-10.5)', async () => {
    const asked: number[] = [];
    for (const emergency of [false, true]) {
      const stage = await TransferStage.start(SAMPLE, { emergency, metered: true, held: CHUNKS - 1 });
      const slow = stage.join('silent');
      await stage.send(slow, CHUNKS - 1, SAMPLE.chunk(CHUNKS - 1).subarray(0, 10_000));
      stage.now = 4_000;
      const other = stage.join('other');
      stage.tick();
      asked.push(other.requests.length);
      stage.session('silent').events.onRequest(0, 0, 100);
      await stage.settle();
      expect([stage.session('silent').served, stage.session('silent').haves]).toEqual([[], 0]);
    }
    expect(asked).toEqual([0, 1]);
  });

  it('is outside of the ceiling on what comes over HTTP (P-11.6), and all else is not', async () => {
    for (const emergency of [false, true]) {
      const stage = await TransferStage.start(SAMPLE, { emergency, urls: [URL], rules: ALWAYS });
      stage.tick();
      stage.transfer.tick();
      expect(stage.http.last.wanted.unlimited).toBe(emergency ? true : undefined);
    }
  });
});

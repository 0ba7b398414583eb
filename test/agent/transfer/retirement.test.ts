import { describe, expect, it } from 'vitest';
import { Retirement, type SeedingLimits } from '../../../agent/transfer/retirement.js';
import { Bitfield } from '../../../shared/artifact/bitfield.js';
import { CLOSE } from '../../../shared/wire/frames/close.js';
import { sampleArtifact } from '../../support/memory_artifact.js';
import { TransferStage } from '../../support/transfer_stage.js';

const SAMPLE = sampleArtifact(8);
const NOBODY = new Bitfield(8);

/** A device that is complete, with one session. */
async function complete(seeding: SeedingLimits) {
  const stage = await TransferStage.start(SAMPLE, { held: 8, seeding });
  await stage.settle();
  expect(stage.transfer.complete).toBe(true);
  return { stage, session: stage.join('other', NOBODY) };
}

describe('P-10.8 a device that has served long enough', () => {
  it('serves for as long as it is asked to where nothing is set', async () => {
    const { stage, session } = await complete({});
    stage.now = 365 * 86_400_000;
    stage.tick();
    expect([session.closed, stage.transfer.room]).toEqual([null, 11]);
  });

  it('ends its sessions and takes no more after the time', async () => {
    const { stage, session } = await complete({ seconds: 60 });
    expect(stage.transfer.nextDeadline()).toBe(60_000);
    stage.now = 59_999;
    stage.tick();
    expect(session.closed).toBe(null);
    stage.now = 60_000;
    stage.tick();
    expect([session.closed, stage.transfer.room]).toEqual([CLOSE.done, 0]);
    expect(stage.transfer.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
  });

  it('ends after the copies', async () => {
    const { stage, session } = await complete({ ratio: 0.5 });
    for (const chunk of [0, 1, 2, 3]) {
      session.events.onRequest(chunk, 0, SAMPLE.index.chunkLength(chunk));
      await stage.settle();
    }
    expect(session.served).toHaveLength(4);
    stage.tick();
    expect(session.closed).toBe(null);
    session.pendingServeBytes = 0;
    await stage.settle();
    stage.tick();
    expect([session.closed, stage.transfer.room]).toEqual([CLOSE.done, 0]);
  });

  it('does not count before it is complete, and counts anew once it is again', () => {
    const retirement = new Retirement({ seconds: 1, ratio: 1 }, 100);
    expect(retirement.isDue(1000, 10_000)).toBe(false);
    retirement.complete(10_000);
    expect([retirement.isDue(99, 10_999), retirement.isDue(99, 11_000), retirement.isDue(100, 10_000)]).toEqual([
      false,
      true,
      true,
    ]);
    retirement.undo();
    expect(retirement.isDue(1000, 20_000)).toBe(false);
    retirement.complete(20_000);
    expect(retirement.deadline).toBe(21_000);
  });
});

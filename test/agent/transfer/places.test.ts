import { describe, expect, it } from 'vitest';
import { PROBATION_MS, STARVED_MS, UNUSED_MS } from '../../../agent/swarm/limits.js';
import { Bitfield } from '../../../shared/artifact/bitfield.js';
import { MAX_SESSIONS_PER_ARTIFACT } from '../../../shared/limits.js';
import { CLOSE } from '../../../shared/wire/frames/close.js';
import type { FakeSession } from '../../support/fake_session.js';
import { sampleArtifact } from '../../support/memory_artifact.js';
import { TransferStage } from '../../support/transfer_stage.js';

const CHUNKS = 64;
const SAMPLE = sampleArtifact(CHUNKS);
const LEFT_REFUSED_MS = 20_000;
const NEWCOMER = { device: 'new', site: 'default', seed: false };
const SEED = { device: 'seed', site: 'default', seed: true };

/** Every place is taken, at 0 ms, by who has said nothing. */
async function full(held = 0): Promise<{ stage: TransferStage; sessions: FakeSession[] }> {
  const stage = await TransferStage.start(SAMPLE, { held });
  const sessions = Array.from({ length: MAX_SESSIONS_PER_ARTIFACT }, (_, i) =>
    stage.join(`d${i}`, new Bitfield(CHUNKS)),
  );
  return { stage, sessions };
}

const closed = (sessions: readonly FakeSession[]): number[] =>
  sessions.flatMap((session, i) => (session.closed === null ? [] : [i]));

describe('P-10.3 a session that brought nothing', () => {
  it('gives way to a newcomer once it is 3 s old, not before, and its device is refused for a while', async () => {
    const { stage, sessions } = await full();
    stage.now = UNUSED_MS - 1;
    expect([stage.transfer.hasPlaceFor(NEWCOMER), stage.transfer.mayAgree]).toEqual([false, 0]);
    stage.now = UNUSED_MS;
    expect([stage.transfer.hasPlaceFor(NEWCOMER), stage.transfer.room]).toEqual([true, 0]);
    expect(closed(sessions)).toEqual([]);
    stage.connect('new');
    expect(closed(sessions)).toEqual([0]);
    expect(sessions[0]?.closed).toBe(CLOSE.noRoom);
    expect([stage.transfer.isBanned('d0'), stage.transfer.isBanned('d1')]).toEqual([true, false]);
    stage.now += LEFT_REFUSED_MS;
    expect(stage.transfer.isBanned('d0')).toBe(false);
  });

  it('keeps its place once it brought a chunk, and where others feed the device', async () => {
    const { stage, sessions } = await full();
    const [good] = sessions;
    if (good === undefined) throw new Error('no session');
    good.events.onHave(0, Bitfield.full(CHUNKS).toBytes());
    stage.flush();
    stage.now = UNUSED_MS;
    await stage.send(good, good.requests[0] ?? 0);
    expect([stage.transfer.hasPlaceFor(NEWCOMER), stage.transfer.hasPlaceFor(SEED)]).toEqual([false, true]);
    stage.now += STARVED_MS;
    for (let i = 1; i < sessions.length; i++) stage.connect(`e${i}`);
    expect(closed(sessions)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(stage.transfer.hasPlaceFor(NEWCOMER)).toBe(false);
  });

  it('gives way to a seed however new it is, and one seed to no other', async () => {
    const { stage, sessions } = await full();
    expect([stage.transfer.hasPlaceFor(NEWCOMER), stage.transfer.hasPlaceFor(SEED)]).toEqual([false, true]);
    for (let i = 0; i < MAX_SESSIONS_PER_ARTIFACT; i++) stage.connect(`seed-${i}`, true);
    expect(closed(sessions)).toHaveLength(MAX_SESSIONS_PER_ARTIFACT);
    expect(stage.transfer.hasPlaceFor(SEED)).toBe(false);
  });

  it('is no reason not to look for others, though a seed feeds the device', async () => {
    const stage = await TransferStage.start(SAMPLE);
    stage.join('silent', new Bitfield(CHUNKS));
    const seed = stage.connect('seed', true);
    seed.events.onOpen(0);
    seed.events.onHave(0, Bitfield.full(CHUNKS).toBytes());
    stage.flush();
    stage.now = UNUSED_MS - 1;
    await stage.send(seed, seed.requests[0] ?? 0);
    expect(stage.transfer.lonely).toBe(false);
    stage.now = UNUSED_MS;
    expect(stage.transfer.lonely).toBe(true);
  });

  it('keeps its place at a device that lacks nothing, or whose own disk is full', async () => {
    const { stage } = await full(CHUNKS);
    stage.now = 10 * PROBATION_MS;
    expect([stage.transfer.hasPlaceFor(NEWCOMER), stage.transfer.hasPlaceFor(SEED)]).toEqual([false, false]);
  });

  it('P-10.1 is none where there are no others: the device looks for more', async () => {
    const { stage } = await full();
    stage.now = UNUSED_MS - 1;
    expect(stage.transfer.lonely).toBe(false);
    stage.now = UNUSED_MS;
    expect(stage.transfer.lonely).toBe(true);
    expect(stage.transfer.announcement(0)?.room).toBe(MAX_SESSIONS_PER_ARTIFACT - 1);
  });
});

import { describe, expect, it } from 'vitest';
import { Bitfield } from '../../../shared/artifact/bitfield.js';
import { ChunkmeshError } from '../../../shared/errors.js';
import { MAX_SESSIONS_PER_ARTIFACT } from '../../../shared/limits.js';
import { CLOSE } from '../../../shared/wire/frames/close.js';
import type { FakeSession } from '../../support/fake_session.js';
import { sampleArtifact } from '../../support/memory_artifact.js';
import { TransferStage } from '../../support/transfer_stage.js';

/** Enough for every pipeline. */
const CHUNKS = 64;
const SAMPLE = sampleArtifact(CHUNKS);
const UNFED_MS = 10_000;
const REFUSED_MS = 600_000;
const LEFT_REFUSED_MS = 20_000;
const name = (i: number): string => `d${i}`;

/** With a session for each place; none has brought anything. */
async function full(): Promise<{ stage: TransferStage; sessions: FakeSession[] }> {
  const stage = await TransferStage.start(SAMPLE);
  const sessions = Array.from({ length: MAX_SESSIONS_PER_ARTIFACT }, (_, i) => stage.join(name(i)));
  expect(stage.transfer.room).toBe(0);
  return { stage, sessions };
}

function closed(sessions: readonly FakeSession[]): number[] {
  return sessions.flatMap((session, i) => (session.closed === null ? [] : [i]));
}

describe('P-10.3 making room', () => {
  it('closes one session of twelve that claim everything and give nothing, and refuses that device for a while', async () => {
    const { stage, sessions } = await full();
    stage.now = UNFED_MS - 1;
    stage.transfer.makeRoom();
    expect(closed(sessions)).toEqual([]);
    stage.now = UNFED_MS;
    stage.transfer.makeRoom();
    expect(closed(sessions)).toEqual([0]);
    expect(sessions[0]?.closed).toBe(CLOSE.noRoom);
    expect([stage.transfer.room, stage.transfer.isBanned('d0'), stage.transfer.isBanned('d1')]).toEqual([
      1,
      true,
      false,
    ]);
    stage.transfer.makeRoom();
    expect(closed(sessions)).toEqual([0]);
    stage.now += REFUSED_MS - 1;
    expect(stage.transfer.isBanned('d0')).toBe(true);
    stage.now += 1;
    expect(stage.transfer.isBanned('d0')).toBe(false);
  });

  it('closes the one that brought least, not the one that promises least or asks of it', async () => {
    const { stage, sessions } = await full();
    for (const [i, session] of sessions.entries()) {
      const [chunk = 0] = session.requests;
      if (i !== 5) await stage.send(session, chunk, SAMPLE.chunk(chunk).subarray(0, 100 + i));
    }
    sessions[5]?.events.onRequest(0, 0, 100);
    stage.now = UNFED_MS;
    stage.transfer.makeRoom();
    expect(closed(sessions)).toEqual([5]);
    stage.join('d12');
    stage.transfer.makeRoom();
    expect(closed(sessions)).toEqual([0, 5]);
    expect(stage.isJoined('d12')).toBe(true);
  });

  it('spares who brought a chunk before who sends of many and finishes none', async () => {
    const { stage, sessions } = await full();
    for (const [i, session] of sessions.entries()) {
      if (i !== 7) await stage.send(session, session.requests[0] ?? 0);
      else for (const chunk of session.requests) await stage.send(session, chunk, Buffer.alloc(65_535));
    }
    stage.now = UNFED_MS;
    stage.transfer.makeRoom();
    expect(closed(sessions)).toEqual([7]);
  });

  it('gives a new session as long as it takes to be unfed', async () => {
    const { stage, sessions } = await full();
    stage.now = UNFED_MS;
    for (const [i, session] of sessions.entries()) {
      session.end(CLOSE.shutdown);
      stage.join(`e${i}`);
    }
    stage.now = 2 * UNFED_MS - 1;
    stage.transfer.makeRoom();
    expect(stage.transfer.room).toBe(0);
    stage.now = 2 * UNFED_MS;
    stage.transfer.makeRoom();
    expect(stage.transfer.room).toBe(1);
  });

  it('refuses for a while, where places are scarce, who left without having brought anything', async () => {
    const { stage, sessions } = await full();
    const [chunk = 0] = stage.session('d11').requests;
    await stage.send(stage.session('d11'), chunk, SAMPLE.chunk(chunk).subarray(0, 100));
    for (const i of [11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]) sessions[i]?.end('no path');
    const refused = sessions.map((_, i) => stage.transfer.isBanned(name(i)));
    expect(refused).toEqual([...Array(6).fill(false), ...Array(5).fill(true), false]);
    stage.now = LEFT_REFUSED_MS;
    expect(sessions.some((_, i) => stage.transfer.isBanned(name(i)))).toBe(false);
  });

  it('refuses nobody whom it sent away itself, so that its own hours or hold cost it no peers', async () => {
    const { stage, sessions } = await full();
    stage.transfer.pause(true);
    expect(closed(sessions)).toHaveLength(MAX_SESSIONS_PER_ARTIFACT);
    expect(sessions.some((_, i) => stage.transfer.isBanned(name(i)))).toBe(false);
  });

  it('lets two devices that lack the same close their session once, and leaves them in peace', async () => {
    const half = new Bitfield(CHUNKS);
    for (let i = 0; i < CHUNKS / 2; i++) half.set(i);
    const stage = await TransferStage.start(SAMPLE);
    for (let i = 0; i < CHUNKS / 2; i++) await stage.stored.writeChunk(i, SAMPLE.chunk(i));
    const sessions = Array.from({ length: MAX_SESSIONS_PER_ARTIFACT }, (_, i) => stage.join(name(i), half));
    for (stage.now = 0; stage.now < 120_000; stage.now += 1000) {
      stage.tick();
      stage.transfer.makeRoom();
    }
    expect(closed(sessions)).toEqual([0]);
    const seed = stage.join('seed');
    for (const chunk of seed.requests) await stage.send(seed, chunk);
    expect(stage.transfer.complete).toBe(true);
  });

  it('does not hold it against its peers that its own disk is full', async () => {
    const { stage, sessions } = await full();
    stage.now = UNFED_MS - 1;
    stage.stored.failure = new ChunkmeshError('E_DISK_FULL', 'full');
    await stage.send(stage.session('d0'), sessions[0]?.requests[0] ?? 0);
    expect(stage.row).toMatchObject({ state: 'blocked', error: 'E_DISK_FULL' });
    stage.now = UNFED_MS + 1000;
    expect(stage.transfer.lonely).toBe(false);
  });
});

describe('P-10.1 announcing anew', () => {
  it('begins from the first interval when the last session ends, not when one of several does', async () => {
    const stage = await TransferStage.start(SAMPLE);
    const { announcer } = stage.transfer;
    const [first, last] = [stage.join('first'), stage.join('last')];
    const [asked = -1] = last.requests;
    await stage.send(last, asked, stage.bytesOf(asked).subarray(0, 1000));
    stage.now = UNFED_MS;
    for (let i = 0; i < 9; i++) announcer.announced(stage.now);
    const { due } = announcer;
    first.end(CLOSE.shutdown);
    expect([stage.transfer.lonely, announcer.due]).toEqual([true, due]);
    last.end(CLOSE.shutdown);
    expect(announcer.due).toBeLessThan(stage.now + 2000);
  });

  it('goes on as it was when one ends that brought nothing: who comes and goes is not to keep it at the beginning', async () => {
    const stage = await TransferStage.start(SAMPLE);
    const { announcer } = stage.transfer;
    const only = stage.join('only');
    for (let i = 0; i < 9; i++) announcer.announced(stage.now);
    const { due } = announcer;
    only.end(CLOSE.shutdown);
    expect([stage.transfer.lonely, announcer.due]).toEqual([true, due]);
  });
});

describe('P-10.1 looking around', () => {
  it('is due once in five minutes for a moment, however steadily the peers feed it', async () => {
    const stage = await TransferStage.start(sampleArtifact(128));
    const slow = stage.join('slow');
    const looked: number[] = [];
    for (; stage.now < 900_000; stage.now += 1000) {
      const owed = slow.requests.find((chunk) => !stage.stored.held.get(chunk));
      if (stage.now % 9000 === 0 && owed !== undefined) await stage.send(slow, owed);
      if (stage.transfer.lonely) looked.push(stage.now);
    }
    expect(stage.transfer.complete).toBe(false);
    expect(looked).toHaveLength(6);
    const [first = 0] = looked;
    expect(looked.map((at) => at - first)).toEqual([0, 1000, 300_000, 301_000, 600_000, 601_000]);
  });
});

describe('what a session shows', () => {
  const failures = ({ lessons }: TransferStage): [string, boolean][] =>
    lessons.map(([device, { failed }]) => [device, failed]);

  it('is that it went well, to a device that only serves, where it opened and ended as it may', async () => {
    const stage = await TransferStage.start(SAMPLE, { held: CHUNKS });
    stage.join('served', new Bitfield(CHUNKS)).end(CLOSE.done);
    stage.connect('blocked').end('no path');
    stage.connect('elsewhere').end(CLOSE.noRoom);
    expect(failures(stage)).toEqual([
      ['served', false],
      ['blocked', true],
    ]);
  });

  it('is that it failed, where it brought nothing of what it owed', async () => {
    const stage = await TransferStage.start(SAMPLE);
    stage.join('silent').end('idle');
    expect(failures(stage)).toEqual([['silent', true]]);
  });
});

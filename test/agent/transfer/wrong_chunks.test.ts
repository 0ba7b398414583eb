import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Bitfield } from '../../../shared/artifact/bitfield.js';
import { INDEX_CHUNK } from '../../../shared/limits.js';
import { CLOSE } from '../../../shared/wire/frames/close.js';
import { SeededRandom } from '../../sim/random.js';
import type { FakeSession } from '../../support/fake_session.js';
import { sampleArtifact } from '../../support/memory_artifact.js';
import { TransferStage } from '../../support/transfer_stage.js';

/** Whose a wrong chunk is (P-10.4, P-15.1): of the one whose session every byte of it came in, whoever else was asked. */

const CHUNKS = 6;
const LENGTH = 65_536;
const SAMPLE = sampleArtifact(CHUNKS);
const LAST = CHUNKS - 1;
const SEEDS = 60;

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const spoilt = (chunk: number, at = 7): Buffer => {
  const bytes = Buffer.from(SAMPLE.chunk(chunk));
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  return bytes;
};

/** One chunk is missing; the first was asked for it, and so was the second, for the first is late. */
async function bothAsked(first: string, second: string): Promise<[TransferStage, FakeSession, FakeSession]> {
  const stage = await TransferStage.start(SAMPLE, { held: LAST });
  const one = stage.join(first);
  await stage.send(one, LAST, spoilt(LAST).subarray(0, 10_000));
  stage.now = 4_000;
  const two = stage.join(second);
  stage.tick();
  expect([one.requests, two.requests]).toEqual([[LAST], [LAST]]);
  return [stage, one, two];
}

describe('P-15.1 a chunk that is wrong', () => {
  it('is told with who, what it should be, and every byte as it came, and so is each that was on its way', async () => {
    const stage = await TransferStage.start(SAMPLE);
    const session = stage.join('mallory');
    const chunks = session.requests.slice(0, 3);
    for (const chunk of chunks) session.events.onData(chunk, 0, spoilt(chunk));
    await stage.settle();
    const { artifact } = SAMPLE.index;
    expect(stage.sentWrong).toEqual(
      chunks.map((chunk) => ({
        ...{ device: 'mallory', artifact, chunk, bytes: spoilt(chunk) },
        expected: Buffer.from(SAMPLE.index.chunkHash(chunk)).toString('hex'),
      })),
    );
    expect(stage.warnings.map(({ message }) => message)).toEqual([`chunk ${chunks[0]} from mallory`]);
    expect(stage.transfer.isBanned('mallory')).toBe(true);
  });

  it('is told of an index too', async () => {
    const stage = await TransferStage.start(SAMPLE, { indexed: false });
    const bytes = Buffer.alloc(SAMPLE.index.bytes.length, 1);
    await stage.send(stage.join('mallory'), INDEX_CHUNK, bytes);
    const { artifact } = SAMPLE.index;
    expect(stage.sentWrong).toEqual([{ device: 'mallory', artifact, chunk: INDEX_CHUNK, expected: artifact, bytes }]);
  });

  it('P-9.8: is neither held nor told of nor served', async () => {
    const stage = await TransferStage.start(SAMPLE, { held: LAST });
    const [mallory, other] = [stage.join('mallory'), stage.join('other', new Bitfield(CHUNKS))];
    const told = other.haves;
    await stage.send(mallory, LAST, spoilt(LAST));
    other.events.onRequest(LAST, 0, LENGTH);
    await stage.settle();
    expect([stage.stored.held.get(LAST), other.haves, other.served, other.rejects]).toEqual([false, told, [], [LAST]]);
  });
});

describe('P-10.4 a chunk that several were asked for', () => {
  it('is of who sent it whole and wrong, and taken from the other', async () => {
    const [stage, mallory, good] = await bothAsked('mallory', 'good');
    await stage.send(mallory, LAST, spoilt(LAST).subarray(10_000), 10_000);
    expect(stage.sentWrong.map(({ device, bytes }) => [device, bytes.equals(spoilt(LAST))])).toEqual([
      ['mallory', true],
    ]);
    expect([mallory.closed, good.closed]).toEqual([CLOSE.wrongBytes, null]);
    await stage.send(good, LAST);
    expect([stage.transfer.complete, stage.sentWrong.length]).toEqual([true, 1]);
  });

  it('is right where a part of another copy was wrong: the two do not mix, and nobody is blamed', async () => {
    const [stage, mallory, good] = await bothAsked('mallory', 'good');
    for (let at = 0; at < LENGTH; at += 16_384) {
      good.events.onData(LAST, at, SAMPLE.chunk(LAST).subarray(at, at + 16_384));
      if (at < 49_152) mallory.events.onData(LAST, at, Buffer.alloc(16_384));
    }
    await stage.settle();
    expect([stage.transfer.complete, stage.sentWrong, stage.misbehaved]).toEqual([true, [], [['mallory', 'slow']]]);
  });

  it('is blamed on nobody whose copy came second, right or wrong, for it was not looked at', async () => {
    const [stage, first, second] = await bothAsked('first', 'second');
    second.events.onData(LAST, 0, SAMPLE.chunk(LAST));
    first.events.onData(LAST, 10_000, SAMPLE.chunk(LAST).subarray(10_000));
    await stage.settle();
    expect([stage.transfer.complete, stage.sentWrong]).toEqual([true, []]);
  });
});

describe('nobody is framed', () => {
  it('by a third one that sends, unasked, bytes of what another was asked for', async () => {
    const stage = await TransferStage.start(SAMPLE, { held: LAST });
    const good = stage.join('good');
    const third = stage.join('third', new Bitfield(CHUNKS));
    good.events.onData(LAST, 0, SAMPLE.chunk(LAST).subarray(0, 30_000));
    for (const at of [0, 20_000, 40_000]) third.events.onData(LAST, at, Buffer.alloc(20_000));
    await stage.send(good, LAST, SAMPLE.chunk(LAST).subarray(30_000), 30_000);
    expect([stage.transfer.complete, stage.sentWrong, stage.misbehaved]).toEqual([true, [], []]);
  });

  it('by what it sent in a session before: that is thrown away with the session', async () => {
    const stage = await TransferStage.start(SAMPLE, { held: LAST });
    const before = stage.join('peer');
    before.events.onData(LAST, 0, Buffer.alloc(30_000));
    before.end(CLOSE.done);
    stage.flush();
    const after = stage.join('peer');
    before.events.onData(LAST, 30_000, Buffer.alloc(LENGTH - 30_000));
    await stage.send(after, LAST);
    expect([stage.transfer.complete, stage.sentWrong]).toEqual([true, []]);
  });

  it('by itself, where it ends or withdraws in the middle of a chunk', async () => {
    const stage = await TransferStage.start(SAMPLE, { held: LAST });
    const peer = stage.join('peer');
    await stage.send(peer, LAST, spoilt(LAST).subarray(0, LENGTH - 1));
    peer.events.onReject(LAST, 1);
    peer.end(CLOSE.shutdown);
    await stage.settle();
    expect(stage.sentWrong).toEqual([]);
  });

  /** Liars and honest ones, asked for the same and for other chunks, send pieces in any order at any pace. */
  async function anyOrder(seed: number): Promise<number> {
    const random = new SeededRandom(seed);
    const stage = await TransferStage.start(SAMPLE, { seed, held: Math.floor(random.next() * CHUNKS) });
    const liars = ['liar-1', 'liar-2', 'liar-3'];
    const names = [...liars, 'honest-1', 'honest-2'].sort(() => random.next() - 0.5);
    const sessions = names.map((name) => ({ name, session: stage.join(name), sent: new Map<number, number>() }));
    for (let step = 0; step < 3_000 && !stage.transfer.complete; step++) {
      const { name, session, sent } = sessions[Math.floor(random.next() * sessions.length)] ?? sessions[0] ?? never();
      const chunk = session.requests[Math.floor(random.next() * session.requests.length)];
      if (chunk !== undefined && session.closed === null) {
        const at = sent.get(chunk) ?? 0;
        const length = Math.min(LENGTH - at, 1 + Math.floor(random.next() * 40_000));
        const source = liars.includes(name) ? spoilt(chunk, Math.floor(random.next() * 3)) : SAMPLE.chunk(chunk);
        session.events.onData(chunk, at, source.subarray(at, at + length));
        sent.set(chunk, at + length === LENGTH ? 0 : at + length);
      }
      if (random.next() < 0.3) await stage.settle();
      stage.now += random.next() * 400;
      stage.tick();
    }
    await stage.settle();
    expect(stage.transfer.complete, `seed ${seed}`).toBe(true);
    for (const { device, chunk, expected, bytes } of stage.sentWrong) {
      expect(liars, `seed ${seed}`).toContain(device);
      expect(sha256(bytes), `seed ${seed}`).not.toBe(expected);
      expect(sha256(SAMPLE.chunk(chunk)), `seed ${seed}`).toBe(expected);
    }
    return stage.sentWrong.length;
  }

  it(`in ${SEEDS} random orders of what liars and honest ones send`, async () => {
    let found = 0;
    for (let seed = 1; seed <= SEEDS; seed++) found += await anyOrder(seed);
    expect(found).toBeGreaterThan(SEEDS / 2);
  });
});

function never(): never {
  throw new Error('no session');
}

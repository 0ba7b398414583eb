import { beforeEach, describe, expect, it } from 'vitest';
import { ChunkBuffers } from '../../../agent/swarm/chunk_buffers.js';
import { type ReadBudget, Serving } from '../../../agent/transfer/serving.js';
import type { SessionEvents } from '../../../agent/transport/session_types.js';
import { REJECT } from '../../../shared/wire/frames/reject.js';
import { FakeSession } from '../../support/fake_session.js';
import { MemoryArtifact, sampleArtifact } from '../../support/memory_artifact.js';
import { UNLIMITED_READS } from '../../support/unlimited_reads.js';

const CHUNKS = 64;
const CHUNK_BYTES = 65_536;
const SAMPLE = sampleArtifact(CHUNKS, CHUNK_BYTES);
/** What is read whatever arrives: 4 MiB, and the read that passes it. */
const SPARE_READS = (4 * 1024 * 1024) / CHUNK_BYTES + 1;

class Reads extends MemoryArtifact {
  count = 0;
  override readChunk(i: number, into: Buffer): Promise<boolean> {
    this.count++;
    return super.readChunk(i, into);
  }
}

let stored: Reads;
let session: FakeSession;
let serving: Serving;
let buffers: ChunkBuffers;
let isAwake: boolean;
let reads: ReadBudget;

beforeEach(() => {
  isAwake = true;
  reads = UNLIMITED_READS;
  start();
});

function start(): void {
  stored = new Reads(SAMPLE);
  for (let i = 0; i < CHUNKS; i++) stored.held.set(i);
  session = new FakeSession({} as SessionEvents);
  const shelf = { source: stored.real, index: SAMPLE.index };
  buffers = new ChunkBuffers();
  const own = new Serving(
    session.real,
    () => shelf,
    // As the endpoint does.
    () => void (isAwake && setImmediate(() => own.pump())),
    buffers,
    reads,
  );
  serving = own;
}

/** Resolves when what was asked is answered. */
async function ask(chunk: number, offset: number, length: number): Promise<void> {
  serving.request(chunk, offset, length);
  await new Promise((resolve) => setImmediate(resolve));
}

function arrived(): void {
  session.pendingServeBytes = 0;
  serving.pump();
}

describe('Serving', () => {
  it('reads a chunk once for ranges of it that follow each other', async () => {
    for (let at = 0; at < CHUNK_BYTES; at += CHUNK_BYTES / 16) await ask(3, at, CHUNK_BYTES / 16);
    expect(stored.count).toBe(1);
    expect(Buffer.concat(session.served.map(({ bytes }) => bytes)).equals(SAMPLE.chunk(3))).toBe(true);
    await ask(4, 0, 1);
    await ask(3, 0, 1);
    expect(stored.count).toBe(3);
  });

  it('P-9.8: reads anew what is asked whole, again and again', async () => {
    for (let i = 0; i < 3; i++) await ask(3, 0, CHUNK_BYTES);
    expect(stored.count).toBe(3);
  });

  it('P-7.8: is soon busy for who asks one byte of every chunk', async () => {
    for (let i = 0; i < 1000; i++) {
      await ask(i % CHUNKS, i, 1);
      arrived();
    }
    expect(stored.count).toBe(SPARE_READS);
    expect(session.served.length + session.rejects.length).toBe(1000);
    expect(session.reasons).toEqual(new Set([REJECT.busy]));
  });

  it('P-7.8: is soon busy for who has chunks read and withdraws them', async () => {
    for (let i = 0; i < 1000; i++) {
      await ask(i % CHUNKS, 0, CHUNK_BYTES);
      session.pendingServeBytes = 0;
      serving.cancel(i % CHUNKS);
    }
    expect(stored.count).toBe(SPARE_READS);
  });

  it('P-7.8: is soon busy for who has chunks read and then asks of them what there is not', async () => {
    for (let i = 0; i < 1000; i++) {
      await ask(i % CHUNKS, 0, CHUNK_BYTES);
      await ask(i % CHUNKS, CHUNK_BYTES, 1);
    }
    expect(stored.count).toBe(SPARE_READS);
  });

  it('is never busy for who takes what it asks for, whole or a quarter of each chunk', async () => {
    for (const length of [CHUNK_BYTES, CHUNK_BYTES / 4]) {
      for (let i = 0; i < 500; i++) {
        await ask(i % CHUNKS, 0, length);
        arrived();
      }
    }
    expect(session.rejects).toEqual([]);
  });

  it('lets all else have its turn once what all sessions may read in one is spent', async () => {
    isAwake = false;
    reads = { isSpent: true, spend: () => {} };
    start();
    for (let i = 0; i < 3; i++) serving.request(i, 0, CHUNK_BYTES);
    for (let i = 0; i < 20; i++) await new Promise(setImmediate);
    expect([stored.count, session.served.length]).toEqual([0, 0]);
    let left = 2;
    reads = {
      get isSpent() {
        return left === 0;
      },
      spend: () => {
        left--;
      },
    };
    start();
    isAwake = true;
    for (let i = 0; i < 10; i++) serving.request(i, 0, CHUNK_BYTES);
    await new Promise(setImmediate);
    expect(stored.count).toBe(2);
    left = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 20; i++) await new Promise(setImmediate);
    expect(stored.count).toBe(10);
  });

  it('uses the memory of a chunk again once its request is over, and no sooner', async () => {
    await ask(0, 0, CHUNK_BYTES);
    expect(buffers.spareBytes).toBe(0);
    session.served[0]?.done?.();
    expect(buffers.spareBytes).toBe(CHUNK_BYTES);
    await ask(1, 0, CHUNK_BYTES);
    expect(session.served[1]?.bytes.buffer).toBe(session.served[0]?.bytes.buffer);
  });

  it('uses it again where the session does not take it, or the chunk is wrong', async () => {
    session.takes = false;
    await ask(0, 0, CHUNK_BYTES);
    expect(buffers.spareBytes).toBe(CHUNK_BYTES);
    stored.held.set(1);
    stored.readChunk = async () => false;
    serving.request(1, 0, CHUNK_BYTES);
    await new Promise(setImmediate);
    expect(buffers.spareBytes).toBe(CHUNK_BYTES);
  });

  it('refuses what was asked, what is being read too, when nothing is served any more, and serves again later', async () => {
    await ask(0, 0, CHUNK_BYTES);
    serving.request(1, 0, CHUNK_BYTES);
    serving.request(2, 0, CHUNK_BYTES);
    serving.withdraw();
    await new Promise(setImmediate);
    expect([session.served.length, session.rejectedAll, session.reasons]).toEqual([1, 1, new Set([REJECT.busy])]);
    expect(buffers.spareBytes).toBe(CHUNK_BYTES);
    await ask(3, 0, CHUNK_BYTES);
    expect(session.served.map(({ chunk }) => chunk)).toEqual([0, 3]);
  });

  it('keeps the chunk that it serves in parts', async () => {
    await ask(0, 0, 1000);
    session.served[0]?.done?.();
    expect(buffers.spareBytes).toBe(0);
    await ask(0, 1000, 1000);
    expect(stored.count).toBe(1);
    expect(session.served[1]?.bytes).toEqual(Uint8Array.from(SAMPLE.chunk(0).subarray(1000, 2000)));
  });
});

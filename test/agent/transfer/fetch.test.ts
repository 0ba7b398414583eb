import { describe, expect, it, vi } from 'vitest';
import { STALL_MS } from '../../../agent/swarm/limits.js';
import { INDEX_CHUNK } from '../../../shared/limits.js';
import { CLOSE } from '../../../shared/wire/frames/close.js';
import { REJECT } from '../../../shared/wire/frames/reject.js';
import { sampleArtifact } from '../../support/memory_artifact.js';
import { TransferStage } from '../../support/transfer_stage.js';

const SAMPLE = sampleArtifact(4);
const INDEX_BYTES = SAMPLE.index.bytes.length;

describe('the index', () => {
  it('P-10.4: is asked of a second peer when the first takes long, and the first right one is taken', async () => {
    const stage = await TransferStage.start(SAMPLE, { indexed: false });
    const [slow, good] = [stage.join('slow'), stage.join('good')];
    expect([slow.requests, good.requests]).toEqual([[INDEX_CHUNK], []]);
    stage.now = STALL_MS - 1;
    await stage.send(slow, INDEX_CHUNK, SAMPLE.index.bytes.subarray(0, 100));
    stage.tick();
    expect(good.requests).toEqual([]);
    stage.now = STALL_MS;
    stage.tick();
    expect([slow.cancels, good.requests]).toEqual([[], [INDEX_CHUNK]]);
    await stage.send(good, INDEX_CHUNK);
    expect(stage.row).toMatchObject({ state: 'fetching', wasted: 100 });
    expect(slow.cancels).toEqual([INDEX_CHUNK]);
    expect(stage.isJoined('slow')).toBe(true);
    await stage.send(slow, INDEX_CHUNK, SAMPLE.index.bytes.subarray(100), 100);
    expect(stage.row.wasted).toBe(INDEX_BYTES);
  });

  it('P-10.4: has one author: who sends a wrong one is refused, and the others go on', async () => {
    const stage = await TransferStage.start(SAMPLE, { indexed: false });
    const [evil, good] = [stage.join('evil'), stage.join('good')];
    stage.now = STALL_MS;
    stage.tick();
    await stage.send(good, INDEX_CHUNK, SAMPLE.index.bytes.subarray(0, 90));
    await stage.send(evil, INDEX_CHUNK, Buffer.alloc(INDEX_BYTES));
    expect(evil.closed).toBe(CLOSE.wrongBytes);
    expect([stage.transfer.isBanned('evil'), stage.transfer.isBanned('good')]).toEqual([true, false]);
    await stage.send(good, INDEX_CHUNK, SAMPLE.index.bytes.subarray(90), 90);
    expect(stage.row).toMatchObject({ state: 'fetching', wasted: INDEX_BYTES });
  });
});

describe('wrong chunks', () => {
  it('P-10.4: are told once of a peer, however many come together', async () => {
    const stage = await TransferStage.start(SAMPLE);
    const evil = stage.join('evil');
    const asked = evil.requests.filter((chunk) => chunk !== INDEX_CHUNK).slice(0, 2);
    expect(asked.length).toBe(2);
    await Promise.all(asked.map((chunk) => stage.send(evil, chunk, Buffer.alloc(stage.bytesOf(chunk).length))));
    await vi.waitFor(() => expect(evil.closed).toBe(CLOSE.wrongBytes));
    await stage.settle();
    expect(stage.warnings.map(({ code }) => code)).toEqual(['E_CHUNK_WRONG']);
  });
});

describe('what peers say of chunks', () => {
  it('is scheduled for once, when all that came together was taken', async () => {
    const stage = await TransferStage.start(SAMPLE);
    const session = stage.connect('a');
    session.events.onOpen(0);
    const { wakes } = stage;
    for (let chunk = 0; chunk < 4; chunk++) session.events.onHave(chunk, Uint8Array.of(0x80));
    expect(session.requests).toEqual([]);
    stage.flush();
    expect(session.requests).toHaveLength(4);
    expect(stage.wakes - wakes).toBe(1);
  });

  it('costs nothing where it is no news: ten thousand HAVE wake nobody', async () => {
    const stage = await TransferStage.start(SAMPLE);
    const evil = stage.join('evil');
    const { wakes } = stage;
    for (let i = 0; i < 10_000; i++) {
      evil.events.onHave(i % 4, Uint8Array.of(i % 2 === 0 ? 0x80 : 0));
      stage.flush();
    }
    expect(stage.wakes).toBe(wakes);
  });

  it('asks elsewhere, at the end of the turn, what a peer rejects', async () => {
    const stage = await TransferStage.start(SAMPLE);
    const a = stage.join('a');
    const b = stage.join('b');
    for (const chunk of [...a.requests]) a.events.onReject(chunk, REJECT.busy);
    expect(b.requests).toEqual([]);
    stage.flush();
    expect(b.requests).toHaveLength(4);
  });
});

describe('P-7.7 what is withdrawn', () => {
  it('counts as wasted, also where the peer leaves', async () => {
    const stage = await TransferStage.start(SAMPLE);
    const a = stage.join('a');
    const [chunk = -1] = a.requests;
    await stage.send(a, chunk, SAMPLE.chunk(chunk).subarray(0, 1000));
    a.end(CLOSE.shutdown);
    expect(stage.row.wasted).toBe(1000);
  });

  it('ends the session of a peer that takes no more CANCELs: what it was asked for keeps the place of new requests', async () => {
    const stage = await TransferStage.start(SAMPLE);
    const deaf = stage.join('deaf');
    const good = stage.join('good');
    deaf.cancelRoom = false;
    stage.now = STALL_MS;
    stage.tick();
    expect(deaf.closed).toBe(CLOSE.protocolError);
    expect(stage.transfer.peers).toBe(1);
    expect(new Set(good.requests).size).toBe(4);
    for (const chunk of [...good.requests]) await stage.send(good, chunk);
    expect(stage.row).toMatchObject({ state: 'complete', fromPeers: SAMPLE.bytes.length, wasted: 0 });
  });
});

import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Swarm } from '../../../agent/swarm/swarm.js';
import { copyFromDisk } from '../../../agent/transfer/copy.js';
import { byKey, Twins } from '../../../agent/transfer/twins.js';
import { type ArtifactIndex, Bitfield, encodeIndex } from '../../../shared/artifact/index.js';
import { ChunkmeshError } from '../../../shared/errors.js';
import { MAX_CHUNKS } from '../../../shared/limits.js';
import { REJECT } from '../../../shared/wire/frames/reject.js';
import { MemoryArtifact, sampleOf } from '../../support/memory_artifact.js';
import { TransferStage } from '../../support/transfer_stage.js';

const LENGTH = 2 ** 16;
/** Chunks 0, 2 and 4 are alike, and 1 and 5. */
const SAMPLE = sampleOf([0, 1, 0, 2, 0, 1]);
const ALIKE = [0, 2, 4];

/** As many chunks as an artifact may have, of which all have the same bytes. */
function allAlike(): ArtifactIndex {
  const hash = createHash('sha256').update('the same').digest();
  const chunks = Array.from({ length: MAX_CHUNKS }, () => ({ length: LENGTH, hash }));
  return encodeIndex({ averageLog2: 17, size: MAX_CHUNKS * LENGTH, sha256: hash, chunks });
}

describe('Twins', () => {
  it('are the chunks of the same bytes, each of them among its own', () => {
    const twins = new Twins(() => SAMPLE.index);
    expect([0, 1, 2, 3, 4, 5].map((chunk) => twins.of(chunk))).toEqual([ALIKE, [1, 5], ALIKE, [], ALIKE, [1, 5]]);
    expect(twins.of(6)).toEqual([]);
    expect(new Twins(() => undefined).of(0)).toEqual([]);
  });

  it('are none of another length, whatever an index says of their hash', () => {
    const hash = createHash('sha256').update('one').digest();
    const lengths = [LENGTH, LENGTH + 1, LENGTH];
    const size = lengths.reduce((sum, length) => sum + length, 0);
    const chunks = lengths.map((length) => ({ length, hash }));
    const twins = new Twins(() => encodeIndex({ averageLog2: 16, size, sha256: hash, chunks }));
    expect([0, 1, 2].map((chunk) => twins.of(chunk))).toEqual([[0, 2], [], [0, 2]]);
  });

  it('cost no more than the chunks do, where all are alike', () => {
    const index = allAlike();
    const twins = new Twins(() => index);
    const [first, last] = [twins.of(0), twins.of(MAX_CHUNKS - 1)];
    expect(first).toBe(last);
    expect(first.length).toBe(MAX_CHUNKS);
    expect(byKey(index, first).size).toBe(1);
    let asked = 0;
    const verifying = new Set<number>();
    const swarm = new Swarm({
      ...{ held: new Bitfield(MAX_CHUNKS), verifying, chunkLength: () => LENGTH, random: () => 0.5 },
      ...{ frugal: () => false, self: 'self' },
      twins: (chunk) => {
        asked++;
        return twins.of(chunk);
      },
    });
    swarm.addPeer('a', false);
    swarm.onHave('a', 0, Bitfield.full(MAX_CHUNKS).toBytes());
    expect(swarm.schedule(0).map(({ kind }) => kind)).toEqual(['request']);
    const [chunk = -1] = swarm.peers.get('a')?.outstanding.keys() ?? [];
    swarm.onDropped('a', chunk);
    for (const one of first) verifying.add(one);
    asked = 0;
    expect(swarm.schedule(1)).toEqual([]);
    expect(asked).toBe(0);
  });
});

describe('a chunk that the artifact has at several places', () => {
  it('is asked for once, written everywhere, counted once as what came, and told of for each place', async () => {
    const stage = await TransferStage.start(SAMPLE);
    const [peer, other] = [stage.join('peer'), stage.join('other')];
    const asked = [...peer.requests, ...other.requests];
    expect([asked.length, byKey(SAMPLE.index, asked).size]).toEqual([3, 3]);
    for (const session of [peer, other]) for (const chunk of [...session.requests]) await stage.send(session, chunk);
    for (let i = 0; i < 4; i++) await stage.settle();
    expect([...peer.requests, ...other.requests].length).toBe(3);
    expect(stage.row).toMatchObject({ state: 'complete', fromPeers: 3 * LENGTH, fromDisk: 3 * LENGTH, wasted: 0 });
    expect([peer.haves, other.haves]).toEqual([6, 6]);
  });

  it('is asked for again where it was refused, at whichever place the next peer has it', async () => {
    const stage = await TransferStage.start(SAMPLE);
    const have = new Bitfield(6);
    have.set(4);
    const peer = stage.join('peer');
    const [first = -1] = peer.requests.filter((chunk) => ALIKE.includes(chunk));
    const late = stage.join('late', have);
    expect(late.requests).toEqual([]);
    peer.events.onReject(first, REJECT.busy);
    stage.flush();
    expect(late.requests).toEqual([4]);
    await stage.send(late, 4);
    await stage.settle();
    expect(ALIKE.map((chunk) => stage.stored.held.get(chunk))).toEqual([true, true, true]);
  });

  it('that is wrong is written nowhere, and asked of another', async () => {
    const stage = await TransferStage.start(SAMPLE);
    const evil = stage.join('evil');
    const [asked = -1] = evil.requests.filter((chunk) => ALIKE.includes(chunk));
    await stage.send(evil, asked, Buffer.alloc(LENGTH));
    expect([stage.stored.held.count, stage.isJoined('evil')]).toEqual([0, false]);
    const good = stage.join('good');
    expect(good.requests.filter((chunk) => ALIKE.includes(chunk)).length).toBe(1);
  });

  it('is not written on where the disk is full, and the places that are left come later', async () => {
    const stage = await TransferStage.start(SAMPLE);
    const peer = stage.join('peer');
    const [asked = -1] = peer.requests.filter((chunk) => ALIKE.includes(chunk));
    const write = stage.stored.writeChunk.bind(stage.stored);
    stage.stored.writeChunk = async (i, bytes) => {
      if (i !== asked) throw new ChunkmeshError('E_DISK_FULL', 'disk');
      await write(i, bytes);
    };
    await stage.send(peer, asked);
    await stage.settle();
    expect(stage.row).toMatchObject({ state: 'blocked', fromPeers: LENGTH, fromDisk: 0, wasted: 0 });
    stage.stored.writeChunk = write;
    stage.now += 6_000;
    stage.tick();
    const fresh = stage.join('fresh');
    const again = fresh.requests.filter((chunk) => ALIKE.includes(chunk));
    expect([again.length, again.includes(asked)]).toEqual([1, false]);
    await stage.send(fresh, again[0] ?? -1);
    await stage.settle();
    expect(ALIKE.map((chunk) => stage.stored.held.get(chunk))).toEqual([true, true, true]);
  });

  it('is taken from the artifact itself where one place has it already', async () => {
    const stored = new MemoryArtifact(SAMPLE);
    await stored.installIndex(SAMPLE.index.bytes);
    await stored.writeChunk(4, SAMPLE.chunk(4));
    const copied: number[] = [];
    const host = { copied: (chunk: number) => copied.push(chunk), stopped: () => false };
    await copyFromDisk(stored.real, SAMPLE.index, (async function* () {})(), host);
    expect(copied).toEqual([0, 2]);
  });
});

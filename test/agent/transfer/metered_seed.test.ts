import { describe, expect, it } from 'vitest';
import type { ChunkSource } from '../../../agent/io/store/chunk_source.js';
import { SuperSeed } from '../../../agent/swarm/super_seed.js';
import { Bitfield } from '../../../shared/artifact/bitfield.js';
import type { FakeSession } from '../../support/fake_session.js';
import { type Sample, sampleOf } from '../../support/memory_artifact.js';
import { TransferStage } from '../../support/transfer_stage.js';

/** P-10.5, P-10.6: devices on metered links at a seed that tells each chunk to one peer first, and of which none says what it holds. */

const ONE_CHUNK = Uint8Array.of(0x80);
const STEP_MS = 100;
const MOST_MS = 120_000;
const CHUNKS = Array.from({ length: 120 }, (_, i) => i);
const V2 = sampleOf(CHUNKS);

class OwnFile implements ChunkSource {
  readonly held: Bitfield;

  constructor(readonly sample: Sample) {
    this.held = Bitfield.full(sample.index.chunkCount);
  }

  get index() {
    return this.sample.index;
  }

  async readChunk(chunk: number, into: Buffer): Promise<boolean> {
    this.sample.chunk(chunk).copy(into);
    return true;
  }

  async close(): Promise<void> {}
}

interface Device {
  readonly id: string;
  readonly stage: TransferStage;
  readonly session: FakeSession;
}

async function join(id: string, seed: SuperSeed, sample: Sample, own: readonly ChunkSource[]): Promise<Device> {
  const stage = await TransferStage.start(sample, { own, metered: true, seed: id.charCodeAt(0) });
  // What its own files hold is taken first.
  const shared = own.length === 0 ? 0 : sample.rollout.chunks * 0.75;
  while ((stage.transfer.held?.count ?? 0) < shared) await stage.settle();
  for (let turn = 0; turn < 10; turn++) await stage.settle();
  const session = stage.connect('seed', true);
  session.events.onOpen(0);
  seed.addPeer(id, 'default', 0);
  seed.open(id);
  return { id, stage, session };
}

/** @returns how many chunks each of two lacks in the end */
async function lacking(sample: Sample, own: readonly ChunkSource[]): Promise<number[]> {
  const seed = new SuperSeed(sample.rollout.chunks, (chunk) => sample.index.chunkLength(chunk));
  const devices = [await join('a', seed, sample, own), await join('b', seed, sample, own)];
  for (let now = 0; now < MOST_MS && !devices.every(({ stage }) => stage.transfer.complete); now += STEP_MS) {
    for (const { peer, chunks } of seed.news(now)) {
      const told = devices.find(({ id }) => id === peer)?.session.events;
      for (const chunk of chunks) told?.onHave(chunk, ONE_CHUNK);
    }
    for (const { id, stage, session } of devices) {
      stage.now = now;
      stage.transfer.tick();
      stage.flush();
      for (const chunk of session.requests.splice(0)) {
        await stage.send(session, chunk);
        seed.onServed(id, chunk, now);
      }
    }
  }
  return devices.map(({ stage }) => sample.rollout.chunks - (stage.transfer.held?.count ?? 0));
}

describe('two devices on metered links and a seed', () => {
  it.each([
    ['nothing is known', V2, []],
    ['three quarters are in a file of their own', V2, [new OwnFile(sampleOf(CHUNKS.filter((i) => i % 4 !== 0)))]],
    ['each chunk is at three places', sampleOf(CHUNKS.map((i) => i % 40)), []],
  ])('complete where %s', async (_, sample, own) => {
    expect(await lacking(sample, own)).toEqual([0, 0]);
  });
});

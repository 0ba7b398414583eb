import { describe, expect, it } from 'vitest';
import type { ChunkSource } from '../../../agent/io/store/chunk_source.js';
import { copyFromDisk } from '../../../agent/transfer/copy.js';
import { zeroChunks } from '../../../agent/transfer/zero_chunks.js';
import { type ArtifactIndex, chunkBounds } from '../../../shared/artifact/index.js';
import { streamBytes } from '../../support/artifact_bytes.js';
import { FakeStored } from '../../support/fake_stored.js';
import { Sample } from '../../support/store_fixture.js';

const ZEROS = 2_000_000;
const holey = Sample.of(Buffer.concat([streamBytes('a', 300_000), Buffer.alloc(ZEROS), streamBytes('b', 300_000)]));

async function zerosOf(index: ArtifactIndex): Promise<ChunkSource> {
  const zeros = await zeroChunks(index);
  if (zeros === null) throw new Error('none');
  return zeros;
}

async function* none(): AsyncGenerator<never, void, undefined> {}

describe('zeroChunks', () => {
  it('are those of a run of zeros that are as long as a chunk may be', async () => {
    const { index } = await holey;
    const { maximum } = chunkBounds(index.averageLog2);
    const { held, readChunk } = await zerosOf(index);
    // The run begins and ends within a chunk.
    expect(held.count).toBeGreaterThanOrEqual(Math.floor(ZEROS / maximum) - 1);
    const into = Buffer.alloc(maximum, 1);
    for (const i of held.held()) {
      into.fill(1);
      expect(await readChunk(i, into)).toBe(true);
      expect(into.equals((await holey).chunk(i))).toBe(true);
    }
    expect(await readChunk([...held.missing()][0] ?? 0, into)).toBe(false);
  });

  it('are none of an artifact without a run, nor of one that repeats something else', async () => {
    expect(zeroChunks((await Sample.make('no zeros')).index)).toBeNull();
    const ones = await Sample.of(Buffer.alloc(ZEROS, 1));
    expect(ones.index.chunkHash(0)).toEqual(ones.index.chunkHash(1));
    expect((await zerosOf(ones.index)).held.count).toBe(0);
  });

  it('are taken before any file is looked into, and asked of nobody', async () => {
    const { index } = await holey;
    const stored = new FakeStored(index);
    const copied: number[] = [];
    await copyFromDisk(stored.real, index, none(), {
      copied: (chunk) => void copied.push(chunk),
      stopped: () => false,
    });
    expect(copied).toEqual([...(await zerosOf(index)).held.held()]);
    expect(stored.held.count).toBe(copied.length);
  });
});

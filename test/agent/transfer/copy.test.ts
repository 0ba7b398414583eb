import { describe, expect, it } from 'vitest';
import type { ChunkSource } from '../../../agent/io/store/chunk_source.js';
import { copyFromDisk } from '../../../agent/transfer/copy.js';
import { type ArtifactIndex, Bitfield, indexArtifact } from '../../../shared/artifact/index.js';
import { inSteps, streamBytes } from '../../support/artifact_bytes.js';
import { FakeStored, fault } from '../../support/fake_stored.js';

interface Made {
  readonly index: ArtifactIndex;
  readonly source: ChunkSource;
  /** Chunks that were read of it. */
  readonly read: number[];
}

/** An artifact in memory, as a source. */
async function made(bytes: Buffer, readable = true): Promise<Made> {
  const index = await indexArtifact(bytes.length, () => inSteps(bytes, 65_536));
  const read: number[] = [];
  const readChunk = async (i: number, into: Buffer): Promise<boolean> => {
    read.push(i);
    if (!readable) throw fault();
    bytes.copy(into, 0, index.chunkOffset(i));
    return true;
  };
  return { index, read, source: { index, held: Bitfield.full(index.chunkCount), readChunk, close: async () => {} } };
}

async function* each(opened: string[], ...all: Made[]): AsyncGenerator<ChunkSource, void, undefined> {
  for (const { index, source } of all) {
    opened.push(index.artifact);
    yield source;
  }
}

const host = (copied: number[]) => ({ copied: (chunk: number) => void copied.push(chunk), stopped: () => false });
const old = streamBytes('old', 600_000);

describe('copyFromDisk', () => {
  it('takes from an old version what it shares with the new, each chunk once', async () => {
    const [before, after] = [await made(old), await made(Buffer.concat([streamBytes('new', 200_000), old]))];
    const stored = new FakeStored(after.index);
    const copied: number[] = [];
    await copyFromDisk(stored.real, after.index, each([], before, before), host(copied));
    expect(copied).toEqual([...stored.held.held()]);
    expect(copied.length).toBeGreaterThan(2);
    expect(before.read.length).toBe(copied.length);
  });

  it('takes a chunk that comes many times everywhere at once', async () => {
    const zeros = await made(Buffer.alloc(3_000_000));
    const stored = new FakeStored(zeros.index);
    await copyFromDisk(stored.real, zeros.index, each([], zeros), host([]));
    expect(stored.held.isFull).toBe(true);
    expect(zeros.read.length).toBeLessThan(3);
  });

  it('opens nothing more once nothing is missing, and nothing at all for what is complete', async () => {
    const whole = await made(old);
    const stored = new FakeStored(whole.index);
    const opened: string[] = [];
    await copyFromDisk(stored.real, whole.index, each(opened, whole, whole), host([]));
    await copyFromDisk(stored.real, whole.index, each(opened, whole), host([]));
    expect(opened.length).toBe(1);
  });

  it('goes on with the next file where one cannot be read, and ends where the store fails', async () => {
    const [broken, whole] = [await made(old, false), await made(old)];
    const stored = new FakeStored(whole.index);
    await copyFromDisk(stored.real, whole.index, each([], broken, whole), host([]));
    expect(stored.held.isFull).toBe(true);
    const failing = new FakeStored(whole.index);
    failing.faults.push(fault());
    await expect(copyFromDisk(failing.real, whole.index, each([], whole), host([]))).rejects.toMatchObject({
      code: 'E_STORE_IO',
    });
  });
});

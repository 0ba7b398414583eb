import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ReadyFile } from '../../../../agent/io/store/ready_file.js';
import { Store } from '../../../../agent/io/store/store.js';
import { flip } from '../../../support/file_damage.js';
import { Sample, temporaryFolder } from '../../../support/store_fixture.js';

const sample = await Sample.make('ready file', 400_000);
const AS = { name: 'firmware', version: '1.0.0' };

async function all(files: AsyncIterable<ReadyFile>): Promise<ReadyFile[]> {
  const found = [];
  for await (const file of files) found.push(file);
  return found;
}

/** A store in which the sample was handed over. */
async function handedOver(): Promise<{ store: Store; path: string; file: ReadyFile }> {
  const store = await Store.open(await temporaryFolder());
  const stored = await sample.writeIn(store, sample.all);
  const path = await stored.finish(AS);
  await stored.close();
  const [file] = await all(store.readyFiles('firmware'));
  if (file === undefined) throw new Error('nothing was handed over');
  return { store, path, file };
}

async function read(file: ReadyFile, i: number): Promise<Buffer | null> {
  const bytes = Buffer.alloc(file.index.chunkLength(i));
  return (await file.readChunk(i, bytes)) ? bytes : null;
}

describe('files that were handed over', () => {
  it('are read under their name, any number of chunks at once, for as long as the store is open', async () => {
    const { store, path, file } = await handedOver();
    expect([file.path, file.held.isFull]).toEqual([path, true]);
    const bytes = await Promise.all(sample.all.map((i) => read(file, i)));
    for (const i of sample.all) expect(bytes[i]?.equals(sample.chunk(i))).toBe(true);
    expect(await all(store.readyFiles('model'))).toEqual([]);
    await store.close();
  });

  it('P-9.8: give no chunk that was changed where it lies, from then on, and the others as before', async () => {
    const { store, path, file } = await handedOver();
    await flip(path, file.index.chunkOffset(1) + 5);
    expect(await read(file, 1)).toBeNull();
    await flip(path, file.index.chunkOffset(1) + 5);
    expect(await read(file, 1)).toBeNull();
    expect([...file.held.held()]).toEqual(sample.all.filter((i) => i !== 1));
    expect((await read(file, 0))?.equals(sample.chunk(0))).toBe(true);
    await store.close();
  });

  it('give nothing where they were taken away, cut off, or are no file', async () => {
    const { store, path, file } = await handedOver();
    await rename(path, `${path}.installed`);
    expect(await read(file, 0)).toBeNull();
    await writeFile(path, sample.bytes.subarray(0, file.index.chunkOffset(2)));
    expect([await read(file, 1), await read(file, 2)]).toEqual([sample.chunk(1), null]);
    await rm(path);
    await mkdir(path);
    expect(await read(file, 3)).toBeNull();
    await store.close();
  });
});

describe('what the disk has set aside', () => {
  it('is an artifact that grows or was handed over, and no longer what was taken away', async () => {
    const { store, path } = await handedOver();
    expect(await store.isSetAside(sample.index)).toBe(true);
    await rename(path, join(dirname(path), 'elsewhere'));
    expect(await store.isSetAside(sample.index)).toBe(false);
    const other = await Sample.make('growing', 300_000);
    expect(await store.isSetAside(other.index)).toBe(false);
    const empty = await other.openIn(store);
    expect(await store.isSetAside(other.index)).toBe(false);
    await empty.close();
    const grown = await other.writeIn(store, [0]);
    await grown.close();
    expect(await store.isSetAside(other.index)).toBe(true);
    await store.close();
  });
});

import { mkdir, readdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Store } from '../../../../agent/io/store/store.js';
import type { StoredArtifact } from '../../../../agent/io/store/stored_artifact.js';
import { encodeIndex } from '../../../../shared/artifact/index.js';
import { flip } from '../../../support/file_damage.js';
import { coded, Sample, temporaryFolder } from '../../../support/store_fixture.js';

const made = Sample.make('stored');

async function setUp(): Promise<{ sample: Sample; dir: string; store: Store; folder: string; ready: string }> {
  const sample = await made;
  const dir = await temporaryFolder();
  const folder = join(dir, 'artifacts', sample.index.artifact);
  return { sample, dir, store: await Store.open(dir), folder, ready: join(dir, 'ready', 'firmware', '1.0.0') };
}

async function reads(stored: StoredArtifact, sample: Sample): Promise<number[]> {
  const into = Buffer.alloc(262_144);
  const right: number[] = [];
  for (const i of sample.all) {
    if (!(await stored.readChunk(i, into))) continue;
    expect(into.subarray(0, sample.index.chunkLength(i)).equals(sample.chunk(i))).toBe(true);
    right.push(i);
  }
  return right;
}

describe('a stored artifact', () => {
  it('P-9.8: holds what was written, before and after it is opened again', async () => {
    const { sample, dir, store } = await setUp();
    const stored = await sample.writeIn(store, [0, 2]);
    expect([...stored.held.held()]).toEqual([0, 2]);
    expect(await reads(stored, sample)).toEqual([0, 2]);
    await store.close();
    const next = await Store.open(dir);
    const again = await sample.openIn(next);
    expect(again.index?.artifact).toBe(sample.index.artifact);
    expect([...again.held.held()]).toEqual([0, 2]);
    expect(await reads(again, sample)).toEqual([0, 2]);
    await next.close();
  });

  it('P-9.8: refuses a wrong chunk with nothing written', async () => {
    const { sample, store, folder } = await setUp();
    const stored = await sample.writeIn(store, [0]);
    const before = await readFile(join(folder, 'data.part'));
    const wrong = Buffer.from(sample.chunk(1));
    wrong.writeUInt8(wrong.readUInt8(100) ^ 1, 100);
    await expect(stored.writeChunk(1, wrong)).rejects.toThrow(coded('E_CHUNK_WRONG'));
    await expect(stored.writeChunk(1, sample.chunk(2))).rejects.toThrow(coded('E_CHUNK_WRONG'));
    await expect(stored.writeChunk(1, sample.chunk(1).subarray(1))).rejects.toThrow(coded('E_CHUNK_WRONG'));
    expect((await readFile(join(folder, 'data.part'))).equals(before)).toBe(true);
    expect(stored.held.get(1)).toBe(false);
    await store.close();
  });

  it('P-9.8: a bit that flipped at rest is not served, nor held after it is opened again, and can be mended', async () => {
    const { sample, dir, store, folder } = await setUp();
    const stored = await sample.writeIn(store, sample.all);
    await flip(join(folder, 'data.part'), sample.index.chunkOffset(1) + 5);
    expect(await stored.readChunk(1, Buffer.alloc(262_144))).toBe(false);
    expect([...stored.held.missing()]).toEqual([1]);
    await store.close();
    const next = await Store.open(dir);
    const again = await sample.openIn(next);
    expect([...again.held.missing()]).toEqual([1]);
    await again.writeChunk(1, sample.chunk(1));
    expect((await readFile(await again.finish(sample.toOpen))).equals(sample.bytes)).toBe(true);
    await next.close();
  });

  it('P-9.7: takes no index but the one that was announced', async () => {
    const { sample, store } = await setUp();
    const stored = await sample.openIn(store);
    const other = await Sample.make('other');
    await expect(stored.installIndex(other.index.bytes)).rejects.toThrow(coded('E_INDEX_INVALID'));
    expect(stored.index).toBeUndefined();
    expect(await stored.readChunk(0, Buffer.alloc(262_144))).toBe(false);
    await expect(stored.writeChunk(0, sample.chunk(0))).rejects.toThrow(coded('E_INTERNAL'));
    await Promise.all([stored.installIndex(sample.index.bytes), stored.installIndex(sample.index.bytes)]);
    await stored.installIndex(sample.index.bytes);
    expect(stored.index?.artifact).toBe(sample.index.artifact);
    await store.close();
  });

  it.each<[string, (folder: string) => Promise<void>, boolean, number]>([
    ['an index that rotted', (folder) => flip(join(folder, 'index'), 60), false, 3],
    ['a journal that is gone', (folder) => rm(join(folder, 'journal')), true, 0],
    ['a journal of other bytes', (folder) => writeFile(join(folder, 'journal'), 'not a journal'), true, 0],
    ['a torn journal', (folder) => truncate(join(folder, 'journal'), 40 + 20), true, 2],
    ['data that is gone', (folder) => rm(join(folder, 'data.part')), true, 0],
    ['data that was cut short', (folder) => truncate(join(folder, 'data.part'), 10), true, 0],
    ['a temporary file of a crash', (folder) => writeFile(join(folder, 'index.0.tmp'), 'half'), true, 3],
  ])('opens with %s, and completes', async (_, harm, indexed, held) => {
    const { sample, dir, store, folder } = await setUp();
    await sample.writeIn(store, [0, 1, 2]);
    await store.close();
    await harm(folder);
    const next = await Store.open(dir);
    const stored = await sample.openIn(next);
    expect(stored.index !== undefined).toBe(indexed);
    await stored.installIndex(sample.index.bytes);
    expect(stored.held.count).toBe(held);
    expect((await readdir(folder)).sort()).toEqual(['data.part', 'index', 'journal', 'wanted.json']);
    for (const i of stored.held.missing()) await stored.writeChunk(i, sample.chunk(i));
    expect((await readFile(await stored.finish(sample.toOpen))).equals(sample.bytes)).toBe(true);
    await next.close();
  });

  it('takes any number of calls at once', async () => {
    const { sample, store } = await setUp();
    const stored = await sample.writeIn(store, []);
    const buffers = sample.all.map(() => Buffer.alloc(262_144));
    const twice = [...sample.all, ...sample.all];
    await Promise.all([
      ...twice.map((i) => stored.writeChunk(i, sample.chunk(i))),
      ...sample.all.map((i) => stored.readChunk(i, buffers[i] ?? Buffer.alloc(0))),
    ]);
    expect(stored.held.isFull).toBe(true);
    expect(await reads(stored, sample)).toEqual(sample.all);
    const paths = await Promise.all([
      stored.finish(sample.toOpen),
      stored.finish(sample.toOpen),
      stored.finish(sample.toOpen),
    ]);
    expect(new Set(paths).size).toBe(1);
    await store.close();
  });

  it('brings what is under way to the disk when it is closed, and takes nothing after', async () => {
    const { sample, dir, store } = await setUp();
    const stored = await sample.writeIn(store, []);
    const writes = sample.all.map((i) => stored.writeChunk(i, sample.chunk(i)));
    await store.close();
    await Promise.all(writes);
    expect(await stored.readChunk(0, Buffer.alloc(262_144))).toBe(false);
    await expect(stored.writeChunk(0, sample.chunk(0))).rejects.toThrow(coded('E_STORE_IO'));
    const next = await Store.open(dir);
    expect((await sample.openIn(next)).held.isFull).toBe(true);
    await next.close();
  });
});

describe('finishing', () => {
  it('moves the artifact to its final path and serves it from there, also when opened again', async () => {
    const { sample, dir, store, folder, ready } = await setUp();
    const stored = await sample.writeIn(store, sample.all);
    expect(await stored.finish(sample.toOpen)).toBe(ready);
    expect((await readFile(ready)).equals(sample.bytes)).toBe(true);
    expect(await readdir(folder)).not.toContain('data.part');
    expect(await reads(stored, sample)).toEqual(sample.all);
    expect(await stored.finish(sample.toOpen)).toBe(ready);
    await store.close();
    const next = await Store.open(dir);
    const again = await sample.openIn(next);
    expect(again.held.isFull).toBe(true);
    expect(await reads(again, sample)).toEqual(sample.all);
    expect(await again.finish(sample.toOpen)).toBe(ready);
    await next.close();
  });

  it('refuses while chunks are missing', async () => {
    const { sample, store } = await setUp();
    const stored = await sample.writeIn(store, [0]);
    await expect(stored.finish(sample.toOpen)).rejects.toThrow(coded('E_INTERNAL'));
    await store.close();
  });

  it('P-9.6: refuses a whole that is not what the index says', async () => {
    const { dir, store, sample } = await setUp();
    const { averageLog2, size } = sample.index;
    const chunks = sample.all.map((i) => ({ length: sample.index.chunkLength(i), hash: sample.index.chunkHash(i) }));
    const lying = encodeIndex({ averageLog2, size, sha256: new Uint8Array(32), chunks });
    const stored = await store.openArtifact({ ...sample.toOpen, artifact: lying.artifact });
    await stored.installIndex(lying.bytes);
    for (const i of sample.all) await stored.writeChunk(i, sample.chunk(i));
    await expect(stored.finish(sample.toOpen)).rejects.toThrow(coded('E_INDEX_INVALID'));
    await expect(stat(join(dir, 'ready'))).rejects.toThrow(coded('ENOENT'));
    await store.close();
  });

  it('P-9.8: finds what rotted since it was written, and names it for fetching', async () => {
    const { sample, store, folder } = await setUp();
    const stored = await sample.writeIn(store, sample.all);
    await flip(join(folder, 'data.part'), sample.index.chunkOffset(2));
    await expect(stored.finish(sample.toOpen)).rejects.toThrow(coded('E_STORE_ROT'));
    expect([...stored.held.missing()]).toEqual([2]);
    await stored.writeChunk(2, sample.chunk(2));
    expect((await readFile(await stored.finish(sample.toOpen))).equals(sample.bytes)).toBe(true);
    await store.close();
  });

  it('ends in the same state after a crash on either side of the rename', async () => {
    const { sample, dir, store, folder, ready } = await setUp();
    await sample.writeIn(store, sample.all);
    await store.close();
    // Before: all is written, nothing moved.
    const second = await Store.open(dir);
    expect(await (await sample.openIn(second)).finish(sample.toOpen)).toBe(ready);
    await second.close();
    // Between the folder's making and the rename, then just after the rename.
    await rename(ready, join(folder, 'data.part'));
    const third = await Store.open(dir);
    expect(await (await sample.openIn(third)).finish(sample.toOpen)).toBe(ready);
    await third.close();
    expect((await readFile(ready)).equals(sample.bytes)).toBe(true);
  });

  it('P-9.8: after the hand-over, a chunk that rotted is fetched again and the file replaced whole', async () => {
    const { sample, dir, store, ready } = await setUp();
    const stored = await sample.writeIn(store, sample.all);
    await stored.finish(sample.toOpen);
    await flip(ready, sample.index.chunkOffset(1));
    const rotten = await readFile(ready);
    expect(await reads(stored, sample)).toEqual(sample.all.filter((i) => i !== 1));
    await expect(stored.finish(sample.toOpen)).rejects.toThrow(coded('E_INTERNAL'));
    await Promise.all([stored.writeChunk(1, sample.chunk(1)), stored.writeChunk(1, sample.chunk(1))]);
    // The installer's file is not written to.
    expect((await readFile(ready)).equals(rotten)).toBe(true);
    expect((await readFile(await stored.finish(sample.toOpen))).equals(sample.bytes)).toBe(true);
    expect(await reads(stored, sample)).toEqual(sample.all);
    await store.close();
    await flip(ready, sample.index.chunkOffset(3));
    const next = await Store.open(dir);
    const again = await sample.openIn(next);
    expect([...again.held.missing()]).toEqual([3]);
    await again.writeChunk(3, sample.chunk(3));
    expect((await readFile(await again.finish(sample.toOpen))).equals(sample.bytes)).toBe(true);
    await next.close();
  });

  it('begins anew where the installer took the file away', async () => {
    const { sample, dir, store, ready } = await setUp();
    await (await sample.writeIn(store, sample.all)).finish(sample.toOpen);
    await store.close();
    await rm(ready);
    const next = await Store.open(dir);
    const again = await sample.openIn(next);
    expect(again.held.count).toBe(0);
    await next.close();
  });

  it('takes from another artifact of the same name and version what they share, and harms it not', async () => {
    const { sample, dir, store, ready } = await setUp();
    const other = Buffer.from(sample.bytes);
    other.fill(7, sample.index.chunkOffset(2), sample.index.chunkOffset(2) + 10);
    await mkdir(join(dir, 'ready', 'firmware'), { recursive: true });
    await writeFile(ready, other);
    const stored = await sample.writeIn(store, []);
    expect([...stored.held.missing()]).toEqual([2]);
    expect((await readFile(ready)).equals(other)).toBe(true);
    await stored.writeChunk(2, sample.chunk(2));
    expect((await readFile(await stored.finish(sample.toOpen))).equals(sample.bytes)).toBe(true);
    await store.close();
  });
});

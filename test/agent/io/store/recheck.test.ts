import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { withKoffi } from '../../../../agent/io/koffi.js';
import { SeedFile } from '../../../../agent/io/store/seed_file.js';
import { Store } from '../../../../agent/io/store/store.js';
import { failReads, flip } from '../../../support/file_damage.js';
import { ext4, withExt4 } from '../../../support/loop_device.js';
import { requirement } from '../../../support/requirement.js';
import { Sample, temporaryFolder } from '../../../support/store_fixture.js';

const made = Sample.make('recheck');
const AS = { name: 'firmware', version: '1.0.0' };
const SLICE = Buffer.alloc(10_000);

async function setUp(dir?: string) {
  const [sample, folder] = [await made, dir ?? (await temporaryFolder())];
  const store = await Store.open(join(folder, 'store'));
  const stored = await sample.writeIn(store, sample.all);
  return { sample, folder, store, stored, part: sample.pathIn(store.dir, 'data.part') };
}

/** Chunks that a look at everything finds right. */
async function right(
  source: SeedFile | Awaited<ReturnType<typeof setUp>>['stored'],
  sample: Sample,
): Promise<number[]> {
  const found: number[] = [];
  for (const i of sample.all) if (await source.recheckChunk(i, SLICE)) found.push(i);
  return found;
}

describe('P-9.8: a chunk that is looked at again', () => {
  it('is held no more where it rotted in the growing file, and is written anew', async () => {
    const { sample, store, stored, part } = await setUp();
    expect(await right(stored, sample)).toEqual(sample.all);
    await flip(part, sample.index.chunkOffset(2) + 9);
    expect(await right(stored, sample)).toEqual(sample.all.filter((i) => i !== 2));
    expect([...stored.held.missing()]).toEqual([2]);
    await stored.writeChunk(2, sample.chunk(2));
    expect(await right(stored, sample)).toEqual(sample.all);
    await store.close();
    expect(await stored.recheckChunk(0, SLICE)).toBe(false);
    expect(stored.held.isFull).toBe(true);
  });

  it('is held no more where it rotted in the file that was handed over, which is replaced and not written to', async () => {
    const { sample, store, stored } = await setUp();
    const path = await stored.finish(AS);
    expect(stored.path).toBe(path);
    await flip(path, sample.index.chunkOffset(1));
    const rotten = await readFile(path);
    expect(await right(stored, sample)).toEqual(sample.all.filter((i) => i !== 1));
    await stored.writeChunk(1, sample.chunk(1));
    expect((await readFile(path)).equals(rotten)).toBe(true);
    await stored.finish(AS);
    expect((await readFile(path)).equals(sample.bytes)).toBe(true);
    expect(await right(stored, sample)).toEqual(sample.all);
    await store.close();
  });

  it('is found where its installer moved or removed the file: that is theirs, the bytes are still here', async () => {
    const { sample, store, stored } = await setUp();
    const path = await stored.finish(AS);
    await rename(path, `${path}.installed`);
    expect(await right(stored, sample)).toEqual(sample.all);
    await rm(`${path}.installed`);
    expect(await right(stored, sample)).toEqual(sample.all);
    await store.close();
  });

  it('is held no more where its sector cannot be read', async () => {
    const { sample, store, stored, part } = await setUp();
    const bad = await failReads(part, sample.index.chunkOffset(1) + 7);
    expect(await right(stored, sample)).toEqual(sample.all.filter((i) => i !== 1));
    bad.mockRestore();
    await store.close();
  });

  it('of a seed is held no more, and the file is left as it is', async () => {
    const [sample, folder] = [await made, await temporaryFolder()];
    const path = join(folder, 'image');
    await writeFile(path, sample.bytes);
    const seed = await SeedFile.index(path);
    expect(await right(seed, sample)).toEqual(sample.all);
    await flip(path, sample.index.chunkOffset(3));
    const rotten = await readFile(path);
    expect(await right(seed, sample)).toEqual(sample.all.filter((i) => i !== 3));
    expect((await readFile(path)).equals(rotten)).toBe(true);
    await seed.close();
    expect(await right(seed, sample)).toEqual([]);
    expect([...seed.held.missing()]).toEqual([3]);
  });
});

const withAdvice = requirement('the package koffi', withKoffi(() => true) === true, 'npm install koffi');

withExt4('what rotted on the disk under what the kernel has in memory', () => {
  withAdvice('posix_fadvise', () => {
    it('P-9.8: is found, though a reader still gets the right bytes', async () => {
      const { folder, image } = await ext4(24 * 2 ** 20);
      const { sample, store, stored } = await setUp(folder);
      await stored.finish(AS);
      const mark = sample.chunk(2).subarray(0, 4096);
      const at = (await readFile(image)).indexOf(mark);
      expect(at).toBeGreaterThan(0);
      await flip(image, at + 5);
      const into = Buffer.alloc(262_144);
      expect(await stored.readChunk(2, into)).toBe(true);
      expect(await stored.recheckChunk(2, SLICE)).toBe(false);
      expect([...stored.held.missing()]).toEqual([2]);
      await stored.writeChunk(2, sample.chunk(2));
      await stored.finish(AS);
      expect(await right(stored, sample)).toEqual(sample.all);
      await store.close();
    });
  });
});

import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Store } from '../../../../agent/io/store/store.js';
import { flip } from '../../../support/file_damage.js';
import { coded, Sample, temporaryFolder } from '../../../support/store_fixture.js';

/** One artifact under several names, each with a file of its own in `ready`. */

const made = Sample.make('handed over');
const ONE = { name: 'one', version: '1.0.0' };
const TWO = { name: 'two', version: '7' };

async function setUp() {
  const sample = await made;
  const dir = await temporaryFolder();
  const path = ({ name, version }: typeof ONE): string => join(dir, 'ready', name, version);
  const folder = join(dir, 'artifacts', sample.index.artifact);
  return { sample, dir, folder, store: await Store.open(dir), one: path(ONE), two: path(TWO) };
}

const inode = async (path: string): Promise<number> => (await stat(path)).ino;

async function expectWhole(sample: Sample, ...paths: string[]): Promise<void> {
  for (const path of paths) expect((await readFile(path)).equals(sample.bytes), path).toBe(true);
}

describe('an artifact under a second name', () => {
  it('is one file with two names, and known under both when it is opened again', async () => {
    const { sample, dir, folder, store, one, two } = await setUp();
    const stored = await sample.writeIn(store, sample.all);
    expect([await stored.finish(ONE), await stored.finish(TWO)]).toEqual([one, two]);
    expect([await stored.finish(TWO), await stored.finish(ONE)]).toEqual([two, one]);
    await expectWhole(sample, one, two);
    expect(await inode(one)).toBe(await inode(two));
    expect((await readdir(folder)).sort()).toEqual(['index', 'journal', 'ready.json', 'wanted.json']);
    await store.close();

    // Another name asks for it, and the first file is gone.
    await rm(one);
    const next = await Store.open(dir);
    const again = await next.openArtifact({ ...sample.toOpen, name: 'three' });
    expect(again.held.isFull).toBe(true);
    await expectWhole(sample, await again.finish({ name: 'three', version: '1' }), two);
    await next.close();
  });

  it('is a copy where its installer put another file in the place of the first, which is left alone', async () => {
    const { sample, store, one, two } = await setUp();
    const stored = await sample.writeIn(store, sample.all);
    await stored.finish(ONE);
    await writeFile(`${one}.new`, 'what was made of it');
    await rename(`${one}.new`, one);
    await expectWhole(sample, await stored.finish(TWO));
    expect(await readFile(one, 'utf8')).toBe('what was made of it');
    expect(await inode(one)).not.toBe(await inode(two));
    const into = Buffer.alloc(262_144);
    for (const i of sample.all) expect(await stored.readChunk(i, into)).toBe(true);
    await store.close();
  });

  it('P-9.8: is not handed over where its installer changed the first, but once what changed was fetched again', async () => {
    const { sample, store, one, two } = await setUp();
    const stored = await sample.writeIn(store, sample.all);
    await stored.finish(ONE);
    await flip(one, sample.index.chunkOffset(1));
    await expect(stored.finish(TWO)).rejects.toThrow(coded('E_STORE_ROT'));
    await expect(stat(two)).rejects.toThrow(coded('ENOENT'));
    expect([...stored.held.missing()]).toEqual([1]);
    await stored.writeChunk(1, sample.chunk(1));
    await stored.finish(TWO);
    await stored.finish(ONE);
    await expectWhole(sample, one, two);
    await store.close();
  });

  it('leaves a file that is right already as it is, and replaces one that is not', async () => {
    const { sample, store, one, two } = await setUp();
    await mkdir(dirname(one), { recursive: true });
    await mkdir(dirname(two), { recursive: true });
    await writeFile(two, sample.bytes);
    const before = await inode(two);
    const stored = await sample.writeIn(store, sample.all);
    await stored.finish(ONE);
    await stored.finish(TWO);
    expect(await inode(two)).toBe(before);
    await flip(two, 5);
    await stored.finish(TWO);
    expect(await inode(two)).toBe(await inode(one));
    await expectWhole(sample, one, two);
    await store.close();
  });

  it.each<[string, (one: string) => Promise<void>]>([
    ['taken away', (one) => rm(one)],
    ['taken away with its folder', (one) => rm(dirname(one), { recursive: true })],
    ['moved', (one) => rename(one, `${one}.installed`)],
    ['replaced', (one) => rm(one).then(() => writeFile(one, 'what was made of it'))],
  ])('lies at the path that is given, also where what was there was %s', async (_, change) => {
    const { sample, dir, store, one, two } = await setUp();
    const stored = await sample.writeIn(store, sample.all);
    expect(await stored.finish(ONE)).toBe(one);
    await change(one);
    expect(await stored.finish(ONE)).toBe(one);
    await expectWhole(sample, one);
    await stored.finish(TWO);
    await expectWhole(sample, one, two);
    await store.close();
    expect(await readdir(join(dir, 'artifacts', sample.index.artifact))).not.toContain('data.part');
  });

  it('P-1: has no name that leads out of the store', async () => {
    const { sample, store } = await setUp();
    const stored = await sample.writeIn(store, sample.all);
    for (const wrong of ['..', 'a/b', '', 'a\0']) {
      await expect(stored.finish({ name: wrong, version: '1' })).rejects.toThrow(coded('E_ID'));
      await expect(stored.finish({ name: 'a', version: wrong })).rejects.toThrow(coded('E_ID'));
    }
    await store.close();
  });

  it.each<[string, (folder: string, two: string) => Promise<void>]>([
    ['before the link is in its place', (folder, two) => rename(two, join(folder, 'link.0.tmp'))],
    ['before there is a link', (_, two) => rm(two)],
    ['after all', async () => {}],
  ])('is handed over the same after a crash %s', async (_, crash) => {
    const { sample, dir, folder, store, one, two } = await setUp();
    const stored = await sample.writeIn(store, sample.all);
    await stored.finish(ONE);
    await stored.finish(TWO);
    await store.close();
    await crash(folder, two);
    const next = await Store.open(dir);
    const again = await next.openArtifact({ ...sample.toOpen, ...TWO });
    expect(again.held.isFull).toBe(true);
    expect((await readdir(folder)).sort()).toEqual(['index', 'journal', 'ready.json', 'wanted.json']);
    await again.finish(ONE);
    await again.finish(TWO);
    await expectWhole(sample, one, two);
    expect(await inode(one)).toBe(await inode(two));
    await next.close();
  });

  it.each(['', '{}', '{"size":1,"chunks":1,"names":[{"name":"..","version":"../../.."}]}', '{"size":'])(
    'is found under the name that is asked for where the note of the others is %j',
    async (note) => {
      const { sample, dir, folder, store, one } = await setUp();
      await (await sample.writeIn(store, sample.all)).finish(ONE);
      await store.close();
      await writeFile(join(folder, 'ready.json'), note);
      const next = await Store.open(dir);
      const again = await next.openArtifact({ ...sample.toOpen, ...ONE });
      expect(again.held.isFull).toBe(true);
      expect(await again.finish(ONE)).toBe(one);
      await next.close();
    },
  );

  it('goes on after a crash in the middle of making a growing file of it again', async () => {
    const { sample, dir, folder, store, one } = await setUp();
    await (await sample.writeIn(store, sample.all)).finish(ONE);
    await store.close();
    await writeFile(join(folder, 'data.part'), sample.bytes.subarray(0, 100_000));
    const next = await Store.open(dir);
    const again = await next.openArtifact({ ...sample.toOpen, ...ONE });
    expect(again.held.isFull).toBe(true);
    await expectWhole(sample, await again.finish(ONE));
    expect(await readdir(folder)).not.toContain('data.part');
    expect(one).toBe(join(dir, 'ready', 'one', '1.0.0'));
    await next.close();
  });
});

describe('what was handed over under a name', () => {
  async function handedOver(store: Store, name: string): Promise<[artifact: string, right: number][]> {
    const found: [string, number][] = [];
    const into = Buffer.alloc(262_144);
    for await (const file of store.handedOver(name)) {
      let right = 0;
      for (let i = 0; i < file.index.chunkCount; i++) if (await file.readChunk(i, into)) right++;
      found.push([file.index.artifact, right]);
    }
    return found;
  }

  it('is there to be read, verified, while it is there', async () => {
    const { sample, folder, store, one, two } = await setUp();
    const count = sample.index.chunkCount;
    expect(await handedOver(store, 'one')).toEqual([]);
    const stored = await sample.writeIn(store, sample.all);
    expect(await handedOver(store, 'one')).toEqual([]);
    await stored.finish(ONE);
    await stored.finish(TWO);
    const { artifact } = sample.index;
    expect(await handedOver(store, 'one')).toEqual([[artifact, count]]);
    expect(await handedOver(store, 'three')).toEqual([]);
    await flip(two, sample.index.chunkOffset(2));
    expect(await handedOver(store, 'one')).toEqual([[artifact, count - 1]]);
    await rm(one);
    expect(await handedOver(store, 'one')).toEqual([]);
    expect(await handedOver(store, 'two')).toEqual([[artifact, count - 1]]);
    await flip(join(folder, 'index'), 60);
    expect(await handedOver(store, 'two')).toEqual([]);
    await store.close();
  });
});

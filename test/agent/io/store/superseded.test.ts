import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Store } from '../../../../agent/io/store/store.js';
import { copyFromDisk } from '../../../../agent/transfer/copy.js';
import { streamBytes } from '../../../support/artifact_bytes.js';
import { flip } from '../../../support/file_damage.js';
import { Sample, temporaryFolder } from '../../../support/store_fixture.js';

/** A version that a newer one came after before it was whole. */

const SIZE = 2_000_000;
const bytes = streamBytes('superseded', SIZE);
const old = await Sample.of(bytes);
const next = await Sample.of(
  Buffer.concat([bytes.subarray(0, 900_000), streamBytes('new', 200_000), bytes.subarray(1_100_000)]),
);
const other = await Sample.make('another', 400_000);
const half = old.all.slice(0, old.all.length >> 1);
const named = (sample: Sample, version: string, name = 'firmware') => ({
  artifact: sample.index.artifact,
  name,
  version,
});

interface Found {
  readonly artifact: string | undefined;
  /** Chunks that it is said to hold, and those of them that can be read. */
  readonly held: number[];
  readonly right: number[];
}

async function unfinished(store: Store, name = 'firmware', except = next.index.artifact): Promise<Found[]> {
  const found: Found[] = [];
  for await (const source of store.unfinished(name, except)) {
    const held = [...source.held.held()];
    const right: number[] = [];
    for (const i of held) if (await source.readChunk(i, Buffer.alloc(source.index?.chunkLength(i) ?? 0))) right.push(i);
    found.push({ artifact: source.index?.artifact, held, right });
  }
  return found;
}

/** A store in which half of the old version came, and the new one was published since. */
async function superseded(dir: string, quota?: number): Promise<Store> {
  const store = await Store.open(dir, { ...(quota !== undefined && { quota }) });
  await store.keep('group', [named(old, '1.0.0')]);
  await (await old.writeIn(store, half)).close();
  await store.keep('group', [named(next, '2.0.0')]);
  return store;
}

const openNext = (store: Store) => store.openArtifact({ ...next.toOpen, version: '2.0.0' });
const artifacts = (store: Store): Promise<string[]> => readdir(join(store.dir, 'artifacts'));

describe('what there is of a version that never was whole', () => {
  it('is found by its name, as far as it came, also after a restart', async () => {
    const dir = await temporaryFolder();
    const store = await superseded(dir);
    const all = [{ artifact: old.index.artifact, held: half, right: half }];
    expect(await unfinished(store)).toEqual(all);
    await store.close();
    const again = await Store.open(dir);
    expect(await unfinished(again)).toEqual(all);
    expect(await unfinished(again, 'model')).toEqual([]);
    expect(await unfinished(again, 'firmware', old.index.artifact)).toEqual([]);
    await again.close();
  });

  it('is not believed: what rotted is not read', async () => {
    const dir = await temporaryFolder();
    const store = await superseded(dir);
    await flip(old.pathIn(dir, 'data.part'), old.index.chunkOffset(1) + 5);
    const [found] = await unfinished(store);
    expect(found?.held).toEqual(half);
    expect(found?.right).toEqual(half.filter((i) => i !== 1));
    await store.close();
  });

  it.each(['wanted.json', 'index', 'journal'])('is nothing, and no failure, where its %s is damaged', async (file) => {
    const dir = await temporaryFolder();
    const store = await superseded(dir);
    await writeFile(old.pathIn(dir, file), '{"names": 7}');
    expect((await unfinished(store)).flatMap(({ held }) => held)).toEqual([]);
    await store.close();
  });

  it('while it is open, is read as it grows, and stays open', async () => {
    const store = await Store.open(await temporaryFolder());
    const growing = await old.writeIn(store, half);
    expect(await unfinished(store)).toEqual([{ artifact: old.index.artifact, held: half, right: half }]);
    await growing.writeChunk(half.length, old.chunk(half.length));
    expect((await unfinished(store))[0]?.held).toHaveLength(half.length + 1);
    await store.close();
  });

  it('is not what was handed over: that is found where it lies', async () => {
    const store = await Store.open(await temporaryFolder());
    const stored = await old.writeIn(store, old.all);
    await stored.finish({ name: 'firmware', version: '1.0.0' });
    await stored.close();
    expect(await unfinished(store)).toEqual([]);
    await store.close();
  });
});

describe('the version after it', () => {
  async function fetched(store: Store): Promise<number> {
    const stored = await openNext(store);
    await stored.installIndex(next.index.bytes);
    let taken = 0;
    const copied = (_: number, length: number): void => {
      taken += length;
    };
    const host = { copied, stopped: () => false };
    await copyFromDisk(stored, next.index, store.unfinished('firmware', next.index.artifact), host);
    for (const i of stored.held.missing()) await stored.writeChunk(i, next.chunk(i));
    await stored.finish({ name: 'firmware', version: '2.0.0' });
    return taken;
  }

  it('takes what both share, and it is removed once that is handed over, not before', async () => {
    const store = await superseded(await temporaryFolder());
    await store.dropOutlived();
    expect(await artifacts(store)).toEqual([old.index.artifact]);
    expect(await fetched(store)).toBeGreaterThan(0.35 * SIZE);
    expect((await artifacts(store)).length).toBe(2);
    await store.dropOutlived();
    expect(await artifacts(store)).toEqual([next.index.artifact]);
    expect((await readFile(join(store.dir, 'ready', 'firmware', '2.0.0'))).equals(next.bytes)).toBe(true);
    await store.close();
  });

  it('finds it although a quota had another removed for it that was used since', async () => {
    const store = await superseded(await temporaryFolder(), 2 * SIZE + 300_000);
    await store.keep('other', [named(other, '1', 'model')]);
    const as = { name: 'model', version: '1' };
    const stored = await store.openArtifact({ ...other.toOpen, ...as });
    await stored.installIndex(other.index.bytes);
    for (const i of other.all) await stored.writeChunk(i, other.chunk(i));
    const model = await stored.finish(as);
    await stored.close();
    await store.keep('other', []);
    expect(await fetched(store)).toBeGreaterThan(0.35 * SIZE);
    expect(await readFile(model).catch(() => null)).toBe(null);
    await store.close();
  });

  it('comes without it where the quota has no room for both', async () => {
    const store = await superseded(await temporaryFolder(), 1.5 * SIZE);
    expect(await fetched(store)).toBe(0);
    expect(await artifacts(store)).toEqual([next.index.artifact]);
    await store.close();
  });

  it('leaves it where it is open, or in force again', async () => {
    const store = await superseded(await temporaryFolder());
    await fetched(store);
    await store.keep('group', [named(old, '1.0.0')]);
    await store.dropOutlived();
    expect((await artifacts(store)).length).toBe(2);
    const again = await old.openIn(store);
    expect([...again.held.held()]).toEqual(half);
    await store.keep('group', [named(next, '2.0.0')]);
    await store.dropOutlived();
    expect((await artifacts(store)).length).toBe(2);
    await again.close();
    await store.dropOutlived();
    expect(await artifacts(store)).toEqual([next.index.artifact]);
    await store.close();
    await store.dropOutlived();
  });
});

import { mkdir, readdir, readFile, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Evicted } from '../../../../agent/io/store/room.js';
import { Store } from '../../../../agent/io/store/store.js';
import { flip } from '../../../support/file_damage.js';
import { coded, Sample, temporaryFolder } from '../../../support/store_fixture.js';

const SIZE = 400_000;
/** An index and a journal, and then some. */
const SPARE = 20_000;
const samples = await Promise.all(['one', 'two', 'three', 'four'].map((seed) => Sample.make(`room ${seed}`, SIZE)));
const [one, two, three, four] = samples as [Sample, Sample, Sample, Sample];

/** A store for so many artifacts of the test's. */
class Stage {
  readonly evicted: Evicted[] = [];
  readonly dir: string;
  store: Store;

  private constructor(dir: string, store: Store) {
    this.dir = dir;
    this.store = store;
  }

  static async of(artifacts: number, dir?: string): Promise<Stage> {
    const folder = dir ?? (await temporaryFolder());
    const evicted: Evicted[] = [];
    const quota = artifacts * (SIZE + SPARE);
    const store = await Store.open(folder, { quota, evicted: (what) => evicted.push(what) });
    const stage = new Stage(folder, store);
    Object.assign(stage, { evicted });
    return stage;
  }

  /** The one rollout in force, opened as it is named. */
  async named(sample: Sample, version: string, name = 'firmware') {
    await this.store.keep('group', [{ artifact: sample.index.artifact, name, version }]);
    return this.store.openArtifact({ ...sample.toOpen, name, version });
  }

  /** Fetched, handed over, and closed, as its rollout ends. */
  async complete(sample: Sample, version: string, name = 'firmware'): Promise<string> {
    const stored = await this.named(sample, version, name);
    await stored.installIndex(sample.index.bytes);
    for (const i of stored.held.missing()) await stored.writeChunk(i, sample.chunk(i));
    const path = await stored.finish({ name, version });
    await stored.close();
    await this.used(sample, this.#clock++);
    return path;
  }
  /** A clock of folders that ticks between any two uses. */
  #clock = 1000;

  async used(sample: Sample, seconds: number): Promise<void> {
    await utimes(sample.pathIn(this.dir, ''), seconds, seconds);
  }

  get artifacts(): Promise<string[]> {
    return readdir(join(this.dir, 'artifacts')).then((names) =>
      ['one', 'two', 'three', 'four'].filter((_, i) => names.includes(samples[i]?.index.artifact ?? '')),
    );
  }
}

const there = async (path: string): Promise<boolean> => (await stat(path).catch(() => null)) !== null;

describe('a store with a quota', () => {
  it('removes what was used longest ago for a new artifact, its file in `ready` too', async () => {
    const stage = await Stage.of(2);
    const first = await stage.complete(one, '1');
    const second = await stage.complete(two, '2');
    const third = await stage.complete(three, '3');
    expect(await stage.artifacts).toEqual(['two', 'three']);
    expect(await Promise.all([first, second, third].map(there))).toEqual([false, true, true]);
    expect(stage.evicted).toMatchObject([{ artifact: one.index.artifact, removed: [first], left: [] }]);
    expect(stage.evicted[0]?.bytes).toBeGreaterThan(SIZE);
    // It is but one of those that are there no more, and comes again as any other.
    await stage.complete(one, '4');
    expect(await stage.artifacts).toEqual(['one', 'three']);
    await stage.store.close();
  });

  it('removes a growing file that nothing names any more', async () => {
    const stage = await Stage.of(2);
    const stored = await stage.named(one, '1');
    await stored.installIndex(one.index.bytes);
    await stored.writeChunk(0, one.chunk(0));
    await stored.close();
    await stage.used(one, 1);
    await stage.complete(two, '2');
    await stage.complete(three, '3');
    expect(await stage.artifacts).toEqual(['two', 'three']);
    await stage.store.close();
  });

  it('says what it wants and what is there where nothing may go, removes nothing, and goes on once there is room', async () => {
    const stage = await Stage.of(1.5);
    const first = await stage.complete(one, '1.0.0');
    await expect(stage.named(two, '2.0.0')).rejects.toThrow(coded('E_STORE_QUOTA'));
    await expect(stage.named(two, '2.0.0')).rejects.toThrow(
      /400000 bytes more do not fit: the quota is 630000, 4\d\d\d\d\d are taken \(firmware 1\.0\.0\), \d+ are missing/,
    );
    expect(await there(first)).toBe(true);
    expect(stage.evicted).toEqual([]);
    // Its installer took it away.
    await rm(first);
    await stage.complete(two, '2.0.0');
    await stage.store.close();
  });

  it('has after a restart the room of what was begun, whichever is opened first, and none of what had not its index', async () => {
    const stage = await Stage.of(1.5);
    const inForce = [one, two].map(({ index: { artifact } }) => ({ artifact, name: artifact, version: '1' }));
    const open = (sample: Sample) => stage.store.openArtifact({ ...sample.toOpen, name: sample.index.artifact });
    const restart = async (): Promise<void> => {
      await stage.store.close();
      stage.store = (await Stage.of(1.5, stage.dir)).store;
    };
    await stage.store.keep('group', inForce);
    await open(one);
    await restart();
    const begun = await open(two);
    await begun.installIndex(two.index.bytes);
    await restart();
    await expect(open(one)).rejects.toThrow(coded('E_STORE_QUOTA'));
    await open(two);
    await stage.store.close();
  });

  it('is not filled by a larger artifact than all of it, whatever could go', async () => {
    const stage = await Stage.of(2);
    await stage.complete(one, '1');
    await stage.complete(two, '1', 'model');
    const large = { ...three.toOpen, size: 3 * SIZE, name: 'firmware', version: '2' };
    await expect(stage.store.openArtifact(large)).rejects.toThrow(coded('E_STORE_QUOTA'));
    expect(await stage.artifacts).toEqual(['one', 'two']);
    await stage.store.close();
  });

  it('grants room to one after the other: two that are opened at once do not both get the last', async () => {
    const stage = await Stage.of(2);
    const names = samples.map(({ index: { artifact } }, i) => ({ artifact, name: `n${i}`, version: '1' }));
    await stage.store.keep('group', names);
    const opened = await Promise.allSettled(
      samples.map((sample, i) => stage.store.openArtifact({ ...sample.toOpen, name: `n${i}` })),
    );
    expect(opened.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'rejected']);
    // One that is closed before it grew gives its room back.
    const [first] = opened;
    if (first?.status === 'fulfilled') await first.value.close();
    await stage.store.openArtifact({ ...three.toOpen, name: 'n2' });
    await stage.store.close();
  });

  it('does not count twice what has two names, and opens what is there although the quota is lower by now', async () => {
    const stage = await Stage.of(2);
    const stored = await stage.named(one, '1');
    await stored.installIndex(one.index.bytes);
    for (const i of one.all) await stored.writeChunk(i, one.chunk(i));
    await stored.finish({ name: 'firmware', version: '1' });
    await stored.finish({ name: 'firmware', version: '1-again' });
    await stored.close();
    await stage.complete(two, '2');
    expect(await stage.artifacts).toEqual(['one', 'two']);
    await stage.store.close();

    const next = await Stage.of(0.5, stage.dir);
    const again = await next.named(two, '2');
    expect(again.held.isFull).toBe(true);
    expect(await next.artifacts).toEqual(['two']);
    expect(next.evicted.map(({ removed }) => removed.length)).toEqual([2]);
    await next.store.close();
  });

  it('leaves what is not its own: files that were changed, replaced or put there, and links', async () => {
    const stage = await Stage.of(2);
    const first = await stage.complete(one, '1');
    await flip(first, 5);
    const foreign = join(stage.dir, 'ready', 'firmware', 'of-somebody');
    await writeFile(foreign, Buffer.alloc(3 * SIZE));
    const second = await stage.complete(two, '2');
    await rename(second, `${second}.installed`);
    await symlink(`${second}.installed`, second);
    const third = await stage.complete(three, '3');
    await stage.complete(four, '4');
    await stage.complete(one, '5');
    expect(stage.evicted.map(({ removed, left }) => [removed, left])).toEqual([
      [[], [first]],
      [[], [second]],
      [[third], []],
    ]);
    expect(await Promise.all([first, foreign, second].map(there))).toEqual([true, true, true]);
    expect((await readFile(`${second}.installed`)).equals(two.bytes)).toBe(true);
    await stage.store.close();
  });

  it('removes nothing of a group that it has not heard of since the restart, and all of one that is not its own any more', async () => {
    const dir = await temporaryFolder();
    const quota = 2 * (SIZE + SPARE);
    const store = await Store.open(dir, { quota });
    await store.keep('a', [{ artifact: one.index.artifact, name: 'model', version: '1' }]);
    await (await store.openArtifact({ ...one.toOpen, name: 'model', version: '1' })).installIndex(one.index.bytes);
    await store.close();

    const next = await Store.open(dir, { quota, groups: ['a', 'b'] });
    await next.keep('b', [
      { artifact: two.index.artifact, name: 'firmware', version: '1' },
      { artifact: three.index.artifact, name: 'kernel', version: '1' },
    ]);
    await next.openArtifact({ ...two.toOpen, version: '1' });
    await expect(next.openArtifact({ ...three.toOpen, name: 'kernel', version: '1' })).rejects.toThrow(
      coded('E_STORE_QUOTA'),
    );
    await next.close();

    const last = await Store.open(dir, { quota, groups: ['b'] });
    await last.openArtifact({ ...two.toOpen, version: '1' });
    await last.openArtifact({ ...three.toOpen, name: 'kernel', version: '1' });
    expect(await there(one.pathIn(dir, ''))).toBe(false);
    await last.close();
  });

  it('ends an eviction that a crash came into', async () => {
    const stage = await Stage.of(2);
    const first = await stage.complete(one, '1');
    // The file is gone, its note is not.
    await rm(first);
    await stage.complete(two, '2');
    await stage.complete(three, '3');
    await stage.complete(four, '4');
    expect(await stage.artifacts).toEqual(['three', 'four']);
    await stage.store.close();
  });

  it('knows its own by name: other folders and files are nobody’s to count or remove', async () => {
    const stage = await Stage.of(1);
    await mkdir(join(stage.dir, 'artifacts', 'lost+found'));
    await writeFile(join(stage.dir, 'artifacts', 'notes.txt'), Buffer.alloc(10 * SIZE));
    await stage.complete(one, '1');
    expect((await readdir(join(stage.dir, 'artifacts'))).length).toBe(3);
    await stage.store.close();
  });
});

describe('a store without a quota', () => {
  it('removes nothing', async () => {
    const dir = await temporaryFolder();
    const store = await Store.open(dir);
    for (const sample of samples) await (await sample.writeIn(store, sample.all)).close();
    expect((await readdir(join(dir, 'artifacts'))).length).toBe(4);
    await store.close();
  });

  it('P-1: is not misled by what it remembers', async () => {
    const dir = await temporaryFolder();
    await (await Store.open(dir)).close();
    await writeFile(join(dir, 'state', 'in_force.json'), '{"a": 1}');
    await expect(Store.open(dir)).rejects.toThrow(coded('E_STORE_CORRUPT'));
    // Nothing stays locked.
    await rm(join(dir, 'state', 'in_force.json'));
    await (await Store.open(dir)).close();
  });
});

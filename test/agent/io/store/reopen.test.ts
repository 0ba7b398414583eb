import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Store } from '../../../../agent/io/store/store.js';
import { eio, onDatasync } from '../../../support/file_damage.js';
import { coded, Sample, temporaryFolder } from '../../../support/store_fixture.js';

/** A disk that says of a sync that it failed (EIO), and works again afterwards. */

const made = Sample.make('reopen');
const SYNC_MS = 1000;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

async function setUp() {
  const sample = await made;
  const dir = await temporaryFolder();
  const store = await Store.open(dir);
  const stored = await sample.writeIn(store, []);
  /** What the next syncs do; then they work. */
  const answers: ((real: () => Promise<void>) => Promise<void>)[] = [];
  let syncs = 0;
  await onDatasync(sample.pathIn(dir, 'index'), async (real) => {
    await (answers.shift() ?? ((sync) => sync()))(real);
    syncs++;
  });
  /** Two files make one sync. */
  const synced = async (): Promise<void> => {
    const before = syncs;
    await vi.advanceTimersByTimeAsync(SYNC_MS);
    await vi.waitFor(() => expect(syncs).toBe(before + 2));
  };
  return { sample, dir, store, stored, answers, synced };
}

const failing = (): Promise<void> => Promise.reject(eio());

describe('a stored artifact whose disk failed', () => {
  it('takes nothing until it is opened anew, and has then what an earlier sync brought to the disk', async () => {
    const { sample, dir, store, stored, answers, synced } = await setUp();
    await stored.writeChunk(0, sample.chunk(0));
    await synced();
    await stored.writeChunk(1, sample.chunk(1));
    answers.push(failing);
    await vi.advanceTimersByTimeAsync(SYNC_MS);
    await vi.waitFor(() => expect(stored.isBroken).toBe(true));
    await expect(stored.writeChunk(2, sample.chunk(2))).rejects.toThrow(coded('E_STORE_IO'));
    await expect(stored.writeChunk(2, sample.chunk(2))).rejects.toThrow(coded('E_STORE_IO'));

    // It still fails: nothing is given up of what can be read.
    answers.push(failing);
    await expect(stored.reopen()).rejects.toThrow(coded('E_STORE_IO'));
    expect([stored.isBroken, ...stored.held.held()]).toEqual([true, 0, 1]);
    expect(await stored.readChunk(0, Buffer.alloc(262_144))).toBe(true);

    // Whoever comes meanwhile waits for it.
    const [lost] = await Promise.all([stored.reopen(), stored.writeChunk(2, sample.chunk(2))]);
    expect([lost, stored.isBroken, ...stored.held.held()]).toEqual([sample.index.chunkLength(1), false, 0, 2]);
    for (const i of stored.held.missing()) await stored.writeChunk(i, sample.chunk(i));
    expect((await readFile(await stored.finish(sample.toOpen))).equals(sample.bytes)).toBe(true);
    await store.close();
    const next = await Store.open(dir);
    expect((await sample.openIn(next)).held.isFull).toBe(true);
    await next.close();
  });

  it('does not believe in what a sync failed on because the next sync went well', async () => {
    const { sample, store, stored, answers, synced } = await setUp();
    let fail = (): void => {};
    answers.push(
      () =>
        new Promise((_, reject) => {
          fail = () => reject(eio());
        }),
    );
    await stored.writeChunk(1, sample.chunk(1));
    await vi.advanceTimersByTimeAsync(SYNC_MS);
    await stored.writeChunk(2, sample.chunk(2));
    fail();
    await vi.waitFor(() => expect(stored.isBroken).toBe(true));
    await synced();
    expect(await stored.reopen()).toBe(sample.index.chunkLength(1));
    expect([...stored.held.held()]).toEqual([2]);
    await store.close();
  });

  it('is opened anew also where the failure shows only as it is handed over', async () => {
    const { sample, store, stored, answers } = await setUp();
    for (const i of sample.all) await stored.writeChunk(i, sample.chunk(i));
    answers.push(failing);
    await expect(stored.finish(sample.toOpen)).rejects.toThrow(coded('E_STORE_IO'));
    await expect(stored.finish(sample.toOpen)).rejects.toThrow(coded('E_STORE_IO'));
    expect(await stored.reopen()).toBe(sample.bytes.length);
    for (const i of sample.all) await stored.writeChunk(i, sample.chunk(i));
    expect((await readFile(await stored.finish(sample.toOpen))).equals(sample.bytes)).toBe(true);
    await store.close();
  });

  it('closes although it is broken, says so, and can be opened again', async () => {
    const { sample, dir, store, stored, answers } = await setUp();
    await stored.writeChunk(0, sample.chunk(0));
    answers.push(failing);
    await expect(stored.close()).rejects.toThrow(coded('E_STORE_IO'));
    const again = await sample.openIn(store);
    await expect(stored.reopen()).rejects.toThrow(coded('E_STORE_IO'));
    expect([...again.held.held()]).toEqual([0]);
    await store.close();
    await (await Store.open(dir)).close();
  });
});

import { execFileSync } from 'node:child_process';
import { chmod, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openHint } from '../../../../agent/io/store/disk.js';
import { Store } from '../../../../agent/io/store/store.js';
import { failReads, failWrites } from '../../../support/file_damage.js';
import { coded, Sample, temporaryFolder } from '../../../support/store_fixture.js';

/** What others put in `ready` is a hint: whatever it is, the agent neither waits for it nor fails of it. */

const made = Sample.make('hints');
const AS = { name: 'firmware', version: '1.0.0' };

async function setUp() {
  const sample = await made;
  const dir = await temporaryFolder();
  return { sample, dir, store: await Store.open(dir), ready: join(dir, 'ready', AS.name, AS.version) };
}

const pipe = (path: string): void => void execFileSync('mkfifo', [path]);

/** Nobody's eyes: modes say nothing to root. */
async function asNobody<T>(work: () => Promise<T>): Promise<T> {
  const root = process.geteuid?.() === 0;
  if (root) process.seteuid?.(65_534);
  try {
    return await work();
  } finally {
    if (root) process.seteuid?.(0);
  }
}

describe('a hint', () => {
  it.each<[string, (path: string) => unknown]>([
    ['a named pipe', pipe],
    ['a folder', (path) => mkdir(path)],
    ['a device', (path) => symlink('/dev/zero', path)],
    ['a link to itself', (path) => symlink(path, path)],
    ['nothing', () => {}],
  ])('that is %s is none', async (_, put) => {
    const path = join(await temporaryFolder(), 'hint');
    await put(path);
    expect(await openHint(path)).toBeUndefined();
  });

  it('below a file, or of others, is none', async () => {
    const path = join(await temporaryFolder(), 'hint');
    await writeFile(path, 'a file');
    expect(await openHint(join(path, 'below'))).toBeUndefined();
    await chmod(path, 0);
    expect(await asNobody(() => openHint(path))).toBeUndefined();
  });

  it('that cannot be opened for any other reason may be there: that is told', async () => {
    await expect(openHint(join(await temporaryFolder(), 'x'.repeat(300)))).rejects.toThrow(coded('ENAMETOOLONG'));
  });
});

describe('a final path with what is no file', () => {
  it.each<[string, (path: string) => unknown]>([
    ['a named pipe', pipe],
    ['a link to itself', (path) => symlink(path, path)],
  ])('does not keep the artifact from being opened, and %s is replaced', async (_, put) => {
    const { sample, store, ready } = await setUp();
    await mkdir(dirname(ready), { recursive: true });
    await put(ready);
    const stored = await sample.writeIn(store, sample.all);
    expect((await readFile(await stored.finish(AS))).equals(sample.bytes)).toBe(true);
    await store.close();
  });

  it('blocks nothing but its own hand-over where it is a folder', async () => {
    const { sample, dir, store, ready } = await setUp();
    await mkdir(ready, { recursive: true });
    const stored = await sample.writeIn(store, sample.all);
    await expect(stored.finish(AS)).rejects.toThrow(coded('E_STORE_IO'));
    await stored.finish({ ...AS, version: '2' });
    await store.close();
    const next = await Store.open(dir);
    const again = await sample.openIn(next);
    expect(again.held.isFull).toBe(true);
    await rm(ready, { recursive: true });
    expect((await readFile(await again.finish(AS))).equals(sample.bytes)).toBe(true);
    await next.close();
  });

  it('is passed over among what was handed over', async () => {
    const { sample, store, ready } = await setUp();
    const stored = await sample.writeIn(store, sample.all);
    await stored.finish(AS);
    await stored.finish({ ...AS, version: '2' });
    await rm(ready);
    pipe(ready);
    const found: string[] = [];
    for await (const { path } of store.handedOver(AS.name)) found.push(path);
    expect(found).toEqual([join(dirname(ready), '2')]);
    await store.close();
  });
});

describe('P-9.8: a sector that cannot be read', () => {
  it.each(['ready', 'data.part'])('of %s costs its chunk, and no other', async (where) => {
    const { sample, dir, store } = await setUp();
    const stored = await sample.writeIn(store, sample.all);
    if (where === 'ready') await stored.finish(AS);
    await store.close();
    const bad = await failReads(sample.pathIn(dir, 'index'), sample.index.chunkOffset(1) + 7);
    const next = await Store.open(dir);
    const again = await sample.openIn(next);
    expect([...again.held.missing()]).toEqual([1]);
    await again.reopen();
    expect([...again.held.missing()]).toEqual([1]);
    bad.mockRestore();
    await again.writeChunk(1, sample.chunk(1));
    expect((await readFile(await again.finish(AS))).equals(sample.bytes)).toBe(true);
    await next.close();
  });

  it('shows as it is handed over, and costs its chunk', async () => {
    const { sample, dir, store } = await setUp();
    const stored = await sample.writeIn(store, sample.all);
    const bad = await failReads(sample.pathIn(dir, 'index'), sample.index.chunkOffset(1) + 7);
    await expect(stored.finish(AS)).rejects.toThrow(/1 chunks, the first 1, rotted/);
    expect([...stored.held.missing()]).toEqual([1]);
    bad.mockRestore();
    await stored.writeChunk(1, sample.chunk(1));
    expect((await readFile(await stored.finish(AS))).equals(sample.bytes)).toBe(true);
    await store.close();
  });

  it('is no excuse for a disk that takes no bytes', async () => {
    const { sample, dir, store, ready } = await setUp();
    const stored = await sample.writeIn(store, sample.all);
    await stored.finish(AS);
    await store.close();
    await rename(ready, `${ready}.old`);
    await writeFile(ready, sample.bytes.subarray(0, sample.index.chunkOffset(2)));
    const bad = await failWrites(ready);
    const next = await Store.open(dir);
    await expect(sample.openIn(next)).rejects.toThrow(coded('E_STORE_IO'));
    bad.mockRestore();
    expect([...(await sample.openIn(next)).held.held()]).toEqual([0, 1]);
    await next.close();
  });
});

import { execFileSync } from 'node:child_process';
import { appendFileSync, truncateSync, writeFileSync } from 'node:fs';
import { type FileHandle, mkdir, open, rename, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { SeedFile } from '../../../../agent/io/store/seed_file.js';
import { indexFile } from '../../../../shared/artifact_file.js';
import { MAX_ARTIFACT_BYTES } from '../../../../shared/limits.js';
import { coded, Sample, temporaryFolder } from '../../../support/store_fixture.js';

async function seedFile(sample: Sample): Promise<{ path: string; seed: SeedFile }> {
  const path = join(await temporaryFolder(), 'image');
  await writeFile(path, sample.bytes);
  return { path, seed: await SeedFile.index(path) };
}

describe('a seed file', () => {
  it('P-9.6: has the index that its bytes have, and gives every chunk', async () => {
    const sample = await Sample.make('seed');
    const { path, seed } = await seedFile(sample);
    expect(seed.index.artifact).toBe(sample.index.artifact);
    expect((await indexFile(path)).artifact).toBe(sample.index.artifact);
    expect(seed.held.isFull).toBe(true);
    for (const i of sample.all) {
      const into = Buffer.alloc(sample.index.chunkLength(i));
      expect(await seed.readChunk(i, into)).toBe(true);
      expect(into.equals(sample.chunk(i))).toBe(true);
    }
    expect(await seed.readChunk(sample.index.chunkCount, Buffer.alloc(1))).toBe(false);
    await seed.close();
    expect(await seed.readChunk(0, Buffer.alloc(262_144))).toBe(false);
    await seed.close();
  });

  it('P-9.8: is never served wrong after it changed', async () => {
    const sample = await Sample.make('seed');
    const { path, seed } = await seedFile(sample);
    const file = await open(path, 'r+');
    await file.write('changed', sample.index.chunkOffset(1));
    await file.close();
    expect(await seed.readChunk(1, Buffer.alloc(262_144))).toBe(false);
    expect(await seed.readChunk(0, Buffer.alloc(262_144))).toBe(true);
    await truncate(path, sample.index.chunkOffset(3) + 1);
    expect(await seed.readChunk(3, Buffer.alloc(262_144))).toBe(false);
    expect([...seed.held.missing()]).toEqual([1, 3]);
    await seed.close();
  });

  it('goes on from the old file where a new one takes its name', async () => {
    const sample = await Sample.make('seed');
    const { path, seed } = await seedFile(sample);
    await writeFile(`${path}.new`, 'another file');
    await rename(`${path}.new`, path);
    expect(await seed.readChunk(0, Buffer.alloc(262_144))).toBe(true);
    await seed.close();
  });
});

describe('a file that cannot be a seed', () => {
  it('is refused by its code: missing, a folder, a device, a named pipe', async () => {
    const dir = await temporaryFolder();
    await mkdir(join(dir, 'folder'));
    execFileSync('mkfifo', [join(dir, 'pipe')]);
    for (const path of [join(dir, 'missing'), join(dir, 'folder'), '/dev/zero', join(dir, 'pipe')]) {
      await expect(SeedFile.index(path)).rejects.toThrow(coded('E_FILE_UNREADABLE'));
      await expect(SeedFile.index(path)).rejects.toThrow(path);
    }
  });

  it('P-9.1: is refused by its code: empty, past 64 GiB', async () => {
    const path = join(await temporaryFolder(), 'file');
    await writeFile(path, '');
    await expect(SeedFile.index(path)).rejects.toThrow(coded('E_FILE_EMPTY'));
    await truncate(path, MAX_ARTIFACT_BYTES + 1);
    await expect(SeedFile.index(path)).rejects.toThrow(coded('E_FILE_TOO_LARGE'));
  });

  it.each<[string, (path: string) => void]>([
    ['grew', (path) => appendFileSync(path, 'more')],
    ['was cut short', (path) => truncateSync(path, 1000)],
    ['was written over', (path) => writeFileSync(path, Buffer.alloc(2 ** 20, 1))],
  ])('is refused where it %s while it was read', async (_, change) => {
    const path = join(await temporaryFolder(), 'file');
    await writeFile(path, Buffer.alloc(2 ** 20));
    // The clock of a file system may tick slower than this test runs.
    await utimes(path, 1000, 1000);
    await onFirstRead(path, () => change(path));
    await expect(indexFile(path)).rejects.toThrow(coded('E_FILE_CHANGED'));
  });
});

/** Runs `change` when a file is first read through a handle: after it was opened, before its end. */
async function onFirstRead(path: string, change: () => void): Promise<void> {
  const handle = await open(path);
  await handle.close();
  const prototype: FileHandle = Object.getPrototypeOf(handle);
  const { read } = prototype;
  const spy = vi.spyOn(prototype, 'read').mockImplementation(async function (this: FileHandle, ...args: unknown[]) {
    spy.mockRestore();
    const result = await Reflect.apply(read, this, args);
    change();
    return result;
  });
  onTestFinished(() => spy.mockRestore());
}

import { execFileSync } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { mkdir, open, rename, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
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

  it.each<[string, (path: string) => void | Promise<void>]>([
    ['grew', (path) => appendFileSync(path, 'more')],
    ['was cut short', (path) => truncate(path, 1000)],
  ])('is refused where it %s while it was read', async (_, change) => {
    const path = join(await temporaryFolder(), 'file');
    await writeFile(path, Buffer.alloc(32 * 2 ** 20));
    const indexing = expect(indexFile(path)).rejects.toThrow(coded('E_FILE_CHANGED'));
    // The event loop turns while the file is read: after a few turns the reading has begun, and is not done.
    for (let turn = 0; turn < 8; turn++) await new Promise((resolve) => setImmediate(resolve));
    await change(path);
    await indexing;
  });
});

import { execFileSync } from 'node:child_process';
import { mkdir, readFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { installedIdentity, MendedFile, openInstalled } from '../../../../agent/io/integrity/installed_file.js';
import { KeptIndexes } from '../../../../agent/io/integrity/kept_indexes.js';
import { flip } from '../../../support/file_damage.js';
import { loopDevice, withLoopDevice } from '../../../support/loop_device.js';
import { coded, Sample, temporaryFolder } from '../../../support/store_fixture.js';

const sample = await Sample.make('installed', 400_000);
const { index } = sample;
const slice = Buffer.alloc(65_536);

async function installed(): Promise<{ folder: string; path: string; store: string }> {
  const folder = await temporaryFolder();
  const [path, store] = [join(folder, 'installed.img'), join(folder, 'store')];
  await writeFile(path, sample.bytes);
  await mkdir(store);
  return { folder, path, store };
}

/** Of each chunk. */
async function verified(path: string): Promise<boolean[]> {
  const file = await openInstalled(path);
  const found: boolean[] = [];
  for (const i of sample.all) found.push((await file?.verify(index, i, slice)) ?? false);
  await file?.close();
  return found;
}

const allRight = sample.all.map(() => true);
const refused = coded('E_REPAIR') as Error;

describe('P-15.5: what is installed, read', () => {
  it('is right chunk by chunk, wrong where a bit is, and where it ends', async () => {
    const { path } = await installed();
    expect(await verified(path)).toEqual(allRight);
    await flip(path, index.chunkOffset(2) + 5);
    expect(await verified(path)).toEqual(sample.all.map((i) => i !== 2));
    await truncate(path, index.chunkOffset(2));
    expect(await verified(path)).toEqual(sample.all.map((i) => i < 2));
  });

  it('is another once it was written to, replaced or taken away', async () => {
    const { path } = await installed();
    const before = await installedIdentity(path);
    await flip(path, 9);
    const flipped = await installedIdentity(path);
    await writeFile(`${path}.new`, sample.bytes);
    await rename(`${path}.new`, path);
    const replaced = await installedIdentity(path);
    await rm(path);
    expect(new Set([before, flipped, replaced, await installedIdentity(path)]).size).toBe(4);
  });

  it('is nothing where there is no file: a folder, a pipe, a link to nowhere', async () => {
    const { folder } = await installed();
    execFileSync('mkfifo', [join(folder, 'pipe')]);
    await symlink('/nowhere/at/all', join(folder, 'link'));
    for (const path of [folder, join(folder, 'pipe'), join(folder, 'link'), '/dev/null', join(folder, 'gone')]) {
      expect(await openInstalled(path), path).toBeNull();
      expect(await installedIdentity(path)).toBe('');
    }
  });
});

withLoopDevice('P-15.5: a block device', () => {
  it('may be longer than the artifact, as partitions are', async () => {
    const folder = await temporaryFolder('/tmp');
    const image = join(folder, 'disk');
    await writeFile(image, Buffer.concat([sample.bytes, Buffer.alloc(512 * 1024 - (sample.bytes.length % 512))]));
    const device = loopDevice(image);
    expect(await verified(device)).toEqual(allRight);
    expect(await installedIdentity(device)).toMatch(/^device \d+$/);
  });
});

describe('P-15.7: what is installed, mended', () => {
  it('has each chunk where it belongs, on the disk, and read again', async () => {
    const { path, store } = await installed();
    for (const i of [1, 3]) await flip(path, index.chunkOffset(i));
    await truncate(path, index.chunkOffset(index.chunkCount - 1) + 3);
    const file = await MendedFile.open(path, await installedIdentity(path), store);
    for (const i of [1, 3, index.chunkCount - 1]) await file.write(index, i, sample.chunk(i), slice);
    await file.close();
    expect((await readFile(path)).equals(sample.bytes)).toBe(true);
  });

  it('says so where what was written is not what is there', async () => {
    const { path, store } = await installed();
    const file = await MendedFile.open(path, await installedIdentity(path), store);
    await expect(file.write(index, 1, sample.chunk(2), slice)).rejects.toThrow(refused);
    await file.close();
  });

  it('refuses what is not what was looked at: written to, replaced, a link that leads elsewhere by now', async () => {
    const { folder, path, store } = await installed();
    const link = join(folder, 'by-label');
    await symlink(path, link);
    const identity = await installedIdentity(link);
    await (await MendedFile.open(link, identity, store)).close();
    const victim = join(folder, 'victim');
    await writeFile(victim, sample.bytes);
    await rm(link);
    await symlink(victim, link);
    await expect(MendedFile.open(link, identity, store)).rejects.toThrow(refused);
    await flip(path, 9);
    await expect(MendedFile.open(path, identity, store)).rejects.toThrow(refused);
    await rename(victim, path);
    await expect(MendedFile.open(path, identity, store)).rejects.toThrow(refused);
    expect((await readFile(path)).equals(sample.bytes)).toBe(true);
  });

  it('refuses what lies in the store, by a link too, what is no file, and what is not there', async () => {
    const { folder, store } = await installed();
    await mkdir(join(store, 'ready'));
    const inside = join(store, 'ready', '1.0.0');
    await writeFile(inside, sample.bytes);
    await symlink(inside, join(folder, 'link'));
    await symlink(store, join(folder, 'other-store'));
    for (const path of [
      inside,
      join(folder, 'link'),
      join(folder, 'other-store/ready/1.0.0'),
      folder,
      '/dev/null',
      join(folder, 'gone'),
    ]) {
      await expect(MendedFile.open(path, await installedIdentity(path), store), path).rejects.toThrow(refused);
    }
  });
});

describe('KeptIndexes', () => {
  it('keeps what is installed, and nothing that is not; what rotted is not there', async () => {
    const store = await temporaryFolder();
    const other = await Sample.make('installed-other', 200_000);
    const kept = await KeptIndexes.open(store);
    await kept.keep(index, []);
    await kept.keep(other.index, [index.artifact]);
    expect((await kept.read(index.artifact))?.bytes).toEqual(index.bytes);
    await kept.keep(other.index, []);
    expect(await kept.read(index.artifact)).toBeUndefined();
    await flip(join(store, 'installed', other.index.artifact), 60);
    expect(await (await KeptIndexes.open(store)).read(other.index.artifact)).toBeUndefined();
    await kept.keep(other.index, []);
    expect((await kept.read(other.index.artifact))?.artifact).toBe(other.index.artifact);
    await truncate(join(store, 'installed', other.index.artifact), 10);
    expect(await kept.read(other.index.artifact)).toBeUndefined();
  });
});

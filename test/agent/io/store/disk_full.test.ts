import { execFileSync } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { Store } from '../../../../agent/io/store/store.js';
import { requirement } from '../../../support/requirement.js';
import { coded, Sample, temporaryFolder } from '../../../support/store_fixture.js';

/** A file system of `kib` KiB that is ours alone to fill. */
async function smallDisk(kib: number): Promise<string> {
  const dir = await temporaryFolder();
  execFileSync('mount', ['-t', 'tmpfs', '-o', `mode=700,size=${kib}k`, 'tmpfs', dir]);
  onTestFinished(() => void execFileSync('umount', [dir]));
  return dir;
}

function mayMount(): boolean {
  if (process.getuid?.() !== 0) return false;
  try {
    execFileSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Fills the disk to the last byte. */
async function fill(path: string): Promise<void> {
  await expect(writeFile(path, Buffer.alloc(4 * 2 ** 20))).rejects.toThrow(coded('ENOSPC'));
}

requirement(
  'a tmpfs of its own',
  mayMount(),
  'run as root, with CAP_SYS_ADMIN',
)('a full disk', () => {
  it('is known before anything is written, and the index installs once there is room', async () => {
    const dir = await smallDisk(1024);
    const sample = await Sample.make('full', 900_000);
    const store = await Store.open(dir);
    await writeFile(join(dir, 'ballast'), Buffer.alloc(400_000));
    const stored = await sample.openIn(store);
    await expect(stored.installIndex(sample.index.bytes)).rejects.toThrow(coded('E_DISK_FULL'));
    await expect(stored.installIndex(sample.index.bytes)).rejects.toThrow(coded('E_DISK_FULL'));
    expect([stored.index, stored.held.count]).toEqual([undefined, 0]);
    await rm(join(dir, 'ballast'));
    await stored.installIndex(sample.index.bytes);
    for (const i of sample.all) await stored.writeChunk(i, sample.chunk(i));
    expect((await readFile(await stored.finish(sample.toOpen))).equals(sample.bytes)).toBe(true);
    await store.close();
  });

  it('in the middle of a transfer costs nothing that is held, and the transfer goes on once there is room', async () => {
    const dir = await smallDisk(2048);
    const sample = await Sample.make('full', 900_000);
    const store = await Store.open(dir);
    const stored = await sample.writeIn(store, [0, 1]);
    await fill(join(dir, 'ballast'));
    await expect(stored.writeChunk(2, sample.chunk(2))).rejects.toThrow(coded('E_DISK_FULL'));
    expect([...stored.held.held()]).toEqual([0, 1]);
    await expect(store.writeState('trust', { text: 'x'.repeat(5000) })).rejects.toThrow(coded('E_DISK_FULL'));
    expect(await stored.readChunk(0, Buffer.alloc(262_144))).toBe(true);
    await rm(join(dir, 'ballast'));
    for (const i of stored.held.missing()) await stored.writeChunk(i, sample.chunk(i));
    expect((await readFile(await stored.finish(sample.toOpen))).equals(sample.bytes)).toBe(true);
    await store.close();
  });
});

import { open, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SeedFile } from '../../../../agent/io/store/seed_file.js';
import { Store } from '../../../../agent/io/store/store.js';
import { areZeros, areZerosThere, writeSparsely } from '../../../../agent/io/store/zeros.js';
import { copyFromDisk } from '../../../../agent/transfer/copy.js';
import { streamBytes } from '../../../support/artifact_bytes.js';
import { loopDevice, withLoopDevice } from '../../../support/loop_device.js';
import { coded, Sample, temporaryFolder } from '../../../support/store_fixture.js';

/** Files and devices with long runs of zeros, as images of disks have them. */

const HOLE = 64 * 2 ** 20;
const AS = { name: 'firmware', version: '1.0.0' };
const image = Sample.of(
  Buffer.concat([streamBytes('head', 200_000), Buffer.alloc(HOLE), streamBytes('tail', 200_000)]),
);

/** Bytes that the file takes of its disk. */
const taken = async (path: string): Promise<number> => (await stat(path)).blocks * 512;

async function* from(...sources: SeedFile[]): AsyncGenerator<SeedFile, void, undefined> {
  yield* sources;
}

const host = { copied() {}, stopped: () => false };

describe('zeros', () => {
  it('are told from what only begins or ends with them, at any length', () => {
    for (const length of [0, 1, 262_143, 262_144, 262_145, 1_000_000]) {
      const bytes = Buffer.alloc(length);
      expect(areZeros(bytes)).toBe(true);
      for (const at of length > 0 ? [0, length >> 1, length - 1] : []) {
        bytes[at] = 1;
        expect(areZeros(bytes)).toBe(false);
        bytes[at] = 0;
      }
    }
  });

  it('are written where something else is, and only there', async () => {
    const path = join(await temporaryFolder(), 'file');
    await writeFile(path, Buffer.alloc(600_000, 7));
    const file = await open(path, 'r+');
    const zeros = Buffer.alloc(300_000);
    expect(await areZerosThere(file, zeros, 1000)).toBe(false);
    await writeSparsely(file, zeros, 1000);
    expect(await areZerosThere(file, zeros, 1000)).toBe(true);
    expect(await areZerosThere(file, zeros, 1001)).toBe(false);
    // The file ends before they do.
    expect(await areZerosThere(file, Buffer.alloc(10), 599_995)).toBe(false);
    await file.close();
    const written = await readFile(path);
    expect(areZeros(written.subarray(1000, 301_000))).toBe(true);
    expect(written.filter((byte) => byte === 7).length).toBe(300_000);
  });
});

describe('an artifact with a long run of zeros', () => {
  it('P-9.8: takes room for what is not zeros, growing and handed over, and is right', async () => {
    // Where a file can have holes.
    const dir = await temporaryFolder(tmpdir());
    const sample = await image;
    const store = await Store.open(dir);
    const stored = await sample.writeIn(store, []);
    await copyFromDisk(stored, sample.index, from(), host);
    const missing = [...stored.held.missing()];
    expect(missing.length).toBeLessThan(30);
    for (const i of missing) await stored.writeChunk(i, sample.chunk(i));
    expect(await taken(sample.pathIn(dir, 'data.part'))).toBeLessThan(HOLE / 8);
    const path = await stored.finish(AS);
    expect(await taken(path)).toBeLessThan(HOLE / 8);
    expect((await readFile(path)).equals(sample.bytes)).toBe(true);
    await store.close();
  });

  it('P-9.8: has its zeros written over what a crash or rot left in their place', async () => {
    const sample = await image;
    const dir = await temporaryFolder(tmpdir());
    const store = await Store.open(dir);
    const stored = await sample.writeIn(store, []);
    const part = await open(sample.pathIn(dir, 'data.part'), 'r+');
    await part.write(Buffer.alloc(1000, 9), 0, 1000, HOLE / 2);
    await part.close();
    for (const i of sample.all) await stored.writeChunk(i, sample.chunk(i));
    expect((await readFile(await stored.finish(AS))).equals(sample.bytes)).toBe(true);
    await store.close();
  });
});

describe('a sparse file', () => {
  it('is a seed as any other, and what is copied of it stays sparse', async () => {
    const dir = await temporaryFolder(tmpdir());
    const sample = await image;
    const path = join(dir, 'sparse.img');
    await writeFile(path, sample.bytes.subarray(0, 200_000));
    await truncate(path, sample.bytes.length - 200_000);
    const file = await open(path, 'a');
    await file.write(sample.bytes.subarray(-200_000));
    await file.close();
    expect(await taken(path)).toBeLessThan(HOLE / 8);
    const seed = await SeedFile.index(path);
    expect(seed.index.artifact).toBe(sample.index.artifact);
    const store = await Store.open(join(dir, 'store'));
    const stored = await sample.writeIn(store, []);
    await copyFromDisk(stored, sample.index, from(seed), host);
    expect(stored.held.isFull).toBe(true);
    expect(await taken(await stored.finish(AS))).toBeLessThan(HOLE / 8);
    await Promise.all([seed.close(), store.close()]);
  });
});

withLoopDevice('a block device', () => {
  it('P-9.6: has the size and the index of its bytes, and gives every chunk', async () => {
    const dir = await temporaryFolder();
    const sample = await Sample.make('device', 2_000_384);
    const file = join(dir, 'disk');
    await writeFile(file, sample.bytes);
    const device = loopDevice(file);
    expect((await stat(device)).size).toBe(0);
    const seed = await SeedFile.index(device);
    expect([seed.index.size, seed.index.artifact]).toEqual([sample.bytes.length, sample.index.artifact]);
    for (const i of sample.all) {
      const into = Buffer.alloc(sample.index.chunkLength(i));
      expect(await seed.readChunk(i, into)).toBe(true);
      expect(into.equals(sample.chunk(i))).toBe(true);
    }
    const slice = Buffer.alloc(4096);
    expect(await seed.recheckChunk(1, slice)).toBe(true);
    await seed.close();
  });

  it('that is larger than the image that it was written with gives all that they share', async () => {
    const dir = await temporaryFolder();
    const sample = await Sample.make('partition', 3_000_000);
    const file = join(dir, 'disk');
    await writeFile(file, Buffer.concat([sample.bytes, streamBytes('of the version before', 1_194_304)]));
    const seed = await SeedFile.index(loopDevice(file));
    const store = await Store.open(join(dir, 'store'));
    const stored = await sample.writeIn(store, []);
    await copyFromDisk(stored, sample.index, from(seed), host);
    // The last chunk ends where the image does, not where the device's does.
    expect([...stored.held.missing()]).toEqual([sample.index.chunkCount - 1]);
    await Promise.all([seed.close(), store.close()]);
  });

  it('P-9.8: that was written to since is never served wrong', async () => {
    const dir = await temporaryFolder();
    const sample = await Sample.make('device', 2_000_384);
    const file = join(dir, 'disk');
    await writeFile(file, sample.bytes);
    const device = loopDevice(file);
    const seed = await SeedFile.index(device);
    const writer = await open(device, 'r+');
    await writer.write(Buffer.alloc(512, 3), 0, 512, Math.ceil(sample.index.chunkOffset(2) / 512) * 512);
    await writer.sync();
    await writer.close();
    expect(await seed.readChunk(2, Buffer.alloc(262_144))).toBe(false);
    expect([...seed.held.missing()]).toEqual([2]);
    await seed.close();
  });

  it('with nothing behind it is refused by its code', async () => {
    const file = join(await temporaryFolder(), 'disk');
    await writeFile(file, '');
    const device = loopDevice(file);
    await expect(SeedFile.index(device)).rejects.toThrow(coded('E_FILE_EMPTY'));
  });
});

import { type FileHandle, open, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { readCached } from '../../../../agent/io/store/cached_read.js';
import { temporaryFolder } from '../../../support/store_fixture.js';

const WRITTEN = Buffer.from(Array.from({ length: 10_000 }, (_, i) => i * 7));

/** Not in memory: a tmpfs, for one, cannot tell. */
async function file(): Promise<FileHandle> {
  const path = join(await temporaryFolder(tmpdir()), 'data');
  await writeFile(path, WRITTEN);
  const handle = await open(path, 'r');
  onTestFinished(() => handle.close());
  return handle;
}

/** What the kernel, the file system and the package here read at once of so many bytes: all or nothing. */
const here = ({ fd }: FileHandle, bytes: number): number => (readCached(fd, Buffer.alloc(1), 0) === 1 ? bytes : 0);

it('reads what was just written, from anywhere to anywhere, and nothing else', async () => {
  const handle = await file();
  const read = here(handle, 100);
  const whole = Buffer.alloc(300, 0xff);
  expect(readCached(handle.fd, whole.subarray(100, 200), 5000)).toBe(read);
  expect(whole.subarray(100, 100 + read).equals(WRITTEN.subarray(5000, 5000 + read))).toBe(true);
  expect(whole.subarray(0, 100).every((byte) => byte === 0xff)).toBe(true);
  expect(whole.subarray(100 + read).every((byte) => byte === 0xff)).toBe(true);
});

it('reads up to the end of the file', async () => {
  const handle = await file();
  const into = Buffer.alloc(100);
  expect(readCached(handle.fd, into, 9_960)).toBe(here(handle, 40));
  expect(readCached(handle.fd, into, 20_000)).toBe(0);
});

it('reads nothing where it cannot: who waits for the disk says what is wrong', async () => {
  const into = Buffer.alloc(10, 0xff);
  const handle = await file();
  expect(readCached(handle.fd, Buffer.alloc(0), 0)).toBe(0);
  await handle.close();
  expect(readCached(handle.fd, into, 0)).toBe(0);
  const writing = await open(join(await temporaryFolder(tmpdir()), 'written'), 'w');
  onTestFinished(() => writing.close());
  expect(readCached(writing.fd, into, 0)).toBe(0);
  expect(into.every((byte) => byte === 0xff)).toBe(true);
});

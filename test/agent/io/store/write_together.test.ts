import { type FileHandle, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { writeTogether } from '../../../../agent/io/store/write_together.js';
import { eio } from '../../../support/file_damage.js';
import { temporaryFolder } from '../../../support/store_fixture.js';

async function file(): Promise<{ handle: FileHandle; path: string; prototype: FileHandle }> {
  const path = join(await temporaryFolder(), 'data');
  const handle = await open(path, 'w+');
  onTestFinished(() => handle.close());
  return { handle, path, prototype: Object.getPrototypeOf(handle) as FileHandle };
}

const part = (i: number, length = 1000): Buffer => Buffer.alloc(length, i);

it('writes neighbours in one call, whatever their order, and others by themselves', async () => {
  const { handle, path, prototype } = await file();
  const [one, many] = [vi.spyOn(prototype, 'write'), vi.spyOn(prototype, 'writev')];
  onTestFinished(() => void vi.restoreAllMocks());
  const order = [3, 1, 2, 0, 7, 5];
  await Promise.all(order.map((i) => writeTogether(handle, part(i), i * 1000)));
  expect([one.mock.calls.length, many.mock.calls.length]).toEqual([2, 1]);
  const written = await readFile(path);
  for (const i of order) expect(written.subarray(i * 1000, (i + 1) * 1000).equals(part(i))).toBe(true);
});

it('writes what one call took only a part of', async () => {
  const { handle, path, prototype } = await file();
  const { writev } = prototype;
  vi.spyOn(prototype, 'writev').mockImplementation(async function (this: FileHandle, buffers, position) {
    await Reflect.apply(writev, this, [[buffers[0] as Buffer, (buffers[1] as Buffer).subarray(0, 10)], position]);
    return { bytesWritten: 1010, buffers };
  } as FileHandle['writev']);
  onTestFinished(() => void vi.restoreAllMocks());
  await Promise.all([0, 1, 2].map((i) => writeTogether(handle, part(i), i * 1000)));
  expect((await readFile(path)).equals(Buffer.concat([part(0), part(1), part(2)]))).toBe(true);
});

it('tells each of a call that failed, and goes on with the next', async () => {
  const { handle, path, prototype } = await file();
  const spy = vi.spyOn(prototype, 'writev').mockRejectedValue(eio('writev'));
  const settled = await Promise.allSettled([0, 1, 5].map((i) => writeTogether(handle, part(i), i * 1000)));
  expect(settled.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled']);
  spy.mockRestore();
  await Promise.all([0, 1].map((i) => writeTogether(handle, part(i), i * 1000)));
  expect((await readFile(path)).subarray(0, 2000).equals(Buffer.concat([part(0), part(1)]))).toBe(true);
});

it('keeps files apart, and the same place written twice', async () => {
  const [a, b] = [await file(), await file()];
  await Promise.all([
    writeTogether(a.handle, part(1), 0),
    writeTogether(b.handle, part(2), 1000),
    writeTogether(a.handle, part(1), 0),
    writeTogether(b.handle, part(3), 0),
  ]);
  expect((await readFile(a.path)).equals(part(1))).toBe(true);
  expect((await readFile(b.path)).equals(Buffer.concat([part(3), part(2)]))).toBe(true);
});

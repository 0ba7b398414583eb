import { type FileHandle, open } from 'node:fs/promises';
import { type MockInstance, onTestFinished, vi } from 'vitest';

/** What disks do to files. */

/** Flips one bit of a file in place. */
export async function flip(path: string, at: number): Promise<void> {
  const file = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, at);
  byte.writeUInt8(byte.readUInt8() ^ 1);
  await file.write(byte, 0, 1, at);
  await file.close();
}

/** Every fdatasync of this process goes by `sync` until the test ends. */
export async function onDatasync(
  path: string,
  sync: (real: () => Promise<void>) => Promise<void>,
): Promise<MockInstance> {
  const handle = await open(path);
  await handle.close();
  const prototype: FileHandle = Object.getPrototypeOf(handle);
  const { datasync } = prototype;
  const spy = vi.spyOn(prototype, 'datasync').mockImplementation(function (this: FileHandle) {
    return sync(() => Reflect.apply(datasync, this, []));
  });
  onTestFinished(() => spy.mockRestore());
  return spy;
}

/** As the kernel says it. */
export const eio = (what = 'fdatasync'): Error => Object.assign(new Error(`EIO: i/o error, ${what}`), { code: 'EIO' });

/** Every read and write through a handle of this process: what `of` says it fails with, until the spy is restored. */
async function failing(
  what: 'read' | 'write',
  path: string,
  of: (position: number, length: number) => boolean,
): Promise<MockInstance> {
  const handle = await open(path);
  await handle.close();
  const prototype: FileHandle = Object.getPrototypeOf(handle);
  const real = prototype[what];
  const spy = vi.spyOn(prototype, what).mockImplementation(function (this: FileHandle, ...args: unknown[]) {
    const [, , length, position] = args;
    if (of(Number(position), Number(length))) return Promise.reject(eio(what));
    return Reflect.apply(real, this, args);
  } as never);
  onTestFinished(() => spy.mockRestore());
  return spy;
}

/** The byte at `bad` of every file cannot be read. @param path of any file. */
export function failReads(path: string, bad: number): Promise<MockInstance> {
  return failing('read', path, (position, length) => position <= bad && bad < position + length);
}

/** Nothing can be written in place. @param path of any file. */
export function failWrites(path: string): Promise<MockInstance> {
  return failing('write', path, () => true);
}

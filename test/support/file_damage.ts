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
export const eio = (): Error => Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' });

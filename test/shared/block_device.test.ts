import type { FileHandle } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { blockDeviceBytes } from '../../shared/block_device.js';

function device(size: number): { handle: FileHandle; reads: () => number } {
  let reads = 0;
  const read = async (_: Buffer, __: number, length: number, position: number): Promise<{ bytesRead: number }> => {
    reads++;
    return { bytesRead: Math.max(0, Math.min(length, size - position)) };
  };
  return { handle: { read } as unknown as FileHandle, reads: () => reads };
}

it.each([
  0,
  1,
  2,
  3,
  511,
  512,
  513,
  4096,
  1_000_448,
  2 ** 31,
  2 ** 31 + 512,
  64 * 2 ** 30,
  18_000_207_937_536,
  2 ** 50 - 512,
])('finds a size of %d', async (size) => {
  const { handle, reads } = device(size);
  expect(await blockDeviceBytes(handle)).toBe(size);
  expect(reads()).toBeLessThanOrEqual(105);
});

it('says what cannot be read, and ends with a device that has no end', async () => {
  const broken = {
    read: async () => Promise.reject(Object.assign(new Error('EIO'), { code: 'EIO' })),
  } as unknown as FileHandle;
  await expect(blockDeviceBytes(broken)).rejects.toThrow('EIO');
  expect(await blockDeviceBytes(device(Number.MAX_SAFE_INTEGER).handle)).toBeGreaterThanOrEqual(2 ** 52);
});

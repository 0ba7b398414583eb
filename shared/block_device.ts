import type { FileHandle } from 'node:fs/promises';

/** Past what any file can be; the search below stays within numbers that are exact. */
const MAX_SEARCHED_BYTES = 2 ** 52;

/**
 * Bytes of an open block device, of which `stat` says 0. Node has neither lseek nor ioctl, and sysfs is not there in every container,
 * so the end is searched for: a read from it on gives nothing. About 80 reads of one byte.
 * @throws what reading throws
 */
export async function blockDeviceBytes(handle: FileHandle): Promise<number> {
  const byte = Buffer.alloc(1);
  const isLonger = async (bytes: number): Promise<boolean> => (await handle.read(byte, 0, 1, bytes)).bytesRead > 0;
  if (!(await isLonger(0))) return 0;
  // It has more than `least` bytes and at most `most`.
  let [least, most] = [0, 1];
  while (most < MAX_SEARCHED_BYTES && (await isLonger(most))) [least, most] = [most, most * 2];
  while (most - least > 1) {
    const middle = Math.floor((least + most) / 2);
    if (await isLonger(middle)) least = middle;
    else most = middle;
  }
  return most;
}

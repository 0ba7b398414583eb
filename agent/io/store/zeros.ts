import type { FileHandle } from 'node:fs/promises';
import { readAt, writeAt } from './disk.js';

/**
 * Images of disks have long runs of zeros. The growing file has them before a byte is written: it is made by its length alone, and what
 * was never written to takes no room and reads as zeros. So zeros that are there already are not written.
 */

const SLICE_BYTES = 262_144;
const ZEROS = Buffer.alloc(SLICE_BYTES);

export function areZeros(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at += SLICE_BYTES) {
    const slice = bytes.subarray(at, at + SLICE_BYTES);
    if (Buffer.compare(slice, ZEROS.subarray(0, slice.length)) !== 0) return false;
  }
  return true;
}

/** Whether `bytes` are zeros and so is what the file has at `position`: what a crash or rot left there is no hole. */
export async function areZerosThere(handle: FileHandle, bytes: Uint8Array, position: number): Promise<boolean> {
  if (!areZeros(bytes)) return false;
  const there = Buffer.allocUnsafe(Math.min(SLICE_BYTES, bytes.length));
  for (let at = 0; at < bytes.length; at += SLICE_BYTES) {
    const slice = there.subarray(0, Math.min(SLICE_BYTES, bytes.length - at));
    // What cannot be read is written over.
    const read = await readAt(handle, slice, position + at).catch(() => 0);
    if (read < slice.length || !areZeros(slice)) return false;
  }
  return true;
}

/** As `writeAt`, save that zeros which are there already stay as they are. */
export async function writeSparsely(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  if (!(await areZerosThere(handle, bytes, position))) await writeAt(handle, bytes, position);
}

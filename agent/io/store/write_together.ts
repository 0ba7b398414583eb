import type { FileHandle } from 'node:fs/promises';
import { setImmediate as turn } from 'node:timers/promises';
import { writeAt } from './disk.js';

/**
 * Turns of the event loop for which what is to be written waits for its neighbours: a call to the disk, and the two switches of threads
 * that it brings, cost more than hashing a chunk. They take no time where there is nothing else to do, and a few milliseconds at full speed.
 */
const GATHER_TURNS = 4;

interface Part {
  readonly bytes: Uint8Array;
  readonly position: number;
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

const waiting = new WeakMap<FileHandle, Part[]>();

/** Settles after so many turns. */
export async function gathered(turns = GATHER_TURNS): Promise<void> {
  for (let i = 0; i < turns; i++) await turn();
}

/** Writes all of `bytes` at `position`, in one call with what comes meanwhile and lies beside it. `bytes` must not change until then. */
export function writeTogether(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  return new Promise((done, failed) => {
    const part = { bytes, position, done, failed };
    const others = waiting.get(handle);
    if (others !== undefined) {
      others.push(part);
      return;
    }
    const parts = [part];
    waiting.set(handle, parts);
    void gathered().then(() => {
      waiting.delete(handle);
      for (const run of runsOf(parts)) void writeRun(handle, run);
    });
  });
}

/** Parts that lie one behind the other, in that order. */
function runsOf(parts: Part[]): Part[][] {
  parts.sort((a, b) => a.position - b.position);
  const runs: Part[][] = [];
  let end = -1;
  for (const part of parts) {
    if (part.position === end) runs.at(-1)?.push(part);
    else runs.push([part]);
    end = part.position + part.bytes.length;
  }
  return runs;
}

async function writeRun(handle: FileHandle, run: readonly Part[]): Promise<void> {
  try {
    let written = 0;
    if (run.length > 1)
      ({ bytesWritten: written } = await handle.writev(
        run.map(({ bytes }) => bytes),
        run[0]?.position,
      ));
    // One write may take only a part of them.
    for (const { bytes, position } of run) {
      if (written < bytes.length) await writeAt(handle, bytes.subarray(written), position + written);
      written = Math.max(0, written - bytes.length);
    }
    for (const { done } of run) done();
  } catch (error) {
    for (const { failed } of run) failed(error);
  }
}

import { existsSync, statfsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

export { Sample } from './sample.js';

const MEMORY = '/dev/shm';
/** More than the tests that run at one time write; a container often has 64 MB. */
const ENOUGH_BYTES = 2 ** 29;

function roomy(folder: string): boolean {
  if (!existsSync(folder)) return false;
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize >= ENOUGH_BYTES;
}

/** Memory where there is any to be had: the store syncs often, and a slow disk would make every test wait. */
const QUICK = roomy(MEMORY) ? MEMORY : tmpdir();

/** A folder that goes with the test. @param parent where it must not be the quickest place. */
export async function temporaryFolder(parent = QUICK): Promise<string> {
  const folder = await mkdtemp(join(parent, 'chunkmesh-test-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** For `rejects.toThrow`: an error with that code. */
export function coded(code: string): unknown {
  return { asymmetricMatch: (error: unknown) => error instanceof Error && 'code' in error && error.code === code };
}

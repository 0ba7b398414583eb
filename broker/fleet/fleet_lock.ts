import { randomBytes } from 'node:crypto';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ChunkmeshError, systemCode } from '../../shared/errors.js';

/** One writer at a time to a fleet folder, across processes: a file that only one can create, naming who did. */

const LOCK_FILE = '.lock';
/** An enrolment takes milliseconds; a hundred in a row still end well within this. */
const LOCK_WAIT_MS = 10_000;
const LOCK_RETRY_MS = 15;

/**
 * Runs `change` while no other process changes the folder.
 * @throws E_TIMEOUT where another holds the folder for longer than ten seconds
 */
export async function withFleetLock<T>(folder: string, change: () => Promise<T>): Promise<T> {
  const path = join(folder, LOCK_FILE);
  const mine = `${process.pid} ${randomBytes(8).toString('hex')}`;
  const deadline = performance.now() + LOCK_WAIT_MS;
  while (!(await create(path, mine))) {
    if (performance.now() > deadline) {
      throw new ChunkmeshError('E_TIMEOUT', `another program is changing this fleet; if none is, remove ${path}`);
    }
    await removeStale(path, mine);
    await delay(LOCK_RETRY_MS);
  }
  try {
    return await change();
  } finally {
    await rm(path, { force: true });
  }
}

async function create(path: string, content: string): Promise<boolean> {
  try {
    await writeFile(path, content, { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw error;
  }
}

/** What a killed process left behind is moved aside, and put back if it turns out to be another, living one's. */
async function removeStale(path: string, mine: string): Promise<void> {
  const content = await readFile(path, 'utf8').catch(() => '');
  const [pid = ''] = content.split(' ');
  if (!/^[1-9][0-9]*$/.test(pid) || isAlive(Number(pid))) return;
  const aside = `${path}-${mine.split(' ')[1] ?? ''}`;
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  const moved = await readFile(aside, 'utf8').catch(() => content);
  if (moved !== content) await create(path, moved);
  await rm(aside, { force: true });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) !== 'ESRCH';
  }
}

import { readdir, readFile, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { SeededRandom } from '../../../sim/random.js';
import { Command } from '../../../support/command.js';
import { compileProgram } from '../../../support/compile_program.js';
import { killsWanted, reportKills } from '../../../support/kills.js';
import { temporaryFolder } from '../../../support/store_fixture.js';
import { Ledger } from './kills_ledger.js';
import { killSample, NAME, QUOTA_BYTES } from './kills_sample.js';
import { losePower } from './power_loss.js';

/**
 * kill -9 of a real process at random moments: from before it opens its store, through evictions, copies, writes, syncs, reads and
 * hand-overs, to after them. With every other one the power goes too, and takes what was not synced.
 */

const PROGRAM = 'test/agent/io/store/kills_child.ts';
const WANTED = killsWanted({ short: 20, long: 200 });
/** A process is killed after at most so many of its lines, more often early, and so long after that. */
const MOST_LINES = 300;
const MOST_MS = 25;

/** Lets it run up to some moment. @returns what it said by then */
async function killed(args: readonly string[], random: SeededRandom): Promise<string[]> {
  const child = new Command(args, { program: process.execPath, name: 'the store' });
  onTestFinished(async () => void (await child.kill()));
  const lines = Math.floor(random.next() ** 2 * MOST_LINES);
  for (let i = 0; i < lines; i++) await child.line();
  await after(random.next() * MOST_MS);
  const { stdout, stderr } = await child.kill();
  expect(stderr).toBe('');
  // A line that was cut is none.
  return stdout.split('\n').slice(0, -1);
}

/** Never installs a wrong byte, and never takes away what was installed last. */
async function checkReady(dir: string, ledger: Ledger): Promise<void> {
  const versions = await readdir(join(dir, 'ready', NAME)).catch(() => []);
  for (const version of versions) {
    const { bytes } = await killSample(Number(version));
    const right = bytes.equals(await readFile(join(dir, 'ready', NAME, version)));
    expect(right, `${NAME} ${version}, as it is installed`).toBe(true);
  }
  if (ledger.version > 0) expect(versions).toContain(`${ledger.version - 1}`);
}

async function checkQuota(dir: string): Promise<void> {
  let bytes = 0;
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size;
  }
  expect(bytes).toBeLessThanOrEqual(QUOTA_BYTES);
}

it(
  `P-9.8: kill -9, ${WANTED.kills} times (seed ${WANTED.seed}): no wrong byte is served or installed, nothing that was synced is lost`,
  async () => {
    // On a real disk, where there is one.
    const [dir, program] = [await temporaryFolder(tmpdir()), await compileProgram(PROGRAM, await temporaryFolder())];
    const random = new SeededRandom(WANTED.seed);
    const ledger = await Ledger.begin();
    let powerCuts = 0;
    for (let kill = 0; kill < WANTED.kills; kill++) {
      const seed = `${Math.floor(random.next() * 2 ** 31)}`;
      await ledger.read(await killed([program, dir, `${ledger.version}`, seed], random));
      await checkReady(dir, ledger);
      await checkQuota(dir);
      if (kill % 2 === 0) continue;
      await losePower(dir, NAME, ledger, random);
      ledger.powerWent();
      powerCuts++;
    }
    const { figures } = ledger;
    reportKills('kills of a store', WANTED, { kills: WANTED.kills, powerCuts, ...figures });
    for (const [what, count] of Object.entries(figures))
      if (what !== 'unopened') expect(count, what).toBeGreaterThan(0);
  },
  30_000 + WANTED.kills * 15_000,
);

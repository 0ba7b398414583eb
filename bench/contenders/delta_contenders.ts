import { copyFile, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Contender, Figure } from '../rounds.js';
import { output, works } from './program.js';
import type { Build, TwoBuilds } from './two_builds.js';

/** What else moves an update as a difference: what it would send of the new build to who has the old one. */

const TIMEOUT_MS = 300_000;
/** As casync and zchunk have it themselves, and chunkmesh for an artifact of this size. */
const AVERAGE_KIB = 64;

export const megabytes = (metric: string, bytes: number): Figure => ({ metric, unit: 'MB', value: bytes / 1e6 });
/** Of content, index included: without what protocols add. */
export const MOVED = 'content to move';

/** `rsync --stats`: bytes of the new file that it did not find in the old one. @throws where it says nothing of them */
export function rsyncLiteralBytes(text: string): number {
  const [, digits] = /^Literal data: ([\d,]+) bytes/m.exec(text) ?? [];
  if (digits === undefined) throw new Error('rsync printed no statistics');
  return Number(digits.replaceAll(',', ''));
}

/** `zck_delta_size`: bytes to download of the new file. @throws where it says nothing of them */
export function zchunkDeltaBytes(text: string): number {
  const [, digits] = /(\d+) of \d+ bytes/.exec(text) ?? [];
  if (digits === undefined) throw new Error('zck_delta_size printed no sizes');
  return Number(digits);
}

async function bytesBelow(folder: string): Promise<number> {
  let sum = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) sum += (await stat(join(entry.parentPath, entry.name))).size;
  }
  return sum;
}

async function within<T>(parent: string, work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(parent, 'delta-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** How fast the chunks of a build are made. */
async function speedOf({ bytes }: Build, make: () => Promise<unknown>): Promise<Figure> {
  const begun = performance.now();
  await make();
  const seconds = (performance.now() - begun) / 1000;
  return { metric: 'cut, hashed, compressed and written', unit: 'MB/s', value: bytes / 1e6 / seconds };
}

async function casync(folder: string, { before, after }: TwoBuilds): Promise<Figure[]> {
  const store = join(folder, 'store.castr');
  const make = (tar: string, index: string): Promise<string> =>
    output(
      'casync',
      ['make', `--chunk-size=${AVERAGE_KIB * 1024}`, `--store=${store}`, join(folder, index), tar],
      TIMEOUT_MS,
    );
  await make(before.tar, 'before.caibx');
  const had = await bytesBelow(store);
  const speed = await speedOf(after, () => make(after.tar, 'after.caibx'));
  const moved = (await bytesBelow(store)) - had + (await stat(join(folder, 'after.caibx'))).size;
  return [megabytes(MOVED, moved), speed];
}

async function zchunk(folder: string, { before, after }: TwoBuilds): Promise<Figure[]> {
  const [old, next] = [join(folder, 'before.zck'), join(folder, 'after.zck')];
  await output('zck', ['-o', old, before.tar], TIMEOUT_MS);
  const speed = await speedOf(after, () => output('zck', ['-o', next, after.tar], TIMEOUT_MS));
  const moved = zchunkDeltaBytes(await output('zck_delta_size', [old, next], TIMEOUT_MS));
  return [megabytes(MOVED, moved), speed];
}

async function rsync(folder: string, { before, after }: TwoBuilds): Promise<Figure[]> {
  const target = join(folder, 'artifact.tar');
  await copyFile(before.tar, target);
  const exact = ['--stats', '--no-whole-file', '--ignore-times'];
  return [megabytes(MOVED, rsyncLiteralBytes(await output('rsync', [...exact, after.tar, target], TIMEOUT_MS)))];
}

export function deltaContenders(folder: string, builds: TwoBuilds): Contender[] {
  const contender = (subject: string, there: boolean, how: string, run: typeof casync): Contender => {
    return { subject, absent: there ? undefined : how, run: () => within(folder, (own) => run(own, builds)) };
  };
  return [
    contender('casync, chunks compressed', works('casync', '--version'), 'apt-get install casync', casync),
    contender('zchunk, chunks compressed', works('zck', '--version'), 'apt-get install zchunk', zchunk),
    contender('rsync', works('rsync', '--version'), 'apt-get install rsync', rsync),
  ];
}

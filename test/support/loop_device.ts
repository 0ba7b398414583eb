import { execFileSync } from 'node:child_process';
import { truncateSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { requirement } from './requirement.js';
import { temporaryFolder } from './store_fixture.js';

/** Real block devices, and file systems on them: files behind a loop device, gone with the test. */

const run = (program: string, ...args: readonly string[]): string =>
  execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();

function works(...tries: readonly (readonly [string, ...string[]])[]): boolean {
  if (process.getuid?.() !== 0) return false;
  try {
    for (const [program, ...args] of tries) run(program, ...args);
    return true;
  } catch {
    return false;
  }
}

const HOW = 'run as root, where /dev/loop-control is there, with util-linux';
const mayLoop = works(['losetup', '--find']);

export const withLoopDevice = requirement('a loop device', mayLoop, HOW);
export const withExt4 = requirement(
  'an ext4 of its own',
  mayLoop && works(['mkfs.ext4', '-V'], ['unshare', '-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']),
  `${HOW} and e2fsprogs, and CAP_SYS_ADMIN`,
);

/** @param image whose length is a multiple of 512. @returns the path of the device. */
export function loopDevice(image: string): string {
  const device = run('losetup', '--find', '--show', image);
  onTestFinished(() => void run('losetup', '--detach', device));
  return device;
}

/** A file system, mounted. `image` is the disk itself. */
export async function ext4(bytes: number): Promise<{ folder: string; image: string }> {
  const above = await temporaryFolder();
  const [image, folder] = [join(above, 'disk'), join(above, 'mounted')];
  writeFileSync(image, '');
  truncateSync(image, bytes);
  await mkdir(folder);
  run('mkfs.ext4', '-q', image);
  run('mount', '-o', 'loop', image, folder);
  onTestFinished(() => void run('umount', '--lazy', folder));
  return { folder, image };
}

import { cp, mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { output } from './program.js';

/** Two builds of one file tree that differ a little: what an update mostly is. */

const TIMEOUT_MS = 300_000;
/** An application with its packages, and the same one patch later... */
const BEFORE = { express: '4.21.1', lodash: '4.17.21', typescript: '5.6.2', vite: '5.4.9' } as const;
const AFTER = { ...BEFORE, express: '4.21.2', typescript: '5.6.3', vite: '5.4.10' } as const;
/** ...and what they need as it was then: on one platform everybody has the same trees. */
const THEN = '2024-12-31';
/** What a build that can be reproduced does: nothing in the archive says when or by whom it was made. */
const REPRODUCIBLE = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner'] as const;

export interface Build {
  readonly tar: string;
  readonly bytes: number;
}

export interface TwoBuilds {
  readonly before: Build;
  readonly after: Build;
}

async function install(folder: string, packages: Readonly<Record<string, string>>): Promise<void> {
  const named = Object.entries(packages).map(([name, version]) => `${name}@${version}`);
  const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', '--save-exact', `--before=${THEN}`];
  await output('npm', ['install', '--prefix', folder, ...quiet, ...named], TIMEOUT_MS);
}

async function pack(folder: string): Promise<Build> {
  const tar = `${folder}.tar`;
  await output('tar', [...REPRODUCIBLE, '-C', folder, '-cf', tar, '.'], TIMEOUT_MS);
  return { tar, bytes: (await stat(tar)).size };
}

/** Takes both from the npm registry. @throws where it cannot be reached */
export async function makeTwoBuilds(parent: string): Promise<TwoBuilds> {
  const [before, after] = [join(parent, 'before'), join(parent, 'after')];
  await mkdir(before);
  await writeFile(join(before, 'package.json'), '{ "name": "app", "private": true }\n');
  await install(before, BEFORE);
  // What need not change does not: packages that those above need stay as they are.
  await cp(before, after, { recursive: true, verbatimSymlinks: true });
  await install(after, AFTER);
  return { before: await pack(before), after: await pack(after) };
}

/** @throws where one cannot be read */
export async function twoFiles(before: string, after: string): Promise<TwoBuilds> {
  const build = async (tar: string): Promise<Build> => ({ tar, bytes: (await stat(tar)).size });
  return { before: await build(before), after: await build(after) };
}

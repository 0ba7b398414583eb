// Before anything is installed: plain JavaScript, node's own modules only.
// Installs from the lock file when it differs from what is installed; with --build, compiles when a source is newer than the build; with
// --compile, always.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const sources = ['agent', 'bench', 'bin', 'broker', 'shared', 'test/lab', 'test/support'];

function run(command, args) {
  // Everything that a step prints goes to stderr: stdout belongs to the command that follows.
  const done = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (done.status !== 0) process.exit(done.status ?? 1);
}

/** The packages of a lock file as `path version`, the root entry left out. */
function packages(file) {
  const lock = JSON.parse(readFileSync(file, 'utf8'));
  return new Map(
    Object.entries(lock.packages)
      .filter(([path]) => path !== '')
      .map(([path, entry]) => [path, { version: entry.version, optional: entry.optional === true }]),
  );
}

function installed() {
  const hidden = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(hidden)) return false;
  const have = packages(hidden);
  for (const [path, { version, optional }] of packages(join(root, 'package-lock.json'))) {
    const found = have.get(path);
    if (found === undefined ? !optional : found.version !== version) return false;
  }
  return true;
}

function newest(directory) {
  let latest = 0;
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isFile() && entry.name.endsWith('.ts')) {
      latest = Math.max(latest, statSync(join(entry.parentPath, entry.name)).mtimeMs);
    }
  }
  return latest;
}

function built() {
  const stamp = join(root, 'dist/.tsbuildinfo');
  if (!existsSync(stamp)) return false;
  const inputs = [...sources.filter((name) => existsSync(join(root, name))).map((name) => newest(join(root, name)))];
  inputs.push(statSync(join(root, 'tsconfig.json')).mtimeMs, statSync(join(root, 'package-lock.json')).mtimeMs);
  return statSync(stamp).mtimeMs >= Math.max(...inputs);
}

function compile() {
  process.stderr.write('building ...\n');
  run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.json']);
}

if (!installed()) {
  process.stderr.write('installing the locked dependencies ...\n');
  run('npm', ['ci', '--loglevel=error', '--no-audit', '--no-fund']);
}
const build = process.argv.includes('--build');
const always = process.argv.includes('--compile');
if (always) compile();
else if (build && !built()) {
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  compile();
}
// The compiler writes no mode, and whoever linked the command runs this file itself.
if (always || build) chmodSync(join(root, 'dist/bin/chunkmesh.js'), 0o755);

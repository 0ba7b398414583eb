import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { CHECKOUT } from '../checkout.js';
import { output, works } from '../contenders/program.js';
import type { TestFile } from '../contenders/test_file.js';
import { pause } from '../link_flows.js';
import { ended, program } from './programs.js';
import type { Scene } from './scenes.js';
import { ORIGIN, Star } from './star.js';
import type { SwarmRun } from './swarm_run.js';

/** What else moves a file from an origin to devices, over the same links. */

export interface Comparator {
  readonly subject: string;
  readonly absent: string | undefined;
  readonly run: (scene: Scene, file: TestFile, folder: string, limits: readonly number[]) => Promise<SwarmRun>;
}

/** IP packets of 1,500 bytes with 1,448 of TCP's payload; of uTP it is about as much. */
const OVERHEAD = 1500 / 1448;
const PYTHON = '/usr/bin/python3';
const PORT = 8080;
const TRACKER_PORT = 6969;
const POLL_SECONDS = 0.02;
const TORRENT_MS = 60_000;
const DEADLINE_SECONDS = 240;
const SCRIPT = join(CHECKOUT, 'bench/contenders/libtorrent_swarm.py');
const TRACKER = join(CHECKOUT, 'dist/bench/contenders/tracker.js');

/** What each runs in: its star, folders of its own, which go afterwards. */
interface Ground {
  readonly star: Star;
  readonly file: TestFile;
  readonly devices: readonly number[];
  /** Of the origin, which has the file there, or of a device. */
  folderOf(end: number): string;
}

function raced(prepare: (ground: Ground) => Promise<() => Promise<void>[]>) {
  return async (scene: Scene, file: TestFile, folder: string, limits: readonly number[]): Promise<SwarmRun> => {
    const own = await mkdtemp(join(folder, 'swarm-'));
    const links = [scene.origin, ...scene.devices];
    const folderOf = (end: number): string => join(own, String(end));
    for (const end of links.keys()) await mkdir(folderOf(end));
    await symlink(file.path, join(folderOf(ORIGIN), basename(file.path)));
    try {
      return await Star.with(links, async (star) => {
        const devices = scene.devices.map((_, i) => i + 1);
        const begin = await prepare({ star, file, devices, folderOf });
        const before = await star.sentBy(ORIGIN);
        const at = performance.now();
        const seconds = await Promise.all(begin().map((done) => done.then(() => (performance.now() - at) / 1000)));
        const copies = ((await star.sentBy(ORIGIN)) - before) / OVERHEAD / file.bytes;
        return { seconds, copies, limits };
      });
    } finally {
      await rm(own, { recursive: true, force: true });
    }
  };
}

function libtorrent(kind: 'tcp' | 'utp') {
  return raced(async ({ star, file, devices, folderOf }) => {
    const torrent = join(folderOf(ORIGIN), 'torrent');
    await output(PYTHON, [SCRIPT, 'make', file.path, torrent], TORRENT_MS);
    const ends = [ORIGIN, ...devices];
    const members = ends.map((end) =>
      program(star, end, PYTHON, [SCRIPT, 'join', kind, star.lab.address(end), torrent, folderOf(end)]),
    );
    const peers: [string, number][] = [];
    for (const [i, member] of members.entries()) peers.push([star.lab.address(i), Number(await member.line())]);
    members[ORIGIN]?.say('[]');
    return () =>
      devices.map(async (end) => {
        const member = members[end];
        if (member === undefined) return;
        // Of two, one connects.
        member.say(JSON.stringify(peers.slice(0, end)));
        if ((await member.line()) !== 'done') throw new Error('libtorrent failed');
      });
  });
}

/** Programs that need a tracker, and run a script when they have all. */
function tracked(start: (torrent: string, folder: string, script: string, seeds: boolean) => [string, string[]]) {
  return raced(async ({ star, file, devices, folderOf }) => {
    const torrent = join(folderOf(ORIGIN), 'torrent');
    const announce = `http://${star.lab.address(ORIGIN)}:${TRACKER_PORT}/announce`;
    await output('transmission-create', ['-o', torrent, '-t', announce, file.path], TORRENT_MS);
    const tracker = [TRACKER, star.lab.address(ORIGIN), String(TRACKER_PORT)];
    await program(star, ORIGIN, process.execPath, tracker).line();
    const flag = (end: number): string => join(folderOf(end), 'done');
    const run = async (end: number): Promise<() => Promise<void>> => {
      const script = join(folderOf(end), 'script');
      await writeFile(script, `#!/bin/sh\ntouch ${flag(end)}\n`);
      await chmod(script, 0o755);
      const [command, args] = start(torrent, folderOf(end), script, end === ORIGIN);
      return async () => {
        program(star, end, command, args, { HOME: folderOf(end) }).process.stdout?.resume();
        for (let waited = 0; !existsSync(flag(end)); waited += POLL_SECONDS) {
          if (waited > DEADLINE_SECONDS) throw new Error(`${command} did not come to an end`);
          await pause(POLL_SECONDS);
        }
      };
    };
    const seed = await run(ORIGIN);
    seed().catch(() => {});
    // It looks through its file first.
    await pause(SEED_SECONDS);
    const others = await Promise.all(devices.map(run));
    return () => others.map((begin) => begin());
  });
}
const SEED_SECONDS = 4;

const aria2 = tracked((torrent, folder, script, seeds) => [
  'aria2c',
  [
    ...['--enable-dht=false', '--bt-enable-lpd=false', '--seed-ratio=0', '--file-allocation=none', '--quiet'],
    ...['--bt-tracker-interval=1', `--dir=${folder}`, `--on-bt-download-complete=${script}`],
    ...(seeds ? ['--check-integrity=true'] : []),
    torrent,
  ],
]);

const transmission = tracked((torrent, folder, script) => [
  'transmission-cli',
  ['-g', join(folder, 'config'), '-w', folder, '-f', script, '-M', torrent],
]);

const http = raced(async ({ star, file, devices, folderOf }) => {
  const folder = folderOf(ORIGIN);
  const conf = join(folder, 'nginx.conf');
  await writeFile(
    conf,
    `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log; events {}
     http { access_log off; sendfile on; server { listen ${PORT}; root ${dirname(file.path)}; } }`,
  );
  const server = program(star, ORIGIN, 'nginx', ['-p', folder, '-c', conf]);
  const url = `http://${star.lab.address(ORIGIN)}:${PORT}/${basename(file.path)}`;
  const listening = [
    '-s',
    '-o',
    '/dev/null',
    '--retry',
    '20',
    '--retry-connrefused',
    '--retry-delay',
    '1',
    '-r',
    '0-0',
  ];
  await ended(program(star, 1, 'curl', [...listening, url]));
  if (server.process.exitCode !== null) throw new Error('nginx ended early');
  return () => devices.map((end) => ended(program(star, end, 'curl', ['-sf', '-o', join(folderOf(end), 'file'), url])));
});

const lacks = (here: boolean, install: string): string | undefined => (here ? undefined : install);

export function comparators(): Comparator[] {
  const python = lacks(works(PYTHON, '-c', 'import libtorrent'), 'apt-get install python3-libtorrent');
  const maker = works('transmission-create', '--version');
  return [
    { subject: 'libtorrent, uTP', absent: python, run: libtorrent('utp') },
    { subject: 'libtorrent, TCP', absent: python, run: libtorrent('tcp') },
    {
      subject: 'aria2',
      absent: lacks(maker && works('aria2c', '--version'), 'apt-get install aria2 transmission-cli'),
      run: aria2,
    },
    { subject: 'transmission', absent: lacks(maker, 'apt-get install transmission-cli'), run: transmission },
    {
      subject: 'nginx and curl, to each',
      absent: lacks(works('nginx', '-v') && works('curl', '--version'), 'apt-get install nginx-light curl'),
      run: http,
    },
  ];
}

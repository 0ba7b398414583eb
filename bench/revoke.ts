import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Fleet } from '../broker/fleet/fleet.js';
import { findMosquitto, INSTALL_MOSQUITTO } from '../broker/mosquitto/executable.js';
import { publish } from '../broker/publish/publish.js';
import { putOnList } from '../broker/revocation/revoke.js';
import { loadCredential } from '../shared/identity/bundle.js';
import { seededBytes } from '../test/support/artifact_bytes.js';
import type { BarRule } from './bars.js';
import type { Event, Orders } from './revoke/fleet_process.js';
import type { Contender, Figure } from './rounds.js';
import type { Subject } from './subject.js';

/**
 * How long after an operator's wish a device is out of a fleet: agents with sockets and stores of their own, ten to a process, the
 * broker in another, and an update on its way among them all.
 */

const VICTIM = 'cam-0';
const SIZE = 4 * 2 ** 20;
/** So slow that nobody is done when the device is thrown out. */
const DOWN_RATE = 5_000;
const LEAST_PEERS = 3;
/** Once all have sessions: what is measured is not how a fleet meets. */
const SETTLE_MS = 5_000;
const AGENTS_PER_PROCESS = 10;
const PATIENCE_MS = 120_000;
const BAR_MS = 2_000;
const METRICS = [
  'broker session cut',
  'sessions with it closed by the last peer',
  'list in force at the last device',
  'return refused',
] as const;

type Kind = 'embedded' | 'mosquitto';

export interface RevokeOptions {
  readonly folder: string;
  readonly devices: number;
}

const now = (): number => performance.timeOrigin + performance.now();

/** What the agents' processes said, by kind. */
class Heard {
  readonly at = new Map<string, number[]>();
  readonly peers = new Map<ChildProcess, { readonly least: number; readonly victim: number }>();

  listen(child: ChildProcess): void {
    child.on('message', (event: Event) => {
      if (event.kind === 'peers') this.peers.set(child, event);
      else this.at.set(event.kind, [...(this.at.get(event.kind) ?? []), event.at]);
    });
  }

  count(kind: string): number {
    return this.at.get(kind)?.length ?? 0;
  }

  last(kind: string): number {
    return Math.max(...(this.at.get(kind) ?? [Number.NaN]));
  }

  first(kind: string): number {
    return this.at.get(kind)?.[0] ?? Number.NaN;
  }
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`not in time: ${what}`);
    await delay(20);
  }
}

const program = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

async function startBroker(kind: Kind, folder: string): Promise<{ url: string; child: ChildProcess }> {
  const flags = ['--fleet', folder, '--kind', kind, '--host', '127.0.0.1', '--port', '0', '--json'];
  const child = fork(program('../bin/chunkmesh.js'), ['broker', ...flags], {
    stdio: ['ignore', 'pipe', 'ignore', 'ipc'],
  });
  const line = await new Promise<string>((resolve) => child.stdout?.once('data', (data: Buffer) => resolve(`${data}`)));
  child.stdout?.resume();
  return { url: JSON.parse(line.split('\n')[0] ?? '').broker, child };
}

function startAgents(orders: Omit<Orders, 'members'>, members: Orders['members'], heard: Heard): ChildProcess[] {
  const children: ChildProcess[] = [];
  for (let at = 0; at < members.length; at += AGENTS_PER_PROCESS) {
    const child = fork(program('revoke/fleet_process.js'), [], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
    heard.listen(child);
    child.send({ ...orders, members: members.slice(at, at + AGENTS_PER_PROCESS) });
    children.push(child);
  }
  return children;
}

async function round(kind: Kind, { folder: parent, devices }: RevokeOptions): Promise<Figure[]> {
  const folder = await mkdtemp(join(parent, 'revoke-'));
  const fleet = await Fleet.init(join(folder, 'fleet'), { fleet: 'plant' });
  const ids = Array.from({ length: devices }, (_, i) => `cam-${i}`);
  for (const id of ids) await fleet.enroll(id);
  await fleet.enroll('seed', { role: 'seed' });
  const file = join(folder, 'image');
  await writeFile(file, seededBytes('revoke', SIZE));
  const { url: broker, child } = await startBroker(kind, fleet.folder);
  const heard = new Heard();
  const members = ['seed', ...ids].map((id) => ({
    ...{ bundle: fleet.bundlePath(id), store: join(folder, id) },
    ...(id === 'seed' && { seeds: [file] }),
  }));
  const children = startAgents({ broker, victim: VICTIM, downRate: DOWN_RATE }, members, heard);
  try {
    await until('all online', () => heard.count('online') === members.length);
    const common = { fleetFolder: fleet.folder, broker };
    const credential = await loadCredential(fleet.bundlePath('publisher'));
    await publish({ ...common, credential, file, name: 'image', version: '1', group: 'default', devices });
    const meet = (): boolean =>
      heard.peers.size === children.length &&
      [...heard.peers.values()].every(({ least, victim }) => least > 0 && (victim < 0 || victim >= LEAST_PEERS));
    await until('sessions', meet);
    await delay(SETTLE_MS);
    const operator = await loadCredential(fleet.bundlePath('operator'));
    const began = now();
    await putOnList({ ...common, credential: operator }, VICTIM, 'revoked', 'bench');
    await until('the end', () => heard.count('told') >= devices && heard.count('refused') > 0);
    const figures = [heard.first('cut'), heard.last('closed'), heard.last('told'), heard.first('refused')];
    return METRICS.map((metric, i) => ({ metric, unit: 'ms', value: (figures[i] ?? Number.NaN) - began }));
  } finally {
    for (const one of children) one.kill('SIGKILL');
    // It has a program of its own to end.
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await ended;
    await rm(folder, { recursive: true, force: true });
  }
}

export async function revoke(options: RevokeOptions): Promise<Subject> {
  const contender = (kind: Kind, absent?: string): Contender => ({
    subject: `${kind}, ${options.devices} devices`,
    absent,
    run: () => round(kind, options),
  });
  const contenders = [
    contender('embedded'),
    contender('mosquitto', findMosquitto() === null ? INSTALL_MOSQUITTO : undefined),
  ];
  const rules = contenders.flatMap(({ subject }) =>
    METRICS.slice(0, 3).map((metric): BarRule => ({ subject, metric, is: 'at most', limit: BAR_MS })),
  );
  return { name: 'revoke', contenders, rules };
}

import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import { Agent } from '../agent/agent.js';
import { Transfer } from '../agent/transfer/transfer.js';
import { EmbeddedBroker } from '../broker/embedded/embedded_broker.js';
import { Fleet } from '../broker/fleet/fleet.js';
import { findMosquitto, INSTALL_MOSQUITTO } from '../broker/mosquitto/executable.js';
import { Mosquitto } from '../broker/mosquitto/mosquitto.js';
import { publish } from '../broker/publish/publish.js';
import { putOnList } from '../broker/revocation/revoke.js';
import { loadCredential } from '../shared/identity/bundle.js';
import { seededBytes } from '../test/support/artifact_bytes.js';
import type { BarRule } from './bars.js';
import type { Contender, Figure } from './rounds.js';
import type { Subject } from './subject.js';

/** How long after an operator's wish a device is out of a fleet: agents in this process, each with sockets and a store of its own. */

const VICTIM = 'cam-0';
const SIZE = 4 * 2 ** 20;
/** So slow that nobody is done when the device is thrown out. */
const DOWN_RATE = 20_000;
const LEAST_PEERS = 4;
const PATIENCE_MS = 120_000;
const BAR_MS = 2_000;
const METRICS = [
  'broker session cut',
  'sessions with it closed by the last peer',
  'list in force at the last device',
  'return refused',
] as const;

interface RevokeOptions {
  readonly folder: string;
  readonly devices: number;
}

const logger = pino({ level: 'silent' });

/** Whose transfers were told whom to drop, and when. */
class Watch {
  readonly closed: number[] = [];
  readonly told: number[] = [];
  readonly #original = Transfer.prototype.dropRevoked;

  begin(): void {
    const watch = this;
    const { dropRevoked } = Transfer.prototype;
    Transfer.prototype.dropRevoked = function (isNamed): void {
      const had = this.sessionSince(VICTIM) !== undefined;
      dropRevoked.call(this, isNamed);
      const at = performance.now();
      watch.told.push(at);
      if (had && this.sessionSince(VICTIM) === undefined) watch.closed.push(at);
    };
  }

  end(): void {
    Transfer.prototype.dropRevoked = this.#original;
  }
}

async function startBroker(kind: 'embedded' | 'mosquitto', fleetDir: string) {
  const options = { fleetDir, host: '127.0.0.1', port: 0, logger };
  const broker = kind === 'embedded' ? await EmbeddedBroker.start(options) : await Mosquitto.start(options);
  return { url: `mqtts://localhost:${broker.address.port}`, close: () => broker.close() };
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`not in time: ${what}`);
    await delay(5);
  }
}

async function round(kind: 'embedded' | 'mosquitto', { folder: parent, devices }: RevokeOptions): Promise<Figure[]> {
  const folder = await mkdtemp(join(parent, 'revoke-'));
  const agents: Agent[] = [];
  const watch = new Watch();
  const fleet = await Fleet.init(join(folder, 'fleet'), { fleet: 'plant' });
  const ids = Array.from({ length: devices }, (_, i) => `cam-${i}`);
  for (const id of ids) await fleet.enroll(id);
  await fleet.enroll('seed', { role: 'seed' });
  const broker = await startBroker(kind, fleet.folder);
  try {
    const file = join(folder, 'image');
    await writeFile(file, seededBytes('revoke', SIZE));
    for (const id of ['seed', ...ids]) {
      const agent = new Agent({
        ...{ credential: fleet.bundlePath(id), store: join(folder, id), broker: broker.url, joinWindowMs: 500 },
        ...{
          listen: { host: '127.0.0.1' },
          ...(id === 'seed' ? { seeds: [file] } : { limits: { downRate: DOWN_RATE } }),
        },
      });
      agent.on('warning', () => {});
      agents.push(agent);
      const online = once(agent, 'online');
      await agent.start();
      await online;
    }
    const credential = await loadCredential(fleet.bundlePath('publisher'));
    const common = { fleetFolder: fleet.folder, broker: broker.url };
    await publish({ ...common, credential, file, name: 'image', version: '1', group: 'default', devices });
    const victim = agents[1 + ids.indexOf(VICTIM)] as Agent;
    await until('sessions', () => victim.status().peers >= LEAST_PEERS);
    watch.begin();
    const cut = once(victim, 'offline').then(() => performance.now());
    const refused = new Promise<number>((resolve) => {
      victim.on('warning', ({ code }) => code === 'E_BROKER_REFUSED' && resolve(performance.now()));
    });
    const operator = await loadCredential(fleet.bundlePath('operator'));
    const began = performance.now();
    await putOnList({ ...common, credential: operator }, VICTIM, 'revoked', 'bench');
    // The seed's, and one each of the devices but the one that is thrown out.
    await until('the list at every device', () => watch.told.length >= devices);
    const figures = [await cut, Math.max(...watch.closed), Math.max(...watch.told), await refused];
    return METRICS.map((metric, i) => ({ metric, unit: 'ms', value: (figures[i] ?? Number.NaN) - began }));
  } finally {
    watch.end();
    await Promise.all(agents.map((agent) => agent.stop().catch(() => {})));
    await broker.close();
    await rm(folder, { recursive: true, force: true });
  }
}

export async function revoke(options: RevokeOptions): Promise<Subject> {
  const contender = (kind: 'embedded' | 'mosquitto', absent?: string): Contender => ({
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

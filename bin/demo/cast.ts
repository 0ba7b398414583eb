import { Fleet } from '../../broker/fleet/fleet.js';
import { ChunkmeshError } from '../../shared/errors.js';
import type { BrokerCounts } from '../broker_run.js';
import { Child, type ChildEvent } from './child.js';
import type { DemoFolder } from './folder.js';
import type { BrokerKind } from './options.js';

/** Everyone who takes part in a demo: the broker, the publisher, one seed, the devices; each a child process. */

export const GROUP = 'demo';
export const ROLLOUT = 'demo';
export const VERSION = '1.0.0';
const SEED = 'seed';
/** Often enough for a live view, and still a trickle. */
const STATUS_INTERVAL_MS = '500';
const JOIN_WINDOW_MS = '200';

export function deviceIds(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `device-${i + 1}`);
}

const isEvent =
  (...names: readonly string[]) =>
  ({ event }: ChildEvent): boolean =>
    event !== undefined && names.includes(event);

export type BrokerCount = Omit<BrokerCounts, 'messages'>;

const asCount = (value: unknown): number => (typeof value === 'number' ? value : 0);

export class Cast {
  readonly #folder: DemoFolder;
  readonly #children = new Set<Child>();
  #broker: Child | undefined;
  #brokerAddress = '';
  #count: BrokerCount | undefined;

  constructor(folder: DemoFolder) {
    this.#folder = folder;
  }

  /** The fleet, with a member for each of the cast. */
  async enroll(devices: readonly string[]): Promise<Fleet> {
    const fleet = await Fleet.init(this.#folder.fleet, { fleet: 'demo', hosts: ['127.0.0.1'] });
    await fleet.enroll(SEED, { role: 'seed', groups: [GROUP] });
    for (const device of devices) await fleet.enroll(device, { groups: [GROUP] });
    return fleet;
  }

  /** @returns `mqtts://host:port` */
  async startBroker(kind: BrokerKind, audited: string): Promise<string> {
    const args = ['broker', '--fleet', this.#folder.fleet, '--host', '127.0.0.1', '--port', '0', '--kind', kind];
    const broker = this.#start('broker', [...args, '--audit', audited]);
    this.#broker = broker;
    broker.on('data', (data) => {
      if (!isEvent('traffic', 'stats')(data)) return;
      this.#count = {
        controlBytes: asCount(data.controlBytes),
        payloadBytes: asCount(data.payloadBytes),
        unscanned: asCount(data.unscanned),
        interruptions: asCount(data.interruptions),
      };
    });
    const { broker: address } = await broker.first(isEvent('listening'));
    this.#brokerAddress = String(address);
    return this.#brokerAddress;
  }

  /** One agent, online when this resolves. */
  async startAgent(fleet: Fleet, device: string, seed?: string): Promise<Child> {
    const settings = {
      '--bundle': fleet.bundlePath(device),
      '--store': this.#folder.store(device),
      '--listen': '127.0.0.1:0',
      '--broker': this.#brokerAddress,
      '--status-interval': STATUS_INTERVAL_MS,
      '--join-window': JOIN_WINDOW_MS,
      ...(seed !== undefined && { '--seed': seed }),
    };
    const agent = this.#start(device, ['agent', ...Object.entries(settings).flat()]);
    await agent.first(isEvent('online'));
    return agent;
  }

  async startSeed(fleet: Fleet, file: string): Promise<Child> {
    return await this.startAgent(fleet, SEED, file);
  }

  /** Resolves when the broker holds the rollout. */
  async publish(file: string): Promise<void> {
    const options = ['--name', ROLLOUT, '--version', VERSION, '--group', GROUP];
    const args = ['publish', file, '--fleet', this.#folder.fleet, ...options, '--broker', this.#brokerAddress];
    await this.#start('publish', args).first((data) => 'artifact' in data);
  }

  /** Rejects when somebody without whom nothing goes on has ended by itself. */
  async lost(children: readonly Child[]): Promise<never> {
    return await new Promise((_, reject) => {
      for (const child of [this.#broker, ...children]) child?.once('exit', () => reject(child.failure()));
    });
  }

  /** Agents before their broker, so that they can say goodbye. @returns what the broker counted, where it lived to tell. */
  async stop(): Promise<BrokerCount | undefined> {
    await Promise.all([...this.#children].filter((child) => child !== this.#broker).map((child) => child.stop()));
    const wasRunning = this.#broker?.running === true;
    await this.#broker?.stop();
    return wasRunning ? this.#count : undefined;
  }

  /** Without waiting. */
  kill(): void {
    for (const child of this.#children) {
      if (child === this.#broker) child.dismiss();
      else child.kill();
    }
  }

  #start(name: string, args: readonly string[]): Child {
    const child = new Child({ name, args, log: this.#folder.log(name) });
    this.#children.add(child);
    return child;
  }
}

/** What an agent says of its completion. */
export interface Completion {
  readonly path: string;
  readonly fromSeed: number;
  readonly fromPeers: number;
  readonly wasted: number;
}

/** @throws E_INTERNAL where the event is not what `chunkmesh agent --json` documents */
export function completionOf(data: ChildEvent): Completion {
  const { path, fromSeed, fromPeers, wasted } = data;
  if (typeof path !== 'string') throw new ChunkmeshError('E_INTERNAL', 'a completion without a path');
  return { path, fromSeed: asCount(fromSeed), fromPeers: asCount(fromPeers), wasted: asCount(wasted) };
}

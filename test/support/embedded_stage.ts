import { randomBytes } from 'node:crypto';
import type { IClientOptions, MqttClient } from 'mqtt';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, expect, vi } from 'vitest';
import { EmbeddedBroker } from '../../broker/embedded/embedded_broker.js';
import { topics } from '../../shared/control/topics.js';
import type { Credential } from '../../shared/identity/bundle.js';
import { connectMember } from './broker_client.js';
import { TestFleet } from './test_fleet.js';

interface Seen {
  readonly topic: string;
  readonly payload: Buffer;
}

/** For each test file a fleet of two devices, cam-1 and cam-2; for each test an embedded broker. */
export class EmbeddedStage {
  readonly #clients: MqttClient[] = [];
  readonly #members = new Map<string, Credential>();
  #fleet: TestFleet | undefined;
  #broker: EmbeddedBroker | undefined;

  constructor() {
    beforeAll(async () => {
      this.#fleet = await TestFleet.create();
      for (const id of ['cam-1', 'cam-2']) this.#members.set(id, await this.#fleet.enroll(id));
      this.#members.set('operator', await this.#fleet.credential('operator'));
    });
    afterAll(() => this.fleet.remove());
    beforeEach(async () => {
      this.#broker = await this.start(0);
    });
    afterEach(async () => {
      for (const client of this.#clients.splice(0)) client.end(true);
      await this.broker.close();
    });
  }

  get fleet(): TestFleet {
    return present(this.#fleet);
  }

  get broker(): EmbeddedBroker {
    return present(this.#broker);
  }

  get port(): number {
    return this.broker.address.port;
  }

  start(port: number): Promise<EmbeddedBroker> {
    const logger = pino({ level: 'silent' });
    return EmbeddedBroker.start({ fleetDir: this.fleet.folder, host: '127.0.0.1', port, logger });
  }

  credential(id: 'cam-1' | 'cam-2' | 'operator'): Credential {
    return present(this.#members.get(id));
  }

  status(id: string): string {
    return topics.status(this.fleet.prefix, id);
  }

  async member(credential: Credential, options: Partial<IClientOptions> = {}): Promise<MqttClient> {
    const client = await connectMember(credential, this.port, options);
    this.#clients.push(client);
    return client;
  }

  /** The operator watches every status; `next` resolves with each in turn. */
  async watch(): Promise<{ next: () => Promise<Seen> }> {
    const client = await this.member(this.credential('operator'));
    const seen: Seen[] = [];
    client.on('message', (topic, payload) => seen.push({ topic, payload }));
    await client.subscribeAsync(`${this.fleet.prefix}/status/+`, { qos: 1 });
    return { next: () => vi.waitFor(() => seen.shift() ?? Promise.reject(new Error('no message yet'))) };
  }

  /** Members still come in, publish and receive. */
  async expectWell(): Promise<void> {
    const { next } = await this.watch();
    const text = randomBytes(8).toString('hex');
    const client = await this.member(this.credential('cam-1'));
    await client.publishAsync(this.status('cam-1'), text, { qos: 1 });
    const { topic, payload } = await next();
    expect([topic, payload.toString()]).toEqual([this.status('cam-1'), text]);
  }
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('used outside a test');
  return value;
}

import { EventEmitter } from 'node:events';
import type { MqttClient } from 'mqtt';
import { onTestFinished } from 'vitest';
import { Agent } from '../../agent/agent.js';
import type { AgentOptions, CompletedArtifact } from '../../agent/options.js';
import type { ArtifactIndex } from '../../shared/artifact/index.js';
import { sealEnvelope } from '../../shared/control/envelope.js';
import { encodeMessage, type Rollout } from '../../shared/control/messages.js';
import { topics } from '../../shared/control/topics.js';
import type { Credential } from '../../shared/identity/bundle.js';
import { TestFleet } from './test_fleet.js';
import { TrustMaker } from './trust_maker.js';

/** An agent with a real store and a real socket that meets nobody: the broker is the test's hand, and there are no peers. */

const GROUP = 'default';

/** As much of an MQTT client as a ControlLink needs. */
class HandOfTheTest extends EventEmitter {
  connected = true;
  subscribe(_filter: string, _options: object, done: (error: null, granted: []) => void): void {
    done(null, []);
  }
  unsubscribe(_filter: string, done: () => void): void {
    done();
  }
  async unsubscribeAsync(): Promise<void> {}
  publish(): void {}
  async publishAsync(): Promise<void> {}
  get real(): MqttClient {
    return this as unknown as MqttClient;
  }
}

export class LoneFleet {
  readonly #device: Credential;
  readonly #publisher: Credential;
  readonly #trust: TrustMaker;
  #number = 0;
  #retained: Uint8Array | null = null;

  private constructor(device: Credential, publisher: Credential) {
    this.#trust = new TrustMaker(Math.floor(Date.now() / 1000));
    this.#device = { ...device, root: this.#trust.root };
    this.#publisher = publisher;
  }

  /** Gone with the test. */
  static async create(): Promise<LoneFleet> {
    const fleet = await TestFleet.create();
    onTestFinished(() => fleet.remove());
    return new LoneFleet(await fleet.enroll('cam-1'), await fleet.credential('publisher'));
  }

  /** Stopped with the test, where it is not stopped before. */
  agent(store: string, options: Partial<AgentOptions> = {}): LoneAgent {
    const mqtt = new HandOfTheTest();
    const agent = new LoneAgent({
      ...{ credential: this.#device, store, mqtt: mqtt.real, listen: { host: '127.0.0.1' }, joinWindowMs: 0 },
      ...options,
    });
    onTestFinished(() => agent.stop().catch(() => {}));
    agent.on('online', () => this.#deliver(mqtt));
    this.#agents.push(mqtt);
    return agent;
  }
  readonly #agents: HandOfTheTest[] = [];

  /** Who hears the connections of its agents; an error is heard for as long as the caller's connection lasts. */
  get listeners(): number {
    return this.#agents.reduce((sum, mqtt) => sum + mqtt.listenerCount('message') + mqtt.listenerCount('connect'), 0);
  }

  /** The group's rollouts from now on, for every agent that is online and any that comes. */
  publish(...rollouts: Rollout[]): void {
    const at = Math.floor(Date.now() / 1000);
    const { prefix } = this.#publisher;
    const bundle = this.#trust.bundle(GROUP, rollouts, { version: ++this.#number, at });
    const message = encodeMessage({ t: 'trust', v: 2, bundle });
    this.#retained = sealEnvelope(topics.trust(prefix, GROUP), message, this.#publisher);
    for (const mqtt of this.#agents) this.#deliver(mqtt);
  }

  #deliver(mqtt: HandOfTheTest): void {
    if (this.#retained === null) return;
    mqtt.emit('message', topics.trust(this.#publisher.prefix, GROUP), Buffer.from(this.#retained), { retain: true });
  }
}

/** With what it told. */
export class LoneAgent extends Agent {
  readonly completed: CompletedArtifact[] = [];
  readonly warnings: string[] = [];

  constructor(options: AgentOptions) {
    super(options);
    this.on('complete', (artifact) => this.completed.push(artifact));
    this.on('warning', ({ code }) => this.warnings.push(code));
  }

  /** Names and versions that are complete, as they came. */
  get names(): string[] {
    return this.completed.map(({ name, version }) => `${name} ${version}`);
  }
}

export function rolloutOf(
  { artifact, size, chunkCount: chunks }: ArtifactIndex,
  name: string,
  version: string,
): Rollout {
  return { name, version, artifact: new Uint8Array(Buffer.from(artifact, 'hex')), size, chunks, shards: 1 };
}

import { createHash, createPrivateKey } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, vi } from 'vitest';
import { Agent } from '../../../../agent/agent.js';
import type { CompletedArtifact } from '../../../../agent/options.js';
import { PayloadScanner } from '../../../../broker/meter/payload_scanner.js';
import { publish } from '../../../../broker/publish/publish.js';
import type { ChunkmeshError } from '../../../../shared/errors.js';
import type { Credential } from '../../../../shared/identity/bundle.js';
import { streamBytes } from '../../../support/artifact_bytes.js';
import { TestFleet } from '../../../support/test_fleet.js';
import { HostileBroker } from './hostile_broker.js';
import { SessionLedger } from './session_ledger.js';

/** Agents, each with its store and its socket, at a broker that may do what it likes; and what must hold whatever it does. */

/** What a device may say of what it is sent. Anything else, E_INTERNAL above all, would be a fault. */
const REFUSAL = /^E_(MESSAGE_\w+|TRUST_\w+|REVOCATION_\w+|PEER_REVOKED|CERT_\w+|BROKER_\w+|CHUNK_WRONG)$/;
const GROUP = 'default';
const PATIENCE_MS = 60_000;
const MIB = 2 ** 20;

export class Watched {
  readonly id: string;
  readonly agent: Agent;
  readonly completed: CompletedArtifact[] = [];
  readonly warnings: ChunkmeshError[] = [];

  constructor(id: string, agent: Agent) {
    this.id = id;
    this.agent = agent;
    agent.on('complete', (artifact) => this.completed.push(artifact));
    agent.on('warning', (error) => this.warnings.push(error));
  }

  get codes(): string[] {
    return [...new Set(this.warnings.map(({ code }) => code))];
  }
}

export class HostileFleet {
  readonly members: TestFleet;
  readonly broker: HostileBroker;
  readonly ledger = new SessionLedger();
  readonly agents = new Map<string, Watched>();
  readonly #all: Watched[] = [];
  readonly #credentials = new Map<string, Credential>();
  /** By version. */
  readonly #published = new Map<string, { readonly path: string; readonly bytes: Buffer; readonly sha256: string }>();

  private constructor(members: TestFleet, broker: HostileBroker) {
    this.members = members;
    this.broker = broker;
  }

  /** A seed of every version, and the devices. Gone with the test. */
  static async create(versions: readonly string[], devices: readonly string[], mebibytes = 1): Promise<HostileFleet> {
    const members = await TestFleet.create('plant');
    const broker = await HostileBroker.start(members.folder);
    const fleet = new HostileFleet(members, broker);
    onTestFinished(async () => {
      await Promise.all([...fleet.agents.values()].map(({ agent }) => agent.stop()));
      await broker.close();
      await members.remove();
      vi.restoreAllMocks();
    });
    for (const version of versions) await fleet.#makeVersion(version, mebibytes * MIB);
    await fleet.start('depot', 'seed');
    for (const id of devices) await fleet.start(id);
    return fleet;
  }

  get devices(): Watched[] {
    return [...this.agents.values()].filter(({ id }) => id !== 'depot');
  }

  async credential(id: string, role: 'device' | 'seed' = 'device'): Promise<Credential> {
    const known = this.#credentials.get(id);
    if (known !== undefined) return known;
    const made = await this.members.enroll(id, { role });
    this.#credentials.set(id, made);
    return made;
  }

  /** With the store that it had, where it was there before. */
  async start(id: string, role: 'device' | 'seed' = 'device'): Promise<Watched> {
    const store = join(this.members.root, `store-${id}`);
    await mkdir(store, { recursive: true, mode: 0o700 });
    const agent = new Agent({
      ...{ credential: await this.credential(id, role), store, broker: this.broker.url, listen: { host: '127.0.0.1' } },
      ...{ joinWindowMs: 10, statusIntervalMs: 100 },
      seeds: role === 'seed' ? [...this.#published.values()].map(({ path }) => path) : [],
    });
    const watched = new Watched(id, agent);
    this.agents.set(id, watched);
    this.#all.push(watched);
    await agent.start();
    return watched;
  }

  async restart(id: string): Promise<Watched> {
    await this.agents.get(id)?.agent.stop();
    return this.start(id, id === 'depot' ? 'seed' : 'device');
  }

  /** By the publisher itself, which the broker lets do its work. */
  async publish(version: string): Promise<void> {
    const { path: file = '' } = this.#published.get(version) ?? {};
    const credential = await this.members.credential('publisher');
    const target = { name: 'firmware', version, group: GROUP, devices: 4, broker: this.broker.url };
    await publish({ credential, fleetFolder: this.members.folder, file, ...target });
  }

  bytesOf(version: string): Buffer {
    return this.#published.get(version)?.bytes ?? Buffer.alloc(0);
  }

  async complete(version: string, ids = this.devices.map(({ id }) => id)): Promise<void> {
    for (const id of ids) {
      const watched = this.agents.get(id);
      while (watched?.completed.some((one) => one.version === version) === false) {
        await once(watched.agent, 'complete', { signal: AbortSignal.timeout(PATIENCE_MS) });
      }
    }
  }

  /** What holds at any moment, whatever the broker did. */
  async expectUnharmed(): Promise<void> {
    for (const { completed, id, warnings } of this.#all) {
      expect(warnings.filter(({ code }) => !REFUSAL.test(code)).map(String), id).toEqual([]);
      for (const { path, version } of completed) {
        const sha256 = await readFile(path).then(
          (bytes) => createHash('sha256').update(bytes).digest('hex'),
          () => 'gone for a newer version',
        );
        expect([this.#published.get(version)?.sha256, 'gone for a newer version']).toContain(sha256);
      }
    }
    this.ledger.expectSound();
    this.#expectNothingLearned();
    this.broker.heard.length = 0;
  }

  /** No chunk, no key of a session and none of a device is in what the broker heard. */
  #expectNothingLearned(): void {
    const heard = Buffer.concat(this.broker.heard);
    for (const { bytes } of this.#published.values()) {
      const scanner = PayloadScanner.ofBytes(bytes);
      expect(scanner.scan(heard)).toBe(0);
      scanner.close();
    }
    const secrets = [...this.ledger.secrets].map((secret) => Buffer.from(secret, 'hex'));
    for (const { tls } of this.#credentials.values()) {
      const { d = '' } = createPrivateKey(tls.exportKey()).export({ format: 'jwk' });
      secrets.push(Buffer.from(d, 'base64url'));
    }
    for (const secret of secrets) {
      for (const spelled of [secret, secret.toString('hex'), secret.toString('base64'), secret.toString('base64url')]) {
        expect(heard.includes(spelled)).toBe(false);
      }
    }
  }

  async #makeVersion(version: string, size: number): Promise<void> {
    const path = join(this.members.root, `firmware-${version}`);
    const bytes = streamBytes(version, size);
    await writeFile(path, bytes);
    this.#published.set(version, { path, bytes, sha256: createHash('sha256').update(bytes).digest('hex') });
  }
}

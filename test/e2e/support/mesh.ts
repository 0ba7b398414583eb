import { createCipheriv, createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type EnrolOptions, Fleet } from '../../../broker/fleet/fleet.js';
import { type Published, publish } from '../../../broker/publish/publish.js';
import { type Credential, loadCredential } from '../../../shared/identity/bundle.js';
import { Command } from './command.js';

/** A fleet in a temporary folder, its broker and its agents: each a process of its own, all gone with the test. */

export const MIB = 2 ** 20;
const STATUS_INTERVAL_MS = 50;
const JOIN_WINDOW_MS = 50;

export interface Artifact {
  readonly path: string;
  readonly bytes: Buffer;
  readonly size: number;
  /** Hex. */
  readonly sha256: string;
}

export interface AgentFlags {
  readonly broker: string;
  readonly bundle?: string;
  readonly store?: string;
  /** Files that it has already. */
  readonly seeds?: readonly string[];
  readonly listen?: string;
}

/** AES-256-CTR over zeros under a key of the seed's: incompressible, quick, and the same everywhere. */
export function seededBytes(seed: string, size: number): Buffer {
  const cipher = createCipheriv('aes-256-ctr', createHash('sha256').update(seed).digest(), Buffer.alloc(16));
  return cipher.update(Buffer.alloc(size));
}

export async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const part of createReadStream(path)) hash.update(part as Buffer);
  return hash.digest('hex');
}

export class Mesh {
  readonly folder: string;
  readonly fleet: Fleet;
  readonly #commands: Command[] = [];

  private constructor(folder: string, fleet: Fleet) {
    this.folder = folder;
    this.fleet = fleet;
  }

  /** Gone with the test that makes it. */
  static async create(name = 'plant'): Promise<Mesh> {
    const folder = await mkdtemp(join(tmpdir(), 'chunkmesh-e2e-'));
    const mesh = new Mesh(folder, await Fleet.init(join(folder, 'fleet'), { fleet: name }));
    onTestFinished(() => mesh.#end());
    return mesh;
  }

  get prefix(): string {
    return this.fleet.prefix;
  }

  credential(id: string): Promise<Credential> {
    return loadCredential(this.fleet.bundlePath(id), Date.now() / 1000);
  }

  async enroll(id: string, options: EnrolOptions = {}): Promise<Credential> {
    await this.fleet.enroll(id, options);
    return this.credential(id);
  }

  async artifact(name: string, size: number): Promise<Artifact> {
    const path = join(this.folder, name);
    const bytes = seededBytes(name, size);
    await writeFile(path, bytes);
    return { path, bytes, size, sha256: createHash('sha256').update(bytes).digest('hex') };
  }

  run(name: string, ...args: string[]): Command {
    const command = new Command(name, args);
    this.#commands.push(command);
    return command;
  }

  /** The embedded broker. @param port 0: any that is free. */
  async broker(port = 0): Promise<{ readonly url: string; readonly port: number; readonly process: Command }> {
    const process = this.run(
      'broker',
      ...['broker', '--fleet', this.fleet.folder, '--host', '127.0.0.1', '--port', `${port}`],
    );
    const { broker: url } = await process.event('listening');
    return { url: String(url), port: Number(new URL(String(url)).port), process };
  }

  storeOf(id: string): string {
    return join(this.folder, `store-${id}`);
  }

  agent(id: string, { broker, bundle, store, seeds = [], listen = '127.0.0.1:0' }: AgentFlags): Command {
    return this.run(
      id,
      ...['agent', '--bundle', bundle ?? this.fleet.bundlePath(id), '--store', store ?? this.storeOf(id)],
      ...['--broker', broker, '--listen', listen, ...seeds.flatMap((path) => ['--seed', path])],
      ...['--status-interval', `${STATUS_INTERVAL_MS}`, '--join-window', `${JOIN_WINDOW_MS}`],
    );
  }

  /** Enrolled at first, then run. */
  async device(id: string, flags: AgentFlags): Promise<Command> {
    await this.enroll(id);
    return this.agent(id, flags);
  }

  /** A device of role `seed` that has the artifacts. */
  async seed(broker: string, ...artifacts: readonly Artifact[]): Promise<Command> {
    await this.enroll('seed', { role: 'seed' });
    return this.agent('seed', { broker, seeds: artifacts.map(({ path }) => path) });
  }

  async publish(artifact: Artifact, broker: string, version = '1.0.0'): Promise<Published> {
    const credential = await this.credential('publisher');
    const target = { name: 'firmware', version, group: 'default', devices: 4 };
    return publish({ credential, fleetFolder: this.fleet.folder, file: artifact.path, broker, ...target });
  }

  async #end(): Promise<void> {
    await Promise.all(this.#commands.map((command) => command.kill()));
    await rm(this.folder, { recursive: true, force: true });
  }
}

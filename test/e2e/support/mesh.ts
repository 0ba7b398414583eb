import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type Published, type PublishOptions, publish } from '../../../broker/publish/publish.js';
import { seededBytes } from '../../support/artifact_bytes.js';
import { Command } from '../../support/command.js';
import { TestFleet } from '../../support/test_fleet.js';

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
  /** As they are typed. */
  readonly more?: readonly string[];
}

export async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const part of createReadStream(path)) hash.update(part as Buffer);
  return hash.digest('hex');
}

export class Mesh extends TestFleet {
  readonly #commands: Command[] = [];

  /** Gone with the test that makes it. */
  static override async create(name = 'plant'): Promise<Mesh> {
    const mesh = new Mesh(...(await TestFleet.make(name)));
    onTestFinished(() => mesh.remove());
    return mesh;
  }

  async artifact(name: string, size: number): Promise<Artifact> {
    const path = join(this.root, name);
    const bytes = seededBytes(name, size);
    await writeFile(path, bytes);
    return { path, bytes, size, sha256: createHash('sha256').update(bytes).digest('hex') };
  }

  run(name: string, ...args: string[]): Command {
    // The pipe to its stdin ends it, however this process ends.
    const command = new Command([...args, '--json', '--until-stdin-ends'], { name });
    this.#commands.push(command);
    return command;
  }

  /** The embedded broker. @param port 0: any that is free. */
  async broker(port = 0): Promise<{ readonly url: string; readonly port: number; readonly process: Command }> {
    const process = this.run(
      'broker',
      ...['broker', '--fleet', this.folder, '--host', '127.0.0.1', '--port', `${port}`],
    );
    const { broker: url } = await process.event('listening');
    return { url: String(url), port: Number(new URL(String(url)).port), process };
  }

  storeOf(id: string): string {
    return join(this.root, `store-${id}`);
  }

  agent(id: string, { broker, bundle, store, seeds = [], listen = '127.0.0.1:0', more = [] }: AgentFlags): Command {
    return this.run(
      id,
      ...['agent', '--bundle', bundle ?? this.fleet.bundlePath(id), '--store', store ?? this.storeOf(id)],
      ...['--broker', broker, '--listen', listen, ...seeds.flatMap((path) => ['--seed', path])],
      ...['--status-interval', `${STATUS_INTERVAL_MS}`, '--join-window', `${JOIN_WINDOW_MS}`],
      ...more,
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

  async publish(
    artifact: Artifact,
    broker: string,
    version = '1.0.0',
    over: Pick<Partial<PublishOptions>, 'name' | 'priority' | 'emergency'> = {},
  ): Promise<Published> {
    const credential = await this.credential('publisher');
    const target = { name: 'firmware', version, group: 'default', devices: 4, ...over };
    return publish({ credential, fleetFolder: this.folder, file: artifact.path, broker, ...target });
  }

  override async remove(): Promise<void> {
    await Promise.all(this.#commands.map((command) => command.kill()));
    await super.remove();
  }
}

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { SeededRandom } from '../sim/random.js';
import type { Command, Event } from '../support/command.js';
import { killsWanted, reportKills } from '../support/kills.js';
import { type Artifact, Mesh, MIB, sha256Of } from './support/mesh.js';

/** A device that is killed at random moments while it fetches version after version, serves them, and removes old ones for new. */

const WANTED = killsWanted({ short: 6, long: 200 });
const DEVICE = 'cam-1';
/** Fewer than fit: an old one is gone by the time that it comes again. */
const ARTIFACTS = 4;
const SIZE = 4 * MIB;
/** At least: what it waits for must come. */
const CHUNKS = 40;
const QUOTA = '10M';
/** So that a transfer takes seconds, and most kills come into one. */
const RATE = '3M';
/** Before it runs, as it runs, and after what it was waited for. */
const MOST_MS = 1_000;

class Course {
  readonly mesh: Mesh;
  readonly broker: string;
  readonly #artifacts: readonly Artifact[];
  readonly #others: readonly Command[];
  #published = 0;
  readonly #complete = new Set<string>();
  readonly figures = { resumed: 0, resumedChunks: 0 };

  private constructor(mesh: Mesh, broker: string, artifacts: readonly Artifact[], others: readonly Command[]) {
    this.mesh = mesh;
    this.broker = broker;
    this.#artifacts = artifacts;
    this.#others = others;
  }

  /** With a seed that has all, and another device that stays up: what it is served wrong it says. */
  static async create(): Promise<Course> {
    const mesh = await Mesh.create();
    const { url: broker } = await mesh.broker();
    const artifacts: Artifact[] = [];
    for (let i = 0; i < ARTIFACTS; i++) artifacts.push(await mesh.artifact(`image-${i}`, SIZE));
    const seed = await mesh.seed(broker, ...artifacts);
    const taker = await mesh.device('cam-2', { broker, more: ['--store-quota', QUOTA, '--down-rate', RATE] });
    await mesh.enroll(DEVICE);
    return new Course(mesh, broker, artifacts, [seed, taker]);
  }

  get version(): string {
    return `${this.#published}`;
  }

  get #artifact(): Artifact {
    return this.#artifacts[this.#published % ARTIFACTS] as Artifact;
  }

  async publishNext(): Promise<void> {
    this.#published++;
    await this.mesh.publish(this.#artifact, this.broker, this.version);
  }

  start(): Command {
    const more = ['--store-quota', QUOTA, '--down-rate', RATE, '--recheck-days', '0.00005'];
    return this.mesh.agent(DEVICE, { broker: this.broker, more });
  }

  /** Of this version, and of any that is not in the way of being removed. */
  async checkReady(): Promise<void> {
    const folder = join(this.mesh.storeOf(DEVICE), 'ready', 'firmware');
    for (const version of await readdir(folder).catch(() => [])) {
      const { bytes } = this.#artifacts[Number(version) % ARTIFACTS] as Artifact;
      expect(bytes.equals(await readFile(join(folder, version))), `firmware ${version}, as it is installed`).toBe(true);
    }
  }

  /** What it said of this version: no chunk that was verified before is missing, and what it calls complete is. */
  async checkEvents({ events }: Command, heldBefore: number): Promise<number> {
    const rows = events.filter(({ event, version }) => event === 'progress' && version === this.version);
    const fetching = rows.filter(({ state }) => state === 'fetching' || state === 'complete');
    if (heldBefore > 0 && fetching.length > 0) {
      expect(Number(fetching[0]?.held), 'chunks that it resumed with').toBeGreaterThanOrEqual(heldBefore);
      this.figures.resumed++;
      this.figures.resumedChunks += heldBefore;
    }
    for (const { path } of this.#completions(events)) {
      expect(await sha256Of(String(path))).toBe(this.#artifact.sha256);
      this.#complete.add(this.version);
    }
    return rows.reduce((most, { held }) => Math.max(most, Number(held)), heldBefore);
  }

  /** Lets it run up to some moment of this version, or into the next one. @returns what it had held of the version by then */
  async run(agent: Command, kill: number, held: number, random: SeededRandom): Promise<number> {
    const kind = kill % 4;
    if (kind === 1 || kind === 2) {
      const least = Math.ceil(random.next() * CHUNKS);
      await agent.event('progress', (event) => event.version === this.version && Number(event.held) >= least);
    }
    let before = held;
    if (kind === 3) {
      await agent.event('complete', ({ version }) => version === this.version);
      await this.checkEvents(agent, held);
      await this.publishNext();
      before = 0;
    }
    await after(random.next() * MOST_MS);
    await agent.kill();
    return this.checkEvents(agent, before);
  }

  get isComplete(): boolean {
    return this.#complete.has(this.version);
  }

  /** Nobody was served a wrong byte. */
  checkOthers(): void {
    const wrong = this.#others.flatMap(({ warnings }) => warnings).filter(({ code }) => code === 'E_CHUNK_WRONG');
    expect(wrong).toEqual([]);
  }

  #completions(events: readonly Event[]): Event[] {
    return events.filter(({ event, version }) => event === 'complete' && version === this.version);
  }
}

it(
  `P-9.8: an agent is killed ${WANTED.kills} times (seed ${WANTED.seed}) and never serves or installs a wrong byte, nor forgets a verified one`,
  async () => {
    const course = await Course.create();
    const random = new SeededRandom(WANTED.seed);
    await course.publishNext();
    let held = 0;
    for (let kill = 0; kill < WANTED.kills; kill++) {
      const agent = course.start();
      held = await course.run(agent, kill, held, random);
      await course.checkReady();
      course.checkOthers();
      const codes = agent.warnings.map(({ code }) => code);
      expect(codes.filter((code) => code !== 'E_BROKER_UNREACHABLE')).toEqual([]);
      if (!course.isComplete) continue;
      await course.publishNext();
      held = 0;
    }
    const last = course.start();
    const { path } = await last.event('complete', ({ version }) => version === course.version);
    await course.checkEvents(last, held);
    await course.checkReady();
    expect(String(path).endsWith(`/${course.version}`)).toBe(true);
    const completed = Number(course.version);
    reportKills('kills of an agent', WANTED, { kills: WANTED.kills, completed, ...course.figures });
    expect(course.figures.resumed).toBeGreaterThan(0);
  },
  120_000 + WANTED.kills * 15_000,
);

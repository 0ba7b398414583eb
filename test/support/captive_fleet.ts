import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { onTestFinished, vi } from 'vitest';
import { Agent } from '../../agent/agent.js';
import type { CompletedArtifact, Limits, Logger } from '../../agent/options.js';
import { sealEnvelope } from '../../shared/control/envelope.js';
import { encodeMessage, type Rollout } from '../../shared/control/messages.js';
import { LISTS, type Listed, type ListName, packRecords, type Records } from '../../shared/control/revocation.js';
import { type Role, topics } from '../../shared/control/topics.js';
import type { ChunkmeshError } from '../../shared/errors.js';
import { CaptiveBroker } from './captive_broker.js';
import { FLEET, Issuer, type Member, NOW, PREFIX, TRUST } from './members.js';
import { type Sample, temporaryFolder } from './store_fixture.js';
import type { BundleOptions } from './trust_maker.js';

/** Agents of one process on a captive broker: real files and sockets, a wall clock of the test's. */

export const GROUP = 'cameras';
export const TRUST_TOPIC = topics.trust(PREFIX, GROUP);
const STATUS_INTERVAL_MS = 100;
const PATIENCE_MS = 20_000;
/** In status intervals: past it, the next status is a heartbeat. */
const QUIET_STEPS = 5;

export class Watched {
  readonly agent: Agent;
  readonly warnings: ChunkmeshError[] = [];
  readonly completed: CompletedArtifact[] = [];
  /** What it logged at a warning's level. */
  readonly lines: { readonly code?: string; readonly times?: number }[] = [];
  /** Where its store is. */
  readonly store: string;

  constructor(make: (logger: Logger) => Agent, store: string) {
    const warn = (fields: object): void => void this.lines.push(fields);
    this.agent = make({ debug() {}, info() {}, warn, error: warn });
    this.store = store;
    this.agent.on('warning', (error) => this.warnings.push(error));
    this.agent.on('complete', (artifact) => this.completed.push(artifact));
  }

  /** The first artifact of that version, which may be there already. */
  async complete(version: string): Promise<CompletedArtifact> {
    for (;;) {
      const found = this.completed.find((artifact) => artifact.version === version);
      if (found !== undefined) return found;
      await once(this.agent, 'complete', { signal: AbortSignal.timeout(PATIENCE_MS) });
    }
  }
}

interface TrustOver extends BundleOptions {
  readonly rollouts?: readonly Rollout[];
  readonly urgent?: true;
}

interface MadeWith {
  /** As `Watched.store`, where not a new one is meant. */
  readonly store?: string;
  readonly limits?: Limits;
}

export class CaptiveFleet {
  readonly broker = new CaptiveBroker();
  readonly issuer: Issuer;
  readonly publisher: Member;
  readonly #members = new Map<string, Member>();

  private constructor(issuer: Issuer, publisher: Member) {
    this.issuer = issuer;
    this.publisher = publisher;
  }

  static async create(): Promise<CaptiveFleet> {
    const real = Date.now.bind(Date);
    CaptiveFleet.#ahead = NOW * 1000 - real();
    const clock = vi.spyOn(Date, 'now').mockImplementation(() => real() + CaptiveFleet.#ahead);
    onTestFinished(() => clock.mockRestore());
    const issuer = await Issuer.authority();
    const fleet = new CaptiveFleet(issuer, await issuer.member({ id: 'pub', role: 'publisher', groups: [] }));
    await fleet.revoke({ version: 1 });
    return fleet;
  }

  static #ahead = 0;

  /** Sets the wall clock of this process. */
  setClock(by: number): void {
    CaptiveFleet.#ahead += by * 1000;
  }

  /** A member for the test's own hand. */
  async member(id: string, role: Role = 'device'): Promise<Member> {
    const known = this.#members.get(id);
    if (known !== undefined) return known;
    const member = await this.issuer.member({ id, role, groups: [GROUP] });
    this.#members.set(id, member);
    return member;
  }

  /** Started; stopped with the test. */
  async agent(
    id: string,
    role: Role = 'device',
    seeds: readonly Sample[] = [],
    { store, limits }: MadeWith = {},
  ): Promise<Watched> {
    const credential = this.issuer.credential(await this.member(id, role));
    const folder = store ?? (await temporaryFolder());
    const paths = await Promise.all(
      seeds.map(async ({ bytes }, i) => {
        const path = join(folder, `seed-${i}`);
        await writeFile(path, bytes);
        return path;
      }),
    );
    const watched = new Watched((logger) => {
      return new Agent({
        ...{ credential, logger, seeds: paths, store: join(folder, 'store') },
        ...{ mqtt: this.broker.connect(id), listen: { host: '127.0.0.1' } },
        ...{ joinWindowMs: 10, statusIntervalMs: STATUS_INTERVAL_MS },
        ...(limits !== undefined && { limits }),
      });
    }, folder);
    onTestFinished(() => watched.agent.stop());
    await watched.agent.start();
    return watched;
  }

  /** A revocation list, published; a fleet has its first from the start. */
  async revoke({
    version,
    ...lists
  }: { version: number } & Partial<Record<ListName, readonly Listed[]>>): Promise<void> {
    const operator = await this.member('operator', 'operator');
    const packed = Object.fromEntries(LISTS.map((list) => [list, packRecords(lists[list] ?? [])]));
    const message = { t: 'revoked', v: 1, fleet: FLEET, version, at: NOW, ...(packed as Records) } as const;
    const topic = topics.revoked(PREFIX);
    const payload = Buffer.from(sealEnvelope(topic, encodeMessage(message), operator));
    this.broker.hear({ from: 'operator', topic, payload, retain: true });
  }

  /** A trust message with one rollout of that version, sealed. @param number of its metadata */
  trust(number: number, sample: Sample, version: string, { urgent, ...over }: TrustOver = {}): Uint8Array {
    const { artifact, size, chunkCount: chunks } = sample.index;
    const named = { name: 'firmware', version, artifact: new Uint8Array(Buffer.from(artifact, 'hex')) };
    const rollouts = over.rollouts ?? [{ ...named, size, chunks, shards: 1, ...(urgent && { urgent }) }];
    const bundle = TRUST.bundle(GROUP, rollouts, { version: number, ...over });
    return sealEnvelope(TRUST_TOPIC, encodeMessage({ t: 'trust', v: 2, bundle }), this.publisher);
  }

  /** Resolves when the device has said something since the call, and nothing more for a while. */
  async saidAndQuiet(id: string): Promise<void> {
    const count = (): number => this.broker.said.filter(({ from }) => from === id).length;
    const before = count();
    for (let heard = before, quiet = 0; heard === before || quiet < QUIET_STEPS; ) {
      await delay(STATUS_INTERVAL_MS);
      quiet = count() === heard ? quiet + 1 : 0;
      heard = count();
    }
  }

  publish(envelope: Uint8Array): void {
    this.broker.hear({ from: 'pub', topic: TRUST_TOPIC, payload: Buffer.from(envelope), retain: true });
  }
}

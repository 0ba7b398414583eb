import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Limits } from '../../agent/options.js';
import { Fleet } from '../../broker/fleet/fleet.js';
import { changeOf } from '../../broker/publish/rollout_change.js';
import { ONLINE_DAYS } from '../../broker/trust/ceremony.js';
import { TrustRepository } from '../../broker/trust/repository.js';
import type { ArtifactIndex } from '../../shared/artifact/index.js';
import { sealEnvelope } from '../../shared/control/envelope.js';
import { encodeMessage } from '../../shared/control/messages.js';
import { covers, topics } from '../../shared/control/topics.js';
import { loadCredential } from '../../shared/identity/bundle.js';
import { Member, type Place } from './member_process.js';
import type { Mode } from './mode.js';
import type { FromMember, Mark, Message } from './wire.js';

export { LOOPBACK, type Member, type Place } from './member_process.js';

/** Real agents, seeds and devices, that agree over this process instead of a broker: one transfer from ones to the others. */

const GROUP = 'bench';
/** Fine enough for a rate over seconds, and nothing beside what one transfer costs. */
const WATCH_MS = 20;
export type Role = 'seed' | 'device';

export interface Transfer {
  /** Where fleet and stores are made. */
  readonly folder: string;
  readonly file: { readonly path: string; readonly index: ArtifactIndex };
  readonly mode: Mode;
  readonly from: Place;
  readonly to: Place;
  /** Files that each device has before it fetches: they may share chunks with the artifact. */
  readonly own?: readonly string[];
  /** How many devices fetch, each over a session of its own. Default 1. `join` adds more. */
  readonly devices?: number;
  /** Whether the rollout waits for `publish`. */
  readonly later?: boolean;
  /** Of a rollout before it, which `warmUp` publishes: agents run for weeks, and are compiled long since when a rollout comes. */
  readonly earlier?: Transfer['file'];
  /** How many seeds serve. Default 1. */
  readonly seeds?: number;
  /** In force from the start. */
  readonly limits?: Readonly<Partial<Record<Role, Limits>>>;
  /** Whether the marks of members say what their sessions did, and datagrams can be recorded. */
  readonly tapped?: boolean;
  /** How often it is looked how far a device is. Default 20. */
  readonly watchMs?: number;
  /** Folder for a CPU profile of each process, named after its member. */
  readonly profiles?: string;
  /** Of all processes, besides this one's own. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** What a whole transfer took. */
export interface Outcome {
  /** From the first request for a chunk to the last chunk verified and written. */
  readonly seconds: number;
  /** To the finished file, synced, hashed whole and moved into place. */
  readonly secondsComplete: number;
  readonly sender: { readonly cpuSeconds: number; readonly peakBytes: number };
  readonly receiver: { readonly cpuSeconds: number; readonly peakBytes: number };
  /** Datagrams lost in the sockets' buffers, both ends. */
  readonly dropped: number;
  /** Of verified chunks, by where the device had them from. */
  readonly bytesFromNetwork: number;
  readonly bytesFromDisk: number;
}

export class Flow {
  readonly seeds: Member[] = [];
  readonly devices: Member[] = [];
  readonly #folder: string;
  readonly #transfer: Transfer;
  readonly #retained = new Map<string, Message>();
  readonly #bytes = new Map<Member, number>();
  /** What members said for the first time, by kind. */
  readonly #seen = new Map<FromMember['kind'], FromMember>();
  readonly #completed = new Map<Member, Mark>();
  /** One listener for each, however many wait: Node warns of more than ten. */
  readonly #heeded = new WeakSet<AbortSignal>();
  #fleet: Fleet | undefined;
  #published = 0;
  #failure: string | undefined;
  /** Those who wait for something to happen. */
  #waiting: (() => void)[] = [];

  private constructor(folder: string, transfer: Transfer) {
    this.#folder = folder;
    this.#transfer = transfer;
  }

  /** Resolves when the seed runs and the device is about to. */
  static async start(transfer: Transfer): Promise<Flow> {
    const folder = await mkdtemp(join(transfer.folder, 'flow-'));
    const flow = new Flow(folder, transfer);
    try {
      await flow.#start();
      return flow;
    } catch (error) {
      await flow.stop();
      throw error;
    }
  }

  /** One more device. Resolves when it runs. */
  async join(place: Place): Promise<Member> {
    const device = await this.#admit(this.#fleetOf(), `device-${this.devices.length + 1}`, 'device', place);
    await this.#until(() => (device.port > 0 ? device : undefined));
    return device;
  }

  /** All who are there fetch the file of before. */
  async warmUp(signal: AbortSignal): Promise<void> {
    const { earlier } = this.#transfer;
    if (earlier === undefined) throw new Error('no earlier file');
    await this.publish(earlier.index);
    await Promise.all(this.devices.map((device) => this.completed(device, signal)));
    this.#completed.clear();
  }

  /** The rollout begins for all who are there. */
  async publish(index = this.#transfer.file.index): Promise<void> {
    const message = await this.#trust(index);
    this.#retained.set(message.topic, message);
    for (const member of this.#members) member.deliver({ ...message, retained: false });
  }

  /** When the device had the finished file in place. @throws what a member failed of, or where `signal` ends the wait */
  async completed(device: Member, signal: AbortSignal): Promise<Mark> {
    if (!this.#heeded.has(signal)) signal.addEventListener('abort', () => this.#changed());
    this.#heeded.add(signal);
    return await this.#until(() => {
      signal.throwIfAborted();
      return this.#completed.get(device);
    });
  }

  /** Of verified chunks, all devices together. */
  get bytes(): number {
    let sum = 0;
    for (const bytes of this.#bytes.values()) sum += bytes;
    return sum;
  }

  /** All chunks are there: nothing moves any more. */
  get isHeld(): boolean {
    return this.#seen.has('held');
  }

  /** The whole transfer from one seed to one device, to the finished file. */
  async complete(): Promise<Outcome> {
    const [[sender], [receiver]] = [this.seeds, this.devices];
    const begun = await this.#first('fetching');
    const sent = await sender?.mark();
    const held = await this.#first('held');
    const sentAll = await sender?.mark();
    const complete = await this.#first('complete');
    if (!sender || !receiver || !begun || !sent || !held || !sentAll || !complete) throw new Error('not started');
    return {
      seconds: (held.ms - begun.ms) / 1000,
      secondsComplete: (complete.ms - begun.ms) / 1000,
      sender: { cpuSeconds: sentAll.cpuSeconds - sent.cpuSeconds, peakBytes: sender.peakResidentBytes },
      receiver: { cpuSeconds: held.cpuSeconds - begun.cpuSeconds, peakBytes: receiver.peakResidentBytes },
      dropped: held.dropped - begun.dropped + sentAll.dropped - sent.dropped,
      bytesFromNetwork: complete.bytes,
      bytesFromDisk: complete.bytesFromDisk,
    };
  }

  async stop(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.end()));
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #start(): Promise<void> {
    const { from, to, devices = 1, seeds = 1, later = false } = this.#transfer;
    const fleet = await Fleet.init(join(this.#folder, 'fleet'), { fleet: 'bench' });
    this.#fleet = fleet;
    if (!later) await this.publish();
    for (let i = 1; i <= seeds; i++) {
      const seed = await this.#admit(fleet, i === 1 ? 'seed' : `seed-${i}`, 'seed', from);
      await this.#until(() => (seed.port > 0 ? seed : undefined));
    }
    for (let i = 1; i <= devices; i++) await this.#admit(fleet, `device-${i}`, 'device', to);
  }

  #fleetOf(): Fleet {
    if (this.#fleet === undefined) throw new Error('not started');
    return this.#fleet;
  }

  get #members(): readonly Member[] {
    return [...this.seeds, ...this.devices];
  }

  async #admit(fleet: Fleet, id: string, role: Role, place: Place): Promise<Member> {
    const {
      file,
      earlier,
      own = [],
      profiles,
      environment = {},
      limits = {},
      tapped = false,
      watchMs = WATCH_MS,
    } = this.#transfer;
    await fleet.enroll(id, { role, groups: [GROUP] });
    const named = ['--cpu-prof', `--cpu-prof-dir=${profiles}`, `--cpu-prof-name=${id}.cpuprofile`];
    const flags = profiles === undefined ? [] : named;
    const member = new Member(place, environment, flags, (by, message) => this.#heard(by, message));
    this[role === 'seed' ? 'seeds' : 'devices'].push(member);
    const served = earlier === undefined ? [file.path] : [file.path, earlier.path];
    const has = { seeds: role === 'seed' ? served : own, watched: role === 'device', watchMs };
    const paths = { credential: fleet.bundlePath(id), store: join(this.#folder, id) };
    const how = { host: place.host, limits: limits[role] ?? {}, tapped };
    member.tell({ kind: 'start', options: { ...paths, ...has, ...how } });
    return member;
  }

  /** P-12.3 */
  async #trust(index: ArtifactIndex): Promise<Message> {
    const fleet = this.#fleetOf();
    const version = String(++this.#published);
    const publisher = await loadCredential(fleet.bundlePath('publisher'), Date.now() / 1000);
    const topic = topics.trust(publisher.prefix, GROUP);
    // P-10.12: an urgent rollout is what runs in the foreground.
    const urgent = this.#transfer.mode === 'foreground';
    const named = { name: 'bench', version };
    const how = { shards: 1, ...(urgent && { urgent }) } as const;
    const repository = await TrustRepository.open(fleet.folder);
    await changeOf({ ...named, index }, { ...named, group: GROUP, how }, ONLINE_DAYS)(repository, Date.now() / 1000);
    const bundle = await repository.bundle(await repository.current(), GROUP);
    const payload = sealEnvelope(topic, encodeMessage({ t: 'trust', v: 2, bundle }), publisher);
    return { topic, payload, retained: true };
  }

  #heard(by: Member, message: FromMember): void {
    if (message.kind === 'publish') {
      for (const member of this.#members) if (member !== by) member.deliver({ ...message.message, retained: false });
    } else if (message.kind === 'subscribe') {
      for (const one of this.#retained.values())
        if (covers(message.filter, one.topic)) by.tell({ kind: 'message', message: one });
    } else if (message.kind === 'bytes') {
      this.#bytes.set(by, message.bytes);
    } else if (message.kind === 'failed') {
      this.#failure ??= message.why;
    }
    if (message.kind === 'complete') this.#completed.set(by, message.mark);
    if (!this.#seen.has(message.kind)) this.#seen.set(message.kind, message);
    this.#changed();
  }

  async #first(kind: 'fetching' | 'held' | 'complete'): Promise<Mark | undefined> {
    const seen = await this.#until(() => this.#seen.get(kind));
    return 'mark' in seen ? seen.mark : undefined;
  }

  /** @throws what a member failed of, where that comes first */
  async #until<T>(look: () => T | undefined): Promise<T> {
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      if (this.#failure !== undefined) throw new Error(this.#failure);
      await new Promise<void>((resolve) => void this.#waiting.push(resolve));
    }
  }

  #changed(): void {
    for (const look of this.#waiting.splice(0)) look();
  }
}

import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Fleet } from '../../broker/fleet/fleet.js';
import type { ArtifactIndex } from '../../shared/artifact/index.js';
import { sealEnvelope } from '../../shared/control/envelope.js';
import { encodeMessage, type TrustMessage } from '../../shared/control/messages.js';
import { covers, topics } from '../../shared/control/topics.js';
import { loadCredential } from '../../shared/identity/bundle.js';
import { CHECKOUT } from '../checkout.js';
import type { Mode } from './mode.js';
import type { FromMember, Mark, Message, ToMember } from './wire.js';

/** Real agents, a seed and a device, that agree over this process instead of a broker: one transfer from one to the other. */

const GROUP = 'bench';
const LIFETIME_SECONDS = 86_400;
const MEMBER = join(CHECKOUT, 'dist/bench/mesh/member.js');

/** Where a member runs. */
export interface Place {
  /** What its agent binds to. */
  readonly host: string;
  /** As of node:child_process; in a namespace of its own, for one. */
  readonly spawn: (command: string, args: readonly string[], options: SpawnOptions) => ChildProcess;
}

export const LOOPBACK: Place = { host: '127.0.0.1', spawn };

export interface Transfer {
  /** Where fleet and stores are made. */
  readonly folder: string;
  readonly file: { readonly path: string; readonly index: ArtifactIndex };
  readonly mode: Mode;
  readonly from: Place;
  readonly to: Place;
  /** How many devices fetch, each over a session of its own. Default 1. */
  readonly devices?: number;
  /** Folder for a CPU profile of each process, named after its member. */
  readonly profiles?: string;
  /** Of both processes, besides this one's own. */
  readonly environment?: Readonly<Record<string, string>>;
}

class Member {
  readonly #process: ChildProcess;
  readonly #filters = new Set<string>();
  #marked: (mark: Mark) => void = () => {};

  constructor(
    place: Place,
    environment: Readonly<Record<string, string>>,
    flags: readonly string[],
    heard: (from: Member, message: FromMember) => void,
  ) {
    const stdio: SpawnOptions['stdio'] = ['ignore', 'ignore', 'inherit', 'ipc'];
    const env = { ...process.env, ...environment };
    this.#process = place.spawn(process.execPath, [...flags, MEMBER], { stdio, env, serialization: 'advanced' });
    this.#process.on('message', (message: FromMember) => {
      if (message.kind === 'subscribe') this.#filters.add(message.filter);
      if (message.kind === 'mark') this.#marked(message.mark);
      heard(this, message);
    });
    this.#process.once('exit', () => heard(this, { kind: 'failed', why: 'a member ended' }));
  }

  tell(message: ToMember): void {
    if (this.#process.connected) this.#process.send(message);
  }

  deliver(message: Message): void {
    for (const filter of this.#filters) {
      if (!covers(filter, message.topic)) continue;
      this.tell({ kind: 'message', message });
      return;
    }
  }

  mark(): Promise<Mark> {
    return new Promise((resolve) => {
      this.#marked = resolve;
      this.tell({ kind: 'mark' });
    });
  }

  /** proc(5): the most memory it ever had, bytes. */
  get peakResidentBytes(): number {
    const status = readFileSync(`/proc/${this.#process.pid}/status`, 'utf8');
    return Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024;
  }

  /** It ends at once where nobody speaks to it any more, and has time to write its profile. */
  async end(): Promise<void> {
    if (!this.#process.connected) return;
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.disconnect();
    await ended;
  }
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
}

export class Flow {
  readonly #folder: string;
  readonly #transfer: Transfer;
  readonly #retained = new Map<string, Message>();
  readonly #members: Member[] = [];
  readonly #bytes = new Map<Member, number>();
  /** What members said for the first time, by kind. */
  readonly #seen = new Map<FromMember['kind'], FromMember>();
  #failure: string | undefined;
  #changed: () => void = () => {};

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

  /** Of verified chunks, all devices together. */
  get bytes(): number {
    let sum = 0;
    for (const bytes of this.#bytes.values()) sum += bytes;
    return sum;
  }

  /** The whole transfer to one device, to the finished file. */
  async complete(): Promise<Outcome> {
    const [sender, receiver] = this.#members;
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
    };
  }

  async stop(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.end()));
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #start(): Promise<void> {
    const { file, from, to, devices = 1 } = this.#transfer;
    const fleet = await Fleet.init(join(this.#folder, 'fleet'), { fleet: 'bench' });
    await this.#publish(fleet, file.index);
    await this.#admit(fleet, 'seed', 'seed', from);
    await this.#first('running');
    for (let i = 1; i <= devices; i++) await this.#admit(fleet, `device-${i}`, 'device', to);
  }

  async #admit(fleet: Fleet, id: string, role: 'seed' | 'device', place: Place): Promise<void> {
    const { file, profiles, environment = {} } = this.#transfer;
    await fleet.enroll(id, { role, groups: [GROUP] });
    const named = ['--cpu-prof', `--cpu-prof-dir=${profiles}`, `--cpu-prof-name=${id}.cpuprofile`];
    const flags = profiles === undefined ? [] : named;
    const member = new Member(place, environment, flags, (by, message) => this.#heard(by, message));
    this.#members.push(member);
    const seeds = role === 'seed' ? [file.path] : [];
    const paths = { credential: fleet.bundlePath(id), store: join(this.#folder, id) };
    member.tell({ kind: 'start', options: { ...paths, seeds, host: place.host } });
  }

  /** P-4.1 */
  async #publish(fleet: Fleet, index: ArtifactIndex): Promise<void> {
    const publisher = await loadCredential(fleet.bundlePath('publisher'), Date.now() / 1000);
    const topic = topics.trust(publisher.prefix, GROUP);
    const at = Math.floor(Date.now() / 1000);
    const artifact = new Uint8Array(Buffer.from(index.artifact, 'hex'));
    const rollout = { name: 'bench', version: '1', artifact, size: index.size, chunks: index.chunkCount, shards: 1 };
    // P-4.1: an urgent rollout is what runs in the foreground.
    const urgent = this.#transfer.mode === 'foreground';
    const message: TrustMessage = {
      ...{ t: 'trust', v: 1, fleet: fleet.fleet, group: GROUP, seq: 1, at, expires: at + LIFETIME_SECONDS },
      rollouts: [{ ...rollout, urgent }],
    };
    const payload = sealEnvelope(topic, encodeMessage(message), publisher);
    this.#retained.set(topic, { topic, payload, retained: true });
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
    if (!this.#seen.has(message.kind)) this.#seen.set(message.kind, message);
    this.#changed();
  }

  /** @throws what a member failed of, where that comes first */
  async #first(kind: 'running' | 'fetching' | 'held' | 'complete'): Promise<Mark | undefined> {
    for (;;) {
      const seen = this.#seen.get(kind);
      if (seen !== undefined) return 'mark' in seen ? seen.mark : undefined;
      if (this.#failure !== undefined) throw new Error(this.#failure);
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }
}

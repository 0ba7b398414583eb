import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Limits } from '../../agent/options.js';
import { covers } from '../../shared/control/topics.js';
import { CHECKOUT } from '../checkout.js';
import { memoryOf } from '../proc_memory.js';
import type { FromMember, Mark, Message, Recorded, ToMember } from './wire.js';

/** A member's process, as the mesh sees it. */

const MEMBER = join(CHECKOUT, 'dist/bench/mesh/member.js');

/** Where a member runs. */
export interface Place {
  /** What its agent binds to. */
  readonly host: string;
  /** As of node:child_process; in a namespace of its own, for one. */
  readonly spawn: (command: string, args: readonly string[], options: SpawnOptions) => ChildProcess;
}

export const LOOPBACK: Place = { host: '127.0.0.1', spawn };

interface Waiting<T> {
  readonly resolve: (answer: T) => void;
  readonly reject: (error: Error) => void;
}

export class Member {
  /** UDP, once it runs. */
  port = 0;
  readonly #process: ChildProcess;
  readonly #filters = new Set<string>();
  #killed = false;
  /** Those who wait for an answer, the first asked first. */
  readonly #marking: Waiting<Mark>[] = [];
  readonly #recording: Waiting<Recorded>[] = [];

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
      if (message.kind === 'running') this.port = message.port;
      if (message.kind === 'mark') this.#marking.shift()?.resolve(message.mark);
      if (message.kind === 'recorded') this.#recording.shift()?.resolve(message.recorded);
      heard(this, message);
    });
    this.#process.once('exit', () => {
      const ended = new Error('a member ended');
      for (const { reject } of [...this.#marking.splice(0), ...this.#recording.splice(0)]) reject(ended);
      if (!this.#killed) heard(this, { kind: 'failed', why: 'a member ended' });
    });
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

  /** @throws where the member ends first */
  mark(): Promise<Mark> {
    return this.#ask(this.#marking, { kind: 'mark' });
  }

  /** In force before any `mark` that is asked for later. */
  limit(limits: Limits): void {
    this.tell({ kind: 'limits', limits });
  }

  /** Its event loop stands still for so long. */
  stall(ms: number): void {
    this.tell({ kind: 'stall', ms });
  }

  /** Some of the datagrams of the next half second. */
  record(): Promise<Recorded> {
    return this.#ask(this.#recording, { kind: 'record' });
  }

  /** proc(5): the most memory it ever had, bytes. */
  get peakResidentBytes(): number {
    return memoryOf(this.#process.pid, 'VmHWM');
  }

  /** proc(5): the memory that it has now, bytes. */
  get residentBytes(): number {
    return memoryOf(this.#process.pid, 'VmRSS');
  }

  /** Without a word to anybody. */
  async kill(): Promise<void> {
    this.#killed = true;
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill('SIGKILL');
    await ended;
  }

  /** It ends at once where nobody speaks to it any more, and has time to write its profile. */
  async end(): Promise<void> {
    if (!this.#process.connected) return;
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.disconnect();
    await ended;
  }

  #ask<T>(waiting: Waiting<T>[], message: ToMember): Promise<T> {
    if (!this.#process.connected) return Promise.reject(new Error('a member ended'));
    return new Promise((resolve, reject) => {
      waiting.push({ resolve, reject });
      this.tell(message);
    });
  }
}

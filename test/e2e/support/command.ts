import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';

/** `chunkmesh ...` as a process of its own, as an operator or a device runs it: the events that it prints, and its end. */

const PROGRAM = fileURLToPath(new URL('../../../dist/bin/chunkmesh.js', import.meta.url));
/** What no event of these tests takes on a slow machine: past it, a test says what it waited for. */
const PATIENCE_MS = 40_000;
const EVENTS_IN_FAILURE = 5;

export type Event = Readonly<Record<string, unknown>> & { readonly event?: string };

export interface Exit {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

interface Waiting {
  readonly wanted: (event: Event) => boolean;
  readonly resolve: (event: Event) => void;
  readonly reject: (error: Error) => void;
}

function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('CHUNKMESH_')));
}

export class Command {
  readonly name: string;
  readonly events: Event[] = [];
  readonly exited: Promise<Exit>;
  readonly #process: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #waiting = new Set<Waiting>();
  #stderr = '';
  #exit: Exit | undefined;

  /** @param args without `--json`, which every command here gets. */
  constructor(name: string, args: readonly string[]) {
    this.name = name;
    // The pipe to its stdin ends it, however this process ends.
    const child = spawn(process.execPath, [PROGRAM, ...args, '--json', '--until-stdin-ends'], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: environment(),
    });
    this.#process = child;
    child.stdin.on('error', () => {});
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    createInterface({ input: child.stdout }).on('line', (line) => this.#onEvent(JSON.parse(line) as Event));
    this.exited = new Promise((resolve) => {
      child.once('close', (status, signal) => {
        this.#exit = { status, signal };
        resolve(this.#exit);
        for (const { reject } of this.#waiting) reject(new Error(this.#describe('ended')));
      });
    });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  get running(): boolean {
    return this.#exit === undefined;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** The line of JSON on stderr with which a command ends badly. */
  get failure(): { code: string; message: string; remedy: string } {
    const last = this.#stderr.trim().split('\n').at(-1) ?? '';
    return (JSON.parse(last) as { error: { code: string; message: string; remedy: string } }).error;
  }

  /** VmRSS (proc(5)), in bytes. */
  get residentBytes(): number {
    const kib = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))?.[1];
    return Number(kib) * 1024;
  }

  /** The first event of that name that `where` takes, of those after the first `from`; it may have come already. */
  async event(name: string, where: (event: Event) => boolean = () => true, from = 0): Promise<Event> {
    const wanted = (event: Event): boolean => event.event === name && where(event);
    const found = this.events.slice(from).find(wanted);
    if (found !== undefined) return found;
    if (!this.running) throw new Error(this.#describe(`ended before ${name}`));
    let timer: NodeJS.Timeout | undefined;
    const waiting = new Promise<Event>((resolve, reject) => {
      const entry = { wanted, resolve, reject };
      this.#waiting.add(entry);
      timer = setTimeout(() => reject(new Error(this.#describe(`did not tell ${name}`))), PATIENCE_MS);
    });
    return waiting.finally(() => clearTimeout(timer));
  }

  /** A warning of that code. */
  warning(code: string, from = 0): Promise<Event> {
    return this.event('warning', (event) => event.code === code, from);
  }

  /** Every warning so far. */
  get warnings(): Event[] {
    return this.events.filter(({ event }) => event === 'warning');
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** A clean stop. */
  async stop(): Promise<Exit> {
    this.signal('SIGTERM');
    return this.exited;
  }

  /** kill -9, and waits until it is gone. */
  async kill(): Promise<Exit> {
    this.signal('SIGKILL');
    return this.exited;
  }

  #onEvent(event: Event): void {
    this.events.push(event);
    for (const entry of [...this.#waiting]) {
      if (!entry.wanted(event)) continue;
      this.#waiting.delete(entry);
      entry.resolve(event);
    }
  }

  #describe(what: string): string {
    const { status, signal } = this.#exit ?? {};
    const last = this.events.slice(-EVENTS_IN_FAILURE).map((event) => JSON.stringify(event));
    const lines = [`${this.name} ${what} (${signal ?? status ?? 'running'})`, ...last, this.#stderr.slice(-2000)];
    return lines.join('\n');
  }
}

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';

/** A program as its users run it, the built `chunkmesh` above all: a process, its two streams, its events, its end. */

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const COMMAND = fileURLToPath(new URL('../../dist/bin/chunkmesh.js', import.meta.url));
/** What no event of the tests takes on a slow machine: past it, a test says what it waited for. */
const PATIENCE_MS = 40_000;
const EVENTS_IN_FAILURE = 5;
const STDERR_IN_FAILURE = 2000;

/** One line of what a command prints with `--json`. */
export type Event = Readonly<Record<string, unknown>> & { readonly event?: string };

export interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Another than `chunkmesh`. */
  readonly program?: string;
  /** What a failure calls it, where that is not its arguments. */
  readonly name?: string;
}

/** Settings of whoever runs the tests are not those of what is tested. */
function environment(extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const clean = Object.entries(process.env).filter(([name]) => !/^(CHUNKMESH_|DEBUG$|NODE_OPTIONS$|VITEST)/.test(name));
  return { ...Object.fromEntries(clean), ...extra };
}

export class Command {
  /** With `--json`: everything that it said so far. */
  readonly events: Event[] = [];
  readonly ended: Promise<Ended>;
  readonly #name: string;
  readonly #process: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #changes = new EventEmitter<{ change: [] }>().setMaxListeners(0);
  readonly #lines: string[] = [];
  #linesTaken = 0;
  #running = true;
  #stdout = '';
  #stderr = '';
  #how = 'running';

  constructor(args: readonly string[], { cwd = ROOT, env, program, name }: CommandOptions = {}) {
    this.#name = name ?? args.join(' ');
    const [file, all] = program === undefined ? [process.execPath, [COMMAND, ...args]] : [program, args];
    const child = spawn(file, all, { cwd, env: environment(env), stdio: ['pipe', 'pipe', 'pipe'] });
    this.#process = child;
    child.stdin.on('error', () => {});
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
    });
    const json = program === undefined && args.includes('--json');
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.#lines.push(line);
      if (json) this.events.push(JSON.parse(line) as Event);
      this.#changes.emit('change');
    });
    this.ended = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (status, signal) => {
        this.#running = false;
        this.#how = String(signal ?? status);
        resolve({ status, signal, stdout: this.#stdout, stderr: this.#stderr });
        this.#changes.emit('change');
      });
    });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  get running(): boolean {
    return this.#running;
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** The line of JSON on stderr with which a command ends badly. */
  get failure(): { code: string; message: string; remedy: string } {
    const last = this.#stderr.trim().split('\n').at(-1) ?? '';
    return (JSON.parse(last) as { error: { code: string; message: string; remedy: string } }).error;
  }

  /** Every warning so far. */
  get warnings(): Event[] {
    return this.events.filter(({ event }) => event === 'warning');
  }

  /** VmRSS (proc(5)), in bytes. */
  get residentBytes(): number {
    const kib = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))?.[1];
    return Number(kib) * 1024;
  }

  /** The first event of that name that `where` takes, of those after the first `from`; it may have come already. */
  event(name: string, where: (event: Event) => boolean = () => true, from = 0): Promise<Event> {
    return this.#until(name, () => this.events.slice(from).find((event) => event.event === name && where(event)));
  }

  /** A warning of that code. */
  warning(code: string, from = 0): Promise<Event> {
    return this.event('warning', (event) => event.code === code, from);
  }

  /** The next line of its stdout. */
  async line(): Promise<string> {
    const line = await this.#until('a line', () => this.#lines[this.#linesTaken]);
    this.#linesTaken++;
    return line;
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  endInput(): void {
    this.#process.stdin.end();
  }

  /** Asks it to end, and waits until it has. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Ended> {
    this.signal(signal);
    return await this.ended;
  }

  /** kill -9, and waits until it is gone. */
  kill(): Promise<Ended> {
    return this.stop('SIGKILL');
  }

  /** What `look` finds, now or when more has come. */
  async #until<T>(what: string, look: () => T | undefined): Promise<T> {
    const patience = AbortSignal.timeout(PATIENCE_MS);
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      if (!this.running) throw new Error(this.#describe(`ended before ${what}`));
      await once(this.#changes, 'change', { signal: patience }).catch(() => {
        throw new Error(this.#describe(`did not tell ${what}`));
      });
    }
  }

  #describe(what: string): string {
    const last = this.events.slice(-EVENTS_IN_FAILURE).map((event) => JSON.stringify(event));
    return [`${this.#name} ${what} (${this.#how})`, ...last, this.#stderr.slice(-STDERR_IN_FAILURE)].join('\n');
  }
}

export async function chunkmesh(args: readonly string[], options: CommandOptions = {}): Promise<Ended> {
  const command = new Command(args, options);
  command.endInput();
  return await command.ended;
}

/** What a command says that refuses: nothing on stdout, a code, a remedy, no stack. */
export async function refused(
  args: readonly string[],
): Promise<{ code: string; message: string; exit: number | null }> {
  const { status, stdout, stderr } = await chunkmesh(args);
  expect(stdout).toBe('');
  return { ...refusal(stderr), exit: status };
}

/** What stderr says of a refusal, to a person. */
export function refusal(stderr: string): { code: string; message: string } {
  const [first = '', ...rest] = stderr.trimEnd().split('\n');
  expect(rest.at(-1)).toMatch(/^what to do: /);
  expect(stderr).not.toMatch(/^\s+at /m);
  const [code = '', message = ''] = first.split(/: (.*)/s);
  return { code, message };
}

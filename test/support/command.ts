import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';

/** The built `chunkmesh` command as its users run it: a process, its two streams, its exit status. */

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const COMMAND = fileURLToPath(new URL('../../dist/bin/chunkmesh.js', import.meta.url));

export interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** A program other than the command itself. */
  readonly program?: string;
}

/** Settings of whoever runs the tests are not those of what is tested. */
function environment(extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const clean = Object.entries(process.env).filter(([name]) => !/^(CHUNKMESH_|DEBUG$|NODE_OPTIONS$|VITEST)/.test(name));
  return { ...Object.fromEntries(clean), ...extra };
}

/** A command that goes on until it is told to stop. */
export class Running {
  readonly process: ChildProcess;
  readonly ended: Promise<Ended>;
  readonly #lines: string[] = [];
  #stdout = '';
  #stderr = '';
  readonly #waiting = new Set<() => void>();

  constructor(args: readonly string[], { cwd, env, program }: RunOptions = {}) {
    const [file, all] = program === undefined ? [process.execPath, [COMMAND, ...args]] : [program, args];
    this.process = spawn(file, all, { cwd: cwd ?? ROOT, env: environment(env), stdio: ['pipe', 'pipe', 'pipe'] });
    this.process.stdin?.on('error', () => {});
    this.process.stderr?.on('data', (data) => {
      this.#stderr += String(data);
    });
    this.process.stdout?.on('data', (data) => {
      this.#stdout += String(data);
    });
    if (this.process.stdout) {
      createInterface({ input: this.process.stdout }).on('line', (line) => {
        this.#lines.push(line);
        for (const wake of this.#waiting) wake();
      });
    }
    this.ended = new Promise((resolve, reject) => {
      this.process.once('error', reject);
      this.process.once('close', (status, signal) => {
        for (const wake of this.#waiting) wake();
        resolve({ status, signal, stdout: this.#stdout, stderr: this.#stderr });
      });
    });
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** The first object on stdout with that `event`. */
  async event(name: string): Promise<Record<string, unknown>> {
    for (;;) {
      for (const line of this.#lines) {
        const value = JSON.parse(line) as Record<string, unknown>;
        if (value.event === name) return value;
      }
      if (this.process.exitCode !== null || this.process.signalCode !== null) {
        throw new Error(`it ended without ${name}: ${this.#stderr}`);
      }
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
      });
    }
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Ended> {
    this.process.kill(signal);
    return await this.ended;
  }
}

export async function chunkmesh(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const running = new Running(args, options);
  running.process.stdin?.end();
  return await running.ended;
}

/** What a command says that refuses: nothing on stdout, a code, a remedy, no stack. */
export async function refused(
  args: readonly string[],
): Promise<{ code: string; message: string; exit: number | null }> {
  const plain = await chunkmesh(args);
  expect(plain.stdout).toBe('');
  const [first = '', ...rest] = plain.stderr.trimEnd().split('\n');
  expect(rest.at(-1)).toMatch(/^what to do: /);
  expect(plain.stderr).not.toMatch(/^\s+at /m);
  const [code = '', message = ''] = first.split(/: (.*)/s);
  return { code, message, exit: plain.status };
}

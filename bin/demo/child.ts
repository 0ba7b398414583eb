import { type ChildProcess, spawn } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { ChunkmeshError, ERROR_TABLE, type ErrorCode } from '../../shared/errors.js';

/**
 * A `chunkmesh` command as a child process: its events by name, its end. It holds the other side of a pipe as its stdin and stops
 * when that closes, so that it cannot outlive this process, however this process dies.
 */

const COMMAND = fileURLToPath(new URL('../chunkmesh.js', import.meta.url));
/** A clean stop says goodbye to peers and broker; what takes longer hangs. */
const STOP_TIMEOUT_MS = 9000;
const LOG_TAIL_LINES = 3;

export type ChildEvent = Readonly<Record<string, unknown>> & { readonly event?: string };

export interface ChildOptions {
  /** Names it in errors, as the id of its device. */
  readonly name: string;
  /** Of the command, without the flags that every child gets. */
  readonly args: readonly string[];
  /** Where its stderr goes. */
  readonly log: string;
}

/** They choose what a process is made of, not what it does. */
const PASSED_ON: readonly string[] = ['CHUNKMESH_CRYPTO', 'CHUNKMESH_SOCKET'];

/** Settings of whoever runs this are not the child's: it gets flags. */
function environment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('CHUNKMESH_') || PASSED_ON.includes(name),
  );
  return Object.fromEntries(kept);
}

function parseLine(line: string): ChildEvent | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as ChildEvent) : undefined;
  } catch {
    return undefined;
  }
}

export interface ChildEvents {
  /** One object of its stdout. */
  data: [ChildEvent];
  exit: [];
}

export class Child extends EventEmitter<ChildEvents> {
  readonly name: string;
  readonly #log: string;
  readonly #process: ChildProcess;
  #status: string | undefined;

  constructor({ name, args, log }: ChildOptions) {
    super();
    this.setMaxListeners(0);
    this.name = name;
    this.#log = log;
    const stderr = openSync(log, 'a');
    this.#process = spawn(process.execPath, [COMMAND, ...args, '--json', '--until-stdin-ends'], {
      stdio: ['pipe', 'pipe', stderr],
      env: environment(),
      // A process group of its own: Ctrl-C at the terminal is for the demo, which then stops everyone in order.
      detached: true,
    });
    closeSync(stderr);
    const { stdin, stdout } = this.#process;
    stdin?.on('error', () => {});
    if (stdout !== null) {
      createInterface({ input: stdout }).on('line', (line) => {
        const value = parseLine(line);
        if (value !== undefined) this.emit('data', value);
      });
    }
    this.#process.on('error', (error) => this.#end(error.message));
    this.#process.on('close', (code, signal) => this.#end(signal ?? `exit status ${code}`));
  }

  get running(): boolean {
    return this.#status === undefined;
  }

  /** Why it ended, in its own words where it had any. */
  failure(): ChunkmeshError {
    const { code, message } = this.#lastError();
    return new ChunkmeshError(code, `${this.name}: ${message}`);
  }

  /**
   * The first object on its stdout that `wanted` takes.
   * @throws what it died of, where it ends first
   */
  async first(wanted: (data: ChildEvent) => boolean): Promise<ChildEvent> {
    if (!this.running) throw this.failure();
    return await new Promise((resolve, reject) => {
      const onData = (data: ChildEvent): void => {
        if (!wanted(data)) return;
        this.off('data', onData).off('exit', onExit);
        resolve(data);
      };
      const onExit = (): void => {
        this.off('data', onData);
        reject(this.failure());
      };
      this.on('data', onData).once('exit', onExit);
    });
  }

  /** Asks it to stop, and sees to it. */
  async stop(): Promise<void> {
    if (!this.running) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => this.kill(), STOP_TIMEOUT_MS);
      this.once('exit', () => {
        clearTimeout(timer);
        resolve();
      });
      this.#process.kill('SIGTERM');
      this.#process.stdin?.end();
    });
  }

  /** At once, for when there is no time to ask. */
  kill(): void {
    if (this.running) this.#process.kill('SIGKILL');
  }

  /** Asks, and does not wait: for who has a child of its own to end, as a broker that runs mosquitto. */
  dismiss(): void {
    if (this.running) this.#process.kill('SIGTERM');
  }

  #end(status: string): void {
    if (!this.running) return;
    this.#status = status;
    this.emit('exit');
  }

  /** The error line that every command ends with (`--json`), else the tail of its log. */
  #lastError(): { code: ErrorCode; message: string } {
    const lines = readFileSync(this.#log, 'utf8').trim().split('\n');
    const last = parseLine(lines.at(-1) ?? '')?.error;
    if (typeof last === 'object' && last !== null) {
      const { code, message } = last as { code?: string; message?: string };
      if (code !== undefined && code in ERROR_TABLE) return { code: code as ErrorCode, message: message ?? '' };
    }
    const tail = lines.slice(-LOG_TAIL_LINES).join(' | ');
    return { code: 'E_INTERNAL', message: `ended with ${this.#status ?? 'nothing'}: ${tail}` };
  }
}

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';

/** A broker's program as a child process, ended when this process ends. */

const READY_TIMEOUT_MS = 10_000;
const POLL_MS = 20;
/** For one that does not say so: it looks at signals as soon as it has nothing else to do. */
const RELOAD_TIMEOUT_MS = 500;
const TERMINATE_TIMEOUT_MS = 5000;
/** What of its output a person needs to see why it ended. */
const MAX_OUTPUT_LINES = 12;
const MAX_LINE_CHARACTERS = 500;

export class BrokerProcess {
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  readonly #lines: string[] = [];
  readonly #log: Logger;
  #ended = false;
  #running = false;
  readonly #reloading: (() => void)[] = [];

  private constructor(child: ChildProcess, log: Logger) {
    this.#child = child;
    this.#log = log;
    const killed = (): void => void child.kill('SIGKILL');
    process.once('exit', killed);
    this.#exited = new Promise((resolve) => {
      const end = (line?: string): void => {
        if (line !== undefined) this.#keep(line);
        this.#ended = true;
        process.off('exit', killed);
        resolve();
      };
      // `close` comes after the last of its output, `exit` may come before.
      child.once('close', () => end());
      child.once('error', (error) => end(error.message));
    });
    for (const stream of [child.stdout, child.stderr]) {
      if (stream) createInterface({ input: stream }).on('line', (line) => this.#keep(line));
    }
  }

  static spawn(program: string, args: readonly string[], log: Logger): BrokerProcess {
    return new BrokerProcess(spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] }), log);
  }

  /** The last lines that it printed. */
  get output(): string {
    return this.#lines.join('\n');
  }

  /** True when the port accepts, false when the program has ended or does not accept in ten seconds. */
  async ready(host: string, port: number): Promise<boolean> {
    const deadline = performance.now() + READY_TIMEOUT_MS;
    while (!this.#ended && performance.now() < deadline) {
      if (await accepts(host, port)) {
        // Another program may hold the port, and ours be about to end over it: its own word decides.
        if (this.#running) return !this.#ended;
      }
      await Promise.race([delay(POLL_MS), this.#exited]);
    }
    return false;
  }

  /** Resolves when it has begun to read its files again: what clients send from then on, it looks at once it has. */
  async hangUp(): Promise<void> {
    const reloaded = new Promise<void>((resolve) => {
      this.#reloading.push(resolve);
    });
    this.#child.kill('SIGHUP');
    await Promise.race([reloaded, delay(RELOAD_TIMEOUT_MS), this.#exited]);
  }

  async close(): Promise<void> {
    if (this.#ended) return;
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), TERMINATE_TIMEOUT_MS);
    await this.#exited;
    clearTimeout(timer);
  }

  #keep(line: string): void {
    if (line.endsWith(' running')) this.#running = true;
    if (line.endsWith('Reloading config.')) for (const resolve of this.#reloading.splice(0)) resolve();
    this.#lines.push(line.slice(0, MAX_LINE_CHARACTERS));
    if (this.#lines.length > MAX_OUTPUT_LINES) this.#lines.shift();
    this.#log.debug({ line }, 'broker says');
  }
}

async function accepts(host: string, port: number): Promise<boolean> {
  const socket = connect({ host, port });
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

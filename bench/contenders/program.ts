import { type ChildProcess, execFile, fork, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** Programs and modules that a contender needs. */

const MAX_OUTPUT_BYTES = 16 * 2 ** 20;

export function works(command: string, ...args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

/** What it prints. It ends with this process. @throws where it fails or takes too long */
export async function output(command: string, args: readonly string[], timeoutMs: number): Promise<string> {
  const running = promisify(execFile)(command, args, { timeout: timeoutMs, maxBuffer: MAX_OUTPUT_BYTES });
  const kill = (): void => void running.child.kill();
  process.on('exit', kill);
  try {
    return (await running).stdout;
  } finally {
    process.off('exit', kill);
  }
}

/** The next message of a forked module. @throws where it ends without one */
export function answer<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const ended = (): void => reject(new Error('a process ended early'));
    child.once('exit', ended);
    child.once('message', (message: T) => {
      child.off('exit', ended);
      resolve(message);
    });
  });
}

/** What a receiver counted, from the first datagram or byte to the last. */
export interface Counted {
  readonly bytes: number;
  readonly seconds: number;
}

/**
 * A module beside this file in two processes: `receive` says its port, then what it counted; `send` is told the port. @returns MB/s
 */
export async function onePair(module: string, ...args: readonly string[]): Promise<number> {
  const path = fileURLToPath(new URL(module, import.meta.url));
  const receiver = fork(path, ['receive', ...args]);
  const children = [receiver];
  try {
    const port = await answer<number>(receiver);
    const counted = answer<Counted>(receiver);
    children.push(fork(path, ['send', String(port), ...args]));
    const { bytes, seconds } = await counted;
    return bytes / 1e6 / seconds;
  } finally {
    for (const child of children) child.kill('SIGKILL');
  }
}

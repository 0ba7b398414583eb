import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Writable } from 'node:stream';
import type { Star } from './star.js';

/** Programs at the ends of a star. All end with it. */

export interface Program {
  readonly process: ChildProcess;
  /** The next line that it prints. @throws where it ends without one */
  line(): Promise<string>;
  say(line: string): void;
}

export function program(star: Star, end: number, command: string, args: readonly string[], env = {}): Program {
  const options = { stdio: ['pipe', 'pipe', 'ignore'] as ['pipe', 'pipe', 'ignore'], env: { ...process.env, ...env } };
  const child = star.lab.spawn(end, command, args, options);
  if (child.stdout === null || child.stdin === null) throw new Error('no pipes');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const stdin: Writable = child.stdin;
  // One that has ended reads no more, and who waits for its next line learns of it.
  stdin.on('error', () => {});
  return {
    process: child,
    line: async () => {
      const { value, done } = await lines.next();
      if (done === true) throw new Error(`${command} ended early`);
      return value;
    },
    say: (line) => void stdin.write(`${line}\n`),
  };
}

/** @throws where it fails */
export async function ended({ process: child }: Program): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  if (child.exitCode !== 0) throw new Error(`a program failed: ${child.exitCode ?? child.signalCode}`);
}

import { fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { indexFile } from '../shared/artifact_file.js';
import { answer } from './contenders/program.js';

/** Indexing a file in a process that does nothing else. */

interface Indexed {
  readonly seconds: number;
  readonly peakBytes: number;
}

const KIB = 1024;

/** Of this process alone: what getrusage(2) tells has that of the one that made it. */
function peakBytes(): number {
  const [, kib] = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return Number(kib) * KIB;
}

/** @throws where the file cannot be indexed */
export async function indexApart(path: string): Promise<Indexed> {
  const child = fork(fileURLToPath(import.meta.url), [path]);
  try {
    return await answer<Indexed>(child);
  } finally {
    child.kill('SIGKILL');
  }
}

const [, self, path] = process.argv;
if (self === fileURLToPath(import.meta.url) && path !== undefined) {
  const begun = performance.now();
  await indexFile(path);
  const seconds = (performance.now() - begun) / 1000;
  process.send?.({ seconds, peakBytes: peakBytes() } satisfies Indexed);
}

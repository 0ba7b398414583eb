import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { indexFile } from '../shared/artifact_file.js';
import { answer } from './contenders/program.js';
import { memoryOf } from './proc_memory.js';

/** Indexing a file in a process that does nothing else. */

interface Indexed {
  readonly seconds: number;
  readonly peakBytes: number;
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
  process.send?.({ seconds, peakBytes: memoryOf(process.pid, 'VmHWM') } satisfies Indexed);
}

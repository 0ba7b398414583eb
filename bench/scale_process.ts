import { fork } from 'node:child_process';
import { totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { type ScaleOptions, type ScaleRun, simulateScale } from '../test/sim/swarm/scale.js';
import { answer } from './contenders/program.js';

/** A simulated fleet in a process of its own: a large one takes gigabytes, which go with it. */

/** Of the machine's memory, what the heap of the process may take. */
const HEAP_SHARE = 0.75;

/** @throws where it cannot be simulated: out of memory, say */
export async function simulateApart(options: ScaleOptions): Promise<ScaleRun> {
  const megabytes = Math.floor((totalmem() * HEAP_SHARE) / 2 ** 20);
  const child = fork(fileURLToPath(import.meta.url), [JSON.stringify(options)], {
    execArgv: [`--max-old-space-size=${megabytes}`],
  });
  try {
    return await answer<ScaleRun>(child);
  } finally {
    child.kill('SIGKILL');
  }
}

const [, self, options] = process.argv;
if (self === fileURLToPath(import.meta.url) && options !== undefined) {
  process.send?.(await simulateScale(JSON.parse(options) as ScaleOptions));
}

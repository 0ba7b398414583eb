import { setFlagsFromString } from 'node:v8';

/**
 * For a process that is an agent and nothing else, early: V8's space for young objects stays as small as it is. It would grow to 48 MB,
 * where an agent at full speed needs 2, and what outlived a collection there would be dropped by the slow ones of the whole heap.
 * Whoever has the agent in a process of his own has the same of `node --max-semi-space-size=4`.
 */
export function keepHeapSmall(): void {
  // Looked at whenever the space is about to grow.
  setFlagsFromString('--semi-space-growth-factor=1');
}

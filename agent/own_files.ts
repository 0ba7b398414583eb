import type { ChunkSource } from './io/store/chunk_source.js';
import type { Parts } from './parts.js';

/**
 * What a device has that may share chunks with an artifact, in the order in which it is looked into: files that it was told of, what was handed over
 * under the same name, and versions of that name that it never had whole.
 */
export async function* ownFiles(
  { seeds, store }: Pick<Parts, 'seeds' | 'store'>,
  name: string,
  artifact: string,
): AsyncGenerator<ChunkSource, void, undefined> {
  yield* seeds;
  yield* store.handedOver(name);
  yield* store.unfinished(name, artifact);
  // Who asks for more has taken what there is.
  await store.dropOutlived();
}

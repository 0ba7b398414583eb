import type { ChunkSource } from './io/store/chunk_source.js';
import type { Parts } from './parts.js';

/** What a device has that may share chunks with a new artifact, in the order in which it is looked into. */

type Places = Pick<Parts, 'seeds' | 'store'>;

/** Each can be read until the next is asked for. @param name of the rollout @throws E_STORE_IO */
export async function* ownFiles({ seeds, store }: Places, name: string): AsyncGenerator<ChunkSource, void, undefined> {
  yield* seeds;
  yield* store.handedOver(name);
}

/** Each can be read for as long as the parts are open. @param name of the rollout @throws E_STORE_IO */
export async function* lastingFiles(
  { seeds, store }: Places,
  name: string,
): AsyncGenerator<ChunkSource, void, undefined> {
  yield* seeds;
  yield* store.readyFiles(name);
}

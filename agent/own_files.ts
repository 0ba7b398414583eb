import type { ChunkSource } from './io/store/chunk_source.js';
import type { Parts } from './parts.js';

/** What a device has that may share chunks with an artifact, in the order in which it is looked into. */

type Places = Pick<Parts, 'seeds' | 'store'>;

/** What is installed on the device, of which the store may have no copy any more. */
export interface InstalledFiles {
  /** Closed when the next is asked for. */
  installed(name: string): AsyncGenerator<ChunkSource, void, undefined>;
}

/**
 * Files that it was told of, what was handed over under the same name, what is installed under it, and versions of that name that it never had whole. Each can be read until
 * the next is asked for. @param name of the rollout @throws E_STORE_IO
 */
export async function* ownFiles(
  { seeds, store, standing }: Places & { readonly standing: InstalledFiles },
  name: string,
  artifact: string,
): AsyncGenerator<ChunkSource, void, undefined> {
  yield* seeds;
  yield* store.handedOver(name);
  yield* standing.installed(name);
  yield* store.unfinished(name, artifact);
  // Who asks for more has taken what there is.
  await store.dropOutlived();
}

/** Each can be read for as long as the parts are open. @param name of the rollout @throws E_STORE_IO */
export async function* lastingFiles(
  { seeds, store }: Places,
  name: string,
): AsyncGenerator<ChunkSource, void, undefined> {
  yield* seeds;
  yield* store.readyFiles(name);
}

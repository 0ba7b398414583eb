import type { ArtifactIndex } from '../../shared/artifact/artifact_index.js';
import { ChunkmeshError } from '../../shared/errors.js';
import type { ChunkSource } from '../io/store/chunk_source.js';
import type { StoredArtifact } from '../io/store/stored_artifact.js';
import type { Logger } from '../options.js';
import { copyFromDisk } from './copy.js';
import type { Fetch } from './fetch.js';

/** Taking what the device's own files hold: once, and again where that may help. */

export interface CopyingHost {
  readonly logger: Logger;
  files(): AsyncIterable<ChunkSource>;
  /** Whether nothing is to be copied now. */
  ended(): boolean;
}

export class Copying {
  readonly #host: CopyingHost;
  #isDone = false;

  constructor(host: CopyingHost) {
    this.#host = host;
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  /** Chunks are missing that the files may have. */
  again(): void {
    this.#isDone = false;
  }

  /** @throws what keeps the store from being written to; it is then not done */
  async run(stored: StoredArtifact, index: ArtifactIndex, fetch: Fetch): Promise<void> {
    let ended = false;
    const host = {
      copied: (chunk: number, bytes: number): void => {
        fetch.counters.fromDisk += bytes;
        fetch.tellHeld(chunk);
      },
      stopped: (): boolean => {
        ended ||= this.#host.ended();
        return ended;
      },
    };
    try {
      await copyFromDisk(stored, index, this.#host.files(), host);
    } catch (error) {
      // Copied on when there is room again: what the device has would else come over the network.
      if (stored.isBroken || (error instanceof ChunkmeshError && error.code === 'E_DISK_FULL')) throw error;
      this.#host.logger.warn({ error }, 'copying from files of the device stopped');
    }
    this.#isDone = !ended;
  }
}

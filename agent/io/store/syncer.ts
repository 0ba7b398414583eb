import type { ChunkmeshError } from '../../../shared/errors.js';
import { storeError } from './store_error.js';

/** What power loss may cost is bounded by both: chunks that are fetched once more, never wrong ones. */
const SYNC_MS = 1000;
const SYNC_BYTES = 64 * 2 ** 20;

/** Writes reach the disk about once a second, or every 64 MiB, without any write waiting for it. */
export class Syncer {
  readonly #sync: () => Promise<void>;
  readonly #what: string;
  #timer: NodeJS.Timeout | undefined;
  #dirtyBytes = 0;
  #running: Promise<void> = Promise.resolve();
  #fault: ChunkmeshError | undefined;

  /** @param what names the file in errors. @param sync brings everything to the disk. */
  constructor(what: string, sync: () => Promise<void>) {
    this.#what = what;
    this.#sync = sync;
  }

  wrote(bytes: number): void {
    this.#dirtyBytes += bytes;
    if (this.#dirtyBytes >= SYNC_BYTES) void this.#run();
    else this.#timer ??= setTimeout(() => void this.#run(), SYNC_MS).unref();
  }

  /**
   * Throws what went wrong in the background. No room may come back, so it is told once. Any other failure stays: the
   * kernel may have dropped the bytes and will not say which.
   * @throws ChunkmeshError E_DISK_FULL, E_STORE_IO
   */
  check(): void {
    const fault = this.#fault;
    if (fault?.code === 'E_DISK_FULL') this.#fault = undefined;
    if (fault !== undefined) throw fault;
  }

  /** Whether a failure stays, that is until `mend`. */
  get isBroken(): boolean {
    return this.#fault !== undefined && this.#fault.code !== 'E_DISK_FULL';
  }

  /** Runs `work`, which opens the files anew, with no sync under way; once it is done the failure is forgotten. */
  async mend(work: () => Promise<void>): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#running;
    await work();
    this.#fault = undefined;
  }

  /** Everything written so far is on the disk once this settles. @throws as `check`. */
  async flush(): Promise<void> {
    await this.#run();
    this.check();
  }

  #run(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#dirtyBytes = 0;
    this.#running = this.#running.then(this.#sync).catch((error: unknown) => {
      this.#fault = storeError(error, this.#what);
    });
    return this.#running;
  }
}

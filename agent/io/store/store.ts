import { join } from 'node:path';
import type { ExpectedArtifact } from '../../../shared/artifact/index.js';
import { isArtifactName, isId, isVersion } from '../../../shared/control/ids.js';
import { ChunkmeshError } from '../../../shared/errors.js';
import { makeDirectory, readIfThere, removeTemporaries, replaceFile } from './disk.js';
import { StoreLock } from './lock.js';
import { checkPrivate } from './private_folder.js';
import { storing } from './store_error.js';
import { StoredArtifact } from './stored_artifact.js';

/** What checks a state document; a zod schema is one. */
export interface StateSchema<T> {
  safeParse(value: unknown): { success: true; data: T } | { success: false; error: unknown };
}

export interface ArtifactToOpen extends ExpectedArtifact {
  /** P-1.1 */
  readonly name: string;
  /** P-1.2 */
  readonly version: string;
}

/**
 * What a device keeps on its disk. One agent at a time:
 *
 *     <dir>/state/<name>.json          small documents
 *     <dir>/artifacts/<hex>/..         see StoredArtifact
 *     <dir>/ready/<name>/<version>     complete artifacts
 */
export class Store {
  readonly dir: string;
  readonly #lock: StoreLock;
  readonly #artifacts = new Map<string, Promise<StoredArtifact>>();
  readonly #writing = new Map<string, Promise<void>>();
  #closing: Promise<void> | undefined;

  private constructor(dir: string, lock: StoreLock) {
    this.dir = dir;
    this.#lock = lock;
  }

  /** Makes the folder if need be. @throws ChunkmeshError E_STORE_MODE, E_STORE_LOCKED, E_STORE_IO, E_DISK_FULL */
  static async open(dir: string): Promise<Store> {
    await storing(dir, async () => {
      await makeDirectory(dir);
      await checkPrivate(dir);
    });
    const lock = await StoreLock.take(dir);
    try {
      await storing(dir, async () => {
        // `ready` is for whoever installs: what lies there is verified and never written to.
        for (const own of [join(dir, 'state'), join(dir, 'artifacts')]) {
          await makeDirectory(own);
          await checkPrivate(own);
        }
        await removeTemporaries(join(dir, 'state'));
      });
      return new Store(dir, lock);
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /** Closes every artifact that is open, then gives the lock back. @throws ChunkmeshError E_STORE_IO, E_DISK_FULL */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /**
   * The state document of that name, or undefined where none was written.
   * @throws ChunkmeshError E_STORE_CORRUPT naming the path, where it is not what `schema` takes; E_STORE_IO.
   */
  async readState<T>(name: string, schema: StateSchema<T>): Promise<T | undefined> {
    const path = this.#statePath(name);
    const bytes = await storing(path, () => readIfThere(path));
    if (bytes === undefined) return undefined;
    const parsed = schema.safeParse(parseJson(path, bytes));
    if (parsed.success) return parsed.data;
    throw new ChunkmeshError('E_STORE_CORRUPT', `${path} is not what was written there`, { cause: parsed.error });
  }

  /** Replaces the state document whole; writes to one name take effect in order. @throws ChunkmeshError E_DISK_FULL, E_STORE_IO */
  async writeState(name: string, value: unknown): Promise<void> {
    const path = this.#statePath(name);
    const text = `${JSON.stringify(value)}\n`;
    const before = this.#writing.get(name) ?? Promise.resolve();
    const write = before.catch(() => undefined).then(() => storing(path, () => replaceFile(path, text)));
    this.#writing.set(name, write);
    try {
      await write;
    } finally {
      if (this.#writing.get(name) === write) this.#writing.delete(name);
    }
  }

  /**
   * Opens an artifact, empty or as far as it came; every chunk that it claims to hold is read and verified first.
   * @throws ChunkmeshError E_ID for a name that breaks P-1; E_INTERNAL where it is open; E_DISK_FULL, E_STORE_IO.
   */
  async openArtifact({ artifact, name, version, size, chunks }: ArtifactToOpen): Promise<StoredArtifact> {
    // The patterns of P-1 leave no name that could lead out of the folder.
    if (!isArtifactName(artifact)) throw badName('artifact', artifact);
    if (!isId(name)) throw badName('name', name);
    if (!isVersion(version)) throw badName('version', version);
    if (this.#closing !== undefined) throw new ChunkmeshError('E_STORE_IO', `${this.dir} is closed`);
    if (this.#artifacts.has(artifact)) throw new ChunkmeshError('E_INTERNAL', `artifact ${artifact} is open already`);
    const opening = StoredArtifact.open(
      { folder: join(this.dir, 'artifacts', artifact), readyPath: join(this.dir, 'ready', name, version) },
      { artifact, size, chunks },
      () => this.#artifacts.delete(artifact),
    );
    this.#artifacts.set(artifact, opening);
    return opening.catch((error: unknown) => {
      this.#artifacts.delete(artifact);
      throw error;
    });
  }

  async #close(): Promise<void> {
    const closed = await Promise.allSettled([
      ...this.#writing.values(),
      ...[...this.#artifacts.values()].map(async (opening) => (await opening.catch(() => undefined))?.close()),
    ]);
    await this.#lock.release();
    for (const result of closed) if (result.status === 'rejected') throw result.reason;
  }

  #statePath(name: string): string {
    if (!isId(name)) throw badName('state name', name);
    return join(this.dir, 'state', `${name}.json`);
  }
}

function badName(what: string, value: string): ChunkmeshError {
  return new ChunkmeshError('E_ID', `${what} ${JSON.stringify(value.slice(0, 80))} breaks P-1`);
}

function parseJson(path: string, bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new ChunkmeshError('E_STORE_CORRUPT', `${path} is not JSON`, { cause });
  }
}

import { join } from 'node:path';
import type { ArtifactIndex, ExpectedArtifact } from '../../../shared/artifact/index.js';
import { isArtifactName, isId } from '../../../shared/control/ids.js';
import { ChunkmeshError } from '../../../shared/errors.js';
import type { InForce } from '../../store/eviction.js';
import type { ChunkSource } from './chunk_source.js';
import { makeDirectory, readIfThere, removeTemporaries, replaceFile } from './disk.js';
import { handedOverAs, indexIn, type KnownVersion, knownAs, readyFilesAs, unfinishedAs } from './kin.js';
import { StoreLock } from './lock.js';
import { checkPrivate } from './private_folder.js';
import { addToWanted, type ReadyName, readyPath } from './ready.js';
import type { ReadyFile } from './ready_file.js';
import { type Beside, type Evicted, type InForceByGroup, inForceSchema, Room, type StorePlace } from './room.js';
import type { SeedFile } from './seed_file.js';
import { badName, storing } from './store_error.js';
import { StoredArtifact } from './stored_artifact.js';

/** What checks a state document; a zod schema is one. */
export interface StateSchema<T> {
  safeParse(value: unknown): { success: true; data: T } | { success: false; error: unknown };
}

/** With a name under which it may lie complete, beside those that the store knows of. */
export interface ArtifactToOpen extends ExpectedArtifact, ReadyName {}

export interface StoreOptions {
  /** Bytes that all artifacts may take, those that are handed over among them. Default no limit. */
  readonly quota?: number;
  /** Those of the device: what is remembered of others counts no more. Default all that are remembered. */
  readonly groups?: readonly string[];
  /** An artifact was removed for another. */
  readonly evicted?: (what: Evicted) => void;
}

/** The state document that has what trust messages named last. */
const IN_FORCE_DOCUMENT = 'in_force';

/**
 * What a device keeps on its disk. One agent at a time:
 *
 *     <dir>/state/<name>.json          small documents
 *     <dir>/evidence/<number>.bin      what came and was wrong, see EvidenceFiles
 *     <dir>/artifacts/<hex>/..         see StoredArtifact
 *     <dir>/ready/<name>/<version>     complete artifacts
 */
export class Store {
  readonly dir: string;
  readonly #lock: StoreLock;
  readonly #place: StorePlace;
  readonly #artifacts = new Map<string, Promise<StoredArtifact>>();
  /** Sizes of those that were granted room. */
  readonly #granted = new Map<string, number>();
  readonly #writing = new Map<string, Promise<void>>();
  readonly #room: Room;
  #inForce: InForceByGroup = {};
  #closing: Promise<void> | undefined;

  private constructor(dir: string, lock: StoreLock, { quota, evicted }: StoreOptions) {
    this.dir = dir;
    this.#lock = lock;
    this.#place = { artifacts: join(dir, 'artifacts'), ready: join(dir, 'ready') };
    this.#room = new Room(this.#place, quota ?? Number.POSITIVE_INFINITY, evicted ?? (() => {}));
  }

  /** Makes the folder if need be. @throws ChunkmeshError E_STORE_MODE, E_STORE_LOCKED, E_STORE_CORRUPT, E_STORE_IO, E_DISK_FULL */
  static async open(dir: string, options: StoreOptions = {}): Promise<Store> {
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
      const store = new Store(dir, lock, options);
      await store.#recall(options.groups);
      return store;
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
   * The rollouts that a group's trust message names from now on: their artifacts are not removed for the room of others. Remembered
   * across restarts, for not every group is heard of before the first artifact is opened.
   * @throws ChunkmeshError E_DISK_FULL, E_STORE_IO
   */
  async keep(group: string, named: readonly InForce[]): Promise<void> {
    const rollouts = named.map(({ artifact, name, version }) => ({ artifact, name, version }));
    const before = JSON.stringify(this.#inForce);
    this.#inForce = { ...this.#inForce, [group]: rollouts };
    if (JSON.stringify(this.#inForce) !== before) await this.writeState(IN_FORCE_DOCUMENT, this.#inForce);
  }

  /** What all groups name, as of their last trust messages; heard of since the start or before it. */
  get inForce(): readonly InForce[] {
    return Object.values(this.#inForce).flat();
  }

  /** Versions of the name of which the store has the index, those that were used last first. @throws ChunkmeshError E_STORE_IO */
  known(name: string): Promise<KnownVersion[]> {
    return knownAs(this.#place, name);
  }

  /** The index of an artifact that need not be open. @throws ChunkmeshError E_STORE_IO */
  indexOf(artifact: string): Promise<ArtifactIndex | undefined> {
    return indexIn(this.#place, artifact);
  }

  /**
   * Opens an artifact, empty or as far as it came; every chunk that it claims to hold is read and verified first. Where the quota
   * leaves no room for all of it, old ones are removed.
   * @throws ChunkmeshError E_ID for a name that breaks P-1; E_INTERNAL where it is open; E_STORE_QUOTA, E_DISK_FULL, E_STORE_IO.
   */
  async openArtifact(wanted: ArtifactToOpen): Promise<StoredArtifact> {
    const { artifact, name, version } = wanted;
    if (!isArtifactName(artifact)) throw badName('artifact', artifact);
    const path = readyPath(this.#place.ready, { name, version });
    if (this.#closing !== undefined) throw new ChunkmeshError('E_STORE_IO', `${this.dir} is closed`);
    if (this.#artifacts.has(artifact)) throw new ChunkmeshError('E_INTERNAL', `artifact ${artifact} is open already`);
    const opening = this.#open(wanted, path);
    this.#artifacts.set(artifact, opening);
    return opening.catch((error: unknown) => {
      this.#forget(artifact);
      throw error;
    });
  }

  /** Bytes that all artifacts take of the disk, those that are handed over among them. @throws ChunkmeshError E_STORE_IO */
  usedBytes(): Promise<number> {
    return storing(this.dir, () => this.#room.used(this.#granted));
  }

  /** As Room.beside: evidence is, which counts with the artifacts and makes room for them. */
  beside(beside: Beside): void {
    this.#room.beside(beside);
  }

  /** As Room.writeBeside. @throws ChunkmeshError as `write` does, E_STORE_IO */
  writeBeside(bytes: number, write: () => Promise<void>): Promise<boolean> {
    return storing(this.dir, () => this.#room.writeBeside(bytes, this.#granted, write));
  }

  /**
   * Complete artifacts that were handed over under the name, one after the other, each closed when the next is asked for. They
   * belong to whoever installs them: what is read of them is verified.
   * @throws ChunkmeshError E_STORE_IO
   */
  handedOver(name: string): AsyncGenerator<SeedFile, void, undefined> {
    return handedOverAs(this.#place, name);
  }

  /** The same, to be read for as long as the store is open; whether a file is there shows then. @throws ChunkmeshError E_STORE_IO */
  readyFiles(name: string): AsyncGenerator<ReadyFile, void, undefined> {
    return readyFilesAs(this.#place, name);
  }

  /** Whether the disk has set aside what the artifact takes, so that to open it takes no more. @throws ChunkmeshError E_STORE_IO */
  isSetAside({ artifact, size }: Pick<ExpectedArtifact, 'artifact' | 'size'>): Promise<boolean> {
    return storing(this.dir, () => this.#room.isSetAside(artifact, size));
  }

  /**
   * What there is of artifacts that were fetched for rollouts of the name and never handed over, as `handedOver` gives them; one
   * that is open stays so. @param except an artifact that is none of them
   * @throws ChunkmeshError E_STORE_IO
   */
  unfinished(name: string, except: string): AsyncGenerator<ChunkSource, void, undefined> {
    return unfinishedAs(this.#place, name, except, (artifact) => this.#artifacts.get(artifact));
  }

  /**
   * Removes what there is of artifacts that never were whole and that nobody takes chunks from any more: call once a rollout is
   * handed over, or has taken what there was under its name.
   * @throws ChunkmeshError E_STORE_IO
   */
  async dropOutlived(): Promise<void> {
    if (this.#closing !== undefined) return;
    await storing(this.dir, () => this.#room.dropOutlived(this.#granted, Object.values(this.#inForce).flat()));
  }

  async #open({ artifact, size, chunks, name, version }: ArtifactToOpen, path: string): Promise<StoredArtifact> {
    const expected = { artifact, size, chunks };
    const inForce = Object.values(this.#inForce).flat();
    await storing(this.dir, () => this.#room.make(expected, this.#granted, inForce));
    const place = { folder: join(this.#place.artifacts, artifact), ready: this.#place.ready };
    const stored = await StoredArtifact.open(place, expected, path, () => this.#forget(artifact));
    // Without the note what comes is as good: it is not found by the next version, and comes again then.
    await addToWanted(place.folder, expected, { name, version }).catch(() => undefined);
    return stored;
  }

  #forget(artifact: string): void {
    this.#artifacts.delete(artifact);
    this.#granted.delete(artifact);
  }

  async #recall(groups: readonly string[] | undefined): Promise<void> {
    const remembered = (await this.readState(IN_FORCE_DOCUMENT, inForceSchema)) ?? {};
    const known = Object.entries(remembered).filter(([group]) => groups?.includes(group) ?? true);
    this.#inForce = Object.fromEntries(known);
  }

  async #close(): Promise<void> {
    const closed = await Promise.allSettled([
      ...this.#writing.values(),
      this.#room.idle(),
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

function parseJson(path: string, bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new ChunkmeshError('E_STORE_CORRUPT', `${path} is not JSON`, { cause });
  }
}

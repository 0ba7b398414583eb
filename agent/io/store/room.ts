import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { type ExpectedArtifact, indexByteLength } from '../../../shared/artifact/index.js';
import { isArtifactName } from '../../../shared/control/ids.js';
import { ChunkmeshError } from '../../../shared/errors.js';
import { type InForce, type KeptArtifact, outlived, whatToEvict } from '../../store/eviction.js';
import { JOURNAL_HEADER_BYTES, JOURNAL_RECORD_BYTES } from '../../store/journal.js';
import { type ArtifactPlace, isWholeAt } from './artifact_files.js';
import { listIfThere, statHint } from './disk.js';
import { readIndex } from './index_file.js';
import { type ReadyNote, readNote, readWanted, readyPath } from './ready.js';

/** How much of its disk a store may take: what there is of it, and what goes where another artifact is to have room. */

/** An artifact that was removed, and the files of `ready` that went with it or were left to whoever changed them. */
export interface Evicted {
  readonly artifact: string;
  readonly bytes: number;
  readonly removed: readonly string[];
  readonly left: readonly string[];
}

const named = z.object({ artifact: z.string(), name: z.string(), version: z.string() });
/** By group: what its last trust message named. A group that was not heard of since the start counts as it was. */
export const inForceSchema = z.record(z.string(), z.array(named));
export type InForceByGroup = z.infer<typeof inForceSchema>;

/** How an artifact lies in the store, beside what a decision needs of it. */
interface Measured extends KeptArtifact {
  /** Bytes of it that the disk has set aside: of the growing file, or handed over. */
  readonly data: number;
}

/** The folders of a store. */
export interface StorePlace {
  readonly artifacts: string;
  readonly ready: string;
}

/** What lies beside the artifacts, counts with them, and is worth less than any of them. */
export interface Beside {
  /** What it takes. */
  bytes(): number;
  /** Gives so many bytes back, as far as it has them. */
  giveWay(bytes: number): Promise<void>;
}

export class Room {
  readonly #place: StorePlace;
  readonly #quota: number;
  readonly #evicted: (what: Evicted) => void;
  #beside: Beside = { bytes: () => 0, giveWay: async () => {} };
  /** One after the other: what one was granted the next must see. */
  #turn: Promise<unknown> = Promise.resolve();

  /** @param quota bytes; Infinity for no limit */
  constructor(place: StorePlace, quota: number, evicted: (what: Evicted) => void) {
    this.#place = place;
    this.#quota = quota;
    this.#evicted = evicted;
  }

  /**
   * Makes room for an artifact that is about to be opened, by removing old ones.
   * @param open artifacts that are open or were granted room, with their size. The new one is added once it has its room.
   * @throws ChunkmeshError E_STORE_QUOTA, with nothing removed
   */
  make(wanted: ExpectedArtifact, open: Map<string, number>, inForce: readonly InForce[]): Promise<void> {
    const made = this.#turn.then(async () => {
      if (this.#quota < Number.POSITIVE_INFINITY) await this.#make(wanted, open, inForce);
      open.set(wanted.artifact, wanted.size);
    });
    this.#turn = made.catch(() => undefined);
    return made;
  }

  /** Something lies beside the artifacts from now on. */
  beside(beside: Beside): void {
    this.#beside = beside;
  }

  /** Writes beside the artifacts, where the quota has room for so many bytes as it is. @param open as for `make` @returns whether it did */
  writeBeside(bytes: number, open: ReadonlyMap<string, number>, write: () => Promise<void>): Promise<boolean> {
    const written = this.#turn.then(async () => {
      if (!(await this.#hasSpare(bytes, open))) return false;
      await write();
      return true;
    });
    this.#turn = written.catch(() => undefined);
    return written;
  }

  /** Whether an artifact that is not open has its bytes on the disk, or their place. */
  async isSetAside(artifact: string, size: number): Promise<boolean> {
    return (await this.#measure(artifact, undefined)).data >= size;
  }

  /** As Store.dropOutlived. @param open as for `make` */
  dropOutlived(open: ReadonlyMap<string, number>, inForce: readonly InForce[]): Promise<void> {
    const dropped = this.#turn.then(async () => {
      for (const one of outlived(await this.#measureAll(open), inForce)) await this.#remove(one);
    });
    this.#turn = dropped.catch(() => undefined);
    return dropped;
  }

  /** Waits for what is being removed. */
  async idle(): Promise<void> {
    await this.#turn;
  }

  /** Bytes that all artifacts take of the disk. @param open as of `make` */
  async used(open: ReadonlyMap<string, number>): Promise<number> {
    return (await this.#measureAll(open)).reduce((sum, { bytes }) => sum + bytes, 0);
  }

  async #make(wanted: ExpectedArtifact, open: ReadonlyMap<string, number>, inForce: readonly InForce[]): Promise<void> {
    const kept = await this.#measureAll(open);
    const own = kept.find(({ artifact }) => artifact === wanted.artifact);
    const need = own !== undefined && own.data >= wanted.size ? 0 : neededFor(wanted) - (own?.bytes ?? 0);
    // What is being opened is not removed for its own sake.
    const others = kept.map((one) => (one === own ? { ...one, open: true } : one));
    const used = kept.reduce((sum, { bytes }) => sum + bytes, 0);
    const over = used + Math.max(0, need) + this.#beside.bytes() - this.#quota;
    if (over > 0) await this.#beside.giveWay(over);
    const { evicted, short } = whatToEvict(need, this.#quota - this.#beside.bytes(), others, inForce);
    if (short > 0 && need > 0) throw this.#tooLittle(wanted, kept, short);
    for (const one of evicted) this.#evicted(await this.#remove(one));
  }

  async #hasSpare(bytes: number, open: ReadonlyMap<string, number>): Promise<boolean> {
    if (this.#quota === Number.POSITIVE_INFINITY) return true;
    return (await this.used(open)) + this.#beside.bytes() + bytes <= this.#quota;
  }

  #tooLittle({ size }: ExpectedArtifact, kept: readonly Measured[], short: number): ChunkmeshError {
    const used = kept.reduce((sum, { bytes }) => sum + bytes, 0);
    const names = kept.flatMap((one) => one.names.map(({ name, version }) => `${name} ${version}`));
    const held = names.length === 0 ? '' : ` (${names.slice(0, MOST_NAMED).join(', ')})`;
    return new ChunkmeshError(
      'E_STORE_QUOTA',
      `${size} bytes more do not fit: the quota is ${this.#quota}, ${used} are taken${held}, ${short} are missing`,
    );
  }

  async #measureAll(open: ReadonlyMap<string, number>): Promise<Measured[]> {
    // One that was granted room just now may have no folder yet.
    const names = new Set([...(await listIfThere(this.#place.artifacts)).filter(isArtifactName), ...open.keys()]);
    const measured: Measured[] = [];
    for (const artifact of names) measured.push(await this.#measure(artifact, open.get(artifact)));
    return measured;
  }

  /** @param opened its size, where it is open: it may have its bytes in a file that was taken away, or be about to make one. */
  async #measure(artifact: string, opened: number | undefined): Promise<Measured> {
    const folder = this.#folderOf(artifact);
    const sizes = await Promise.all(['index', 'journal'].map((name) => sizeOf(join(folder, name))));
    const note = await readNote(folder);
    const handedOver = note === undefined ? 0 : await this.#handedOver(note);
    const data = Math.max(opened ?? 0, (await sizeOf(join(folder, 'data.part'))) + handedOver);
    const usedAt = (await statHint(folder))?.mtimeMs ?? 0;
    const bytes = data + sizes.reduce((sum, size) => sum + size, 0);
    const wantedAs = (await readWanted(folder))?.names ?? [];
    const begun = (sizes[1] ?? 0) > JOURNAL_HEADER_BYTES;
    return { artifact, bytes, data, usedAt, names: note?.names ?? [], wantedAs, begun, open: opened !== undefined };
  }

  /** Files with several names are there once. Of another size they are somebody else's, and so are those that nobody noted. */
  async #handedOver({ size, names }: ReadyNote): Promise<number> {
    const inodes = new Set<string>();
    for (const as of names) {
      const stats = await statHint(readyPath(this.#place.ready, as));
      if (stats?.isFile() && stats.size === size) inodes.add(`${stats.dev}:${stats.ino}`);
    }
    return inodes.size * size;
  }

  /** The folder last: after a crash what is left is found by it. */
  async #remove({ artifact, bytes, names }: KeptArtifact): Promise<Evicted> {
    const folder = this.#folderOf(artifact);
    const [removed, left]: [string[], string[]] = [[], []];
    const place = { folder, ready: this.#place.ready };
    for (const as of names) {
      const path = readyPath(this.#place.ready, as);
      if ((await statHint(path)) === undefined) continue;
      if (await removeIfOurs(place, artifact, path)) removed.push(path);
      else left.push(path);
    }
    await rm(folder, { recursive: true, force: true });
    return { artifact, bytes, removed, left };
  }

  #folderOf(artifact: string): string {
    return join(this.#place.artifacts, artifact);
  }
}

/** In an error: enough to see what takes the room. */
const MOST_NAMED = 8;

const neededFor = ({ size, chunks }: ExpectedArtifact): number =>
  size + indexByteLength(chunks) + JOURNAL_HEADER_BYTES + JOURNAL_RECORD_BYTES * chunks;

/** What was handed over belongs to whoever installs it: what they changed, or put there instead, stays. */
async function removeIfOurs(place: ArtifactPlace, artifact: string, path: string): Promise<boolean> {
  const note = await readNote(place.folder);
  const index = note && (await readIndex(place.folder, { ...note, artifact }));
  if (index === undefined || !(await statHint(path))?.isFile() || !(await isWholeAt(path, index))) return false;
  return rm(path, { force: true }).then(
    () => true,
    // A folder that was given to whoever installs.
    () => false,
  );
}

async function sizeOf(path: string): Promise<number> {
  return (await statHint(path))?.size ?? 0;
}

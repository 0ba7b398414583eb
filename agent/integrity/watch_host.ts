import type { ArtifactIndex } from '../../shared/artifact/index.js';
import type { IntegrityRow } from '../../shared/control/messages.js';
import type { ChunkmeshError } from '../../shared/errors.js';
import type { BackgroundHost } from '../background.js';
import type { Entry, IntegrityMemory, Known } from './memory.js';
import type { Step } from './repair.js';

/** What an IntegrityWatch needs of the world. */

/** Something installed, open for reading. */
export interface InstalledFile {
  /** Another when it is another file, or was written to, where that can be told. */
  readonly identity: string;
  /** Whether chunk `i` is there; a part that is not there or cannot be read is not. @param slice to read it by */
  verify(index: ArtifactIndex, i: number, slice: Buffer): Promise<boolean>;
  close(): Promise<void>;
}

export interface WatchHost extends BackgroundHost<IntegrityMemory> {
  /** Since the epoch, s. */
  seconds(): number;
  /** Versions of the name that are in force, as far as their index is known or not. */
  inForce(name: string): readonly Known[];
  /** Versions of the name whose index the device has, newest first. */
  known(name: string): Promise<readonly Known[]>;
  /** Undefined where the device has none. */
  index(of: Known): Promise<ArtifactIndex | undefined>;
  /** Its index is kept for as long as any of `all` names it. */
  keep(index: ArtifactIndex, all: readonly string[]): Promise<void>;
  /** @returns null where nothing can be read there */
  open(path: string): Promise<InstalledFile | null>;
  /** As InstalledFile.identity, without opening it; empty where there is nothing. */
  identity(path: string): Promise<string>;
  /** A look came to its end. @param isNews whether the status says another thing now */
  looked(row: IntegrityRow, isNews: boolean): void;
  /** As Repair.step: called in turn with looks. */
  mend(name: string, entry: Entry): Promise<Step | null>;
  warn(error: ChunkmeshError): void;
}

import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Metadata, MetadataKind, type Root, type Snapshot, type Targets, type Timestamp } from '@tufjs/models';
import { ChunkmeshError, systemCode } from '../../shared/errors.js';
import { writePrivateFile } from '../../shared/private_file.js';
import { checkShape, kindOf, MAX_METADATA_BYTES } from '../../shared/trust/metadata.js';
import { fileName, isRoleName, TIMESTAMP_FILE } from '../../shared/trust/names.js';
import { metadataBytes, type SignedRole } from './metadata_edits.js';

/**
 * The trust folder of a fleet:
 *
 *     metadata/   what counts, as TUF 6.2.1 names it: 3.root.json, 12.snapshot.json, timestamp.json, ... A web server may serve it
 *     staged/     what waits for signatures, by the same names: carried by hand to where the keys are, and back
 *     keys/       private keys that are kept here, <role>-<n>.key, mode 0600: the online ones, and what has not been moved offline
 */

/** Of each role but root: who is in the middle of reading still finds what its snapshot named. */
const KEPT_VERSIONS = 8;

export interface Stored<T extends SignedRole> {
  readonly metadata: Metadata<T>;
  readonly bytes: Buffer;
}

interface RoleTypes {
  root: Root;
  timestamp: Timestamp;
  snapshot: Snapshot;
}
type TypeOf<R extends string> = R extends keyof RoleTypes ? RoleTypes[R] : Targets;

/** @throws E_TRUST_MALFORMED */
export function parseMetadata<R extends string>(role: R, bytes: Uint8Array, what: string): Stored<TypeOf<R>> {
  const kind = kindOf(role);
  const shaped = checkShape(kind, bytes, what);
  const value: unknown = JSON.parse(shaped.bytes.toString('utf8'));
  try {
    const metadata = Metadata.fromJSON(kind as MetadataKind.Targets, value as never);
    return { metadata: metadata as unknown as Metadata<TypeOf<R>>, bytes: shaped.bytes };
  } catch (cause) {
    throw new ChunkmeshError('E_TRUST_MALFORMED', `${what} is not ${kind} metadata`, { cause });
  }
}

const FILE = /^(?:([1-9][0-9]{0,9})\.)?([A-Za-z0-9_.-]{1,80})\.json$/;

export interface NamedFile {
  readonly file: string;
  readonly role: string;
  /** Of `timestamp.json`, undefined. */
  readonly version: number | undefined;
}

export function parseFileName(file: string): NamedFile | null {
  const [, version, role = ''] = FILE.exec(file) ?? [];
  if (!isRoleName(role)) return null;
  if (version === undefined) return file === TIMESTAMP_FILE ? { file, role, version: undefined } : null;
  return { file, role, version: Number(version) };
}

/** One folder of metadata files. */
export class MetadataFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** By version, the highest last; none where the folder is not there. @throws E_FILE_UNREADABLE */
  async list(): Promise<NamedFile[]> {
    let names: string[];
    try {
      names = await readdir(this.path);
    } catch (cause) {
      if (systemCode(cause) === 'ENOENT') return [];
      throw unreadable(this.path, cause);
    }
    const files = names.flatMap((name) => parseFileName(name) ?? []);
    return files.sort((a, b) => (a.version ?? 0) - (b.version ?? 0));
  }

  async has(role: string, version: number): Promise<boolean> {
    return (await this.list()).some(({ file }) => file === fileName(role, version));
  }

  /** @throws E_FILE_UNREADABLE, E_TRUST_MALFORMED, E_TRUST_MISMATCH where it is of another version than its name */
  async read<R extends string>(role: R, version: number | undefined): Promise<Stored<TypeOf<R>>> {
    const file = version === undefined ? TIMESTAMP_FILE : fileName(role, version);
    const stored = parseMetadata(role, await this.bytes(file), file);
    const { version: within } = stored.metadata.signed;
    if (version === undefined || within === version) return stored;
    throw new ChunkmeshError('E_TRUST_MISMATCH', `${join(this.path, file)} is version ${within}`);
  }

  /** @throws E_FILE_UNREADABLE */
  async bytes(file: string): Promise<Buffer> {
    const path = join(this.path, file);
    try {
      if ((await stat(path)).size > MAX_METADATA_BYTES)
        throw new ChunkmeshError('E_FILE_UNREADABLE', `${path} is too large`);
      return await readFile(path);
    } catch (cause) {
      if (cause instanceof ChunkmeshError) throw cause;
      throw unreadable(path, cause);
    }
  }

  /** Whole or not at all, and on the disk when it returns. @throws E_STORE_IO */
  async write(role: string, stored: Pick<Stored<SignedRole>, 'metadata' | 'bytes'>): Promise<void> {
    const file = role === MetadataKind.Timestamp ? TIMESTAMP_FILE : fileName(role, stored.metadata.signed.version);
    await this.writeBytes(file, stored.bytes);
  }

  async writeBytes(file: string, bytes: Uint8Array): Promise<void> {
    const path = join(this.path, file);
    try {
      await mkdir(this.path, { recursive: true, mode: 0o700 });
      await writePrivateFile(path, Buffer.from(bytes).toString('utf8'));
    } catch (cause) {
      throw new ChunkmeshError('E_STORE_IO', `${path}: ${systemCode(cause) ?? 'cannot be written'}`, { cause });
    }
  }

  async remove(file: string): Promise<void> {
    await rm(join(this.path, file), { force: true });
  }

  /** What no reader can need any more. Roots stay: devices follow them one by one (TUF 5.3). */
  async prune(): Promise<void> {
    const files = (await this.list()).filter(({ role }) => role !== MetadataKind.Root);
    for (const { file, role } of files) {
      const newer = files.slice(files.findIndex((one) => one.file === file) + 1);
      if (newer.filter((one) => one.role === role).length >= KEPT_VERSIONS) await this.remove(file);
    }
  }
}

/** @throws E_TRUST_MALFORMED where it has outgrown its limits: no device would take it, nor this repository read it again */
export function stored<T extends SignedRole>(metadata: Metadata<T>): Stored<T> {
  const bytes = metadataBytes(metadata);
  checkShape(metadata.signed.type, bytes, `${metadata.signed.type} of version ${metadata.signed.version}`);
  return { metadata, bytes };
}

function unreadable(path: string, cause: unknown): ChunkmeshError {
  return new ChunkmeshError('E_FILE_UNREADABLE', `${path}: ${systemCode(cause) ?? 'cannot be read'}`, { cause });
}

import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openRegularFile } from '../../shared/artifact_file.js';
import { ChunkmeshError, systemCode } from '../../shared/errors.js';
import { formatBytes } from '../units.js';

/** The demo's temporary folder: a fleet, a log and a store each, gone at the end unless it is kept. */

/** Beside the artifact itself: its index, journals, logs. */
const ROOM_PER_STORE_BYTES = 8_000_000;

export class DemoFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'chunkmesh-demo-'));
  readonly #keep: boolean;

  constructor(keep: boolean) {
    this.#keep = keep;
    mkdirSync(join(this.path, 'log'));
  }

  get fleet(): string {
    return join(this.path, 'fleet');
  }

  log(name: string): string {
    return join(this.path, 'log', `${name}.log`);
  }

  store(device: string): string {
    return join(this.path, 'store', device);
  }

  /** @throws E_DISK_FULL: better now than by a device in the middle. */
  async checkRoom(stores: number, artifactBytes: number): Promise<void> {
    const { bavail, bsize } = await statfs(this.path);
    const wanted = stores * (artifactBytes + ROOM_PER_STORE_BYTES);
    if (bavail * bsize >= wanted) return;
    const free = formatBytes(bavail * bsize);
    throw new ChunkmeshError('E_DISK_FULL', `${this.path}: ${free} free, ${formatBytes(wanted)} wanted`);
  }

  /** Without waiting, so that it works while the process exits. */
  remove(): void {
    if (!this.#keep) rmSync(this.path, { recursive: true, force: true, maxRetries: 3 });
  }
}

export interface Hashed {
  readonly bytes: number;
  readonly sha256: string;
}

/** @throws E_FILE_UNREADABLE */
export async function hashFile(path: string): Promise<Hashed> {
  const hash = createHash('sha256');
  let bytes = 0;
  const file = await openRegularFile(path);
  try {
    for await (const piece of file.createReadStream({ highWaterMark: 2 ** 20 })) {
      hash.update(piece as Buffer);
      bytes += (piece as Buffer).length;
    }
  } catch (cause) {
    throw new ChunkmeshError('E_FILE_UNREADABLE', `${path}: ${systemCode(cause) ?? 'cannot be read'}`, { cause });
  } finally {
    await file.close();
  }
  return { bytes, sha256: hash.digest('hex') };
}

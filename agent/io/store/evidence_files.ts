import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { isArtifactName, isId } from '../../../shared/control/ids.js';
import { ChunkmeshError, systemCode } from '../../../shared/errors.js';
import { INDEX_CHUNK, MAX_CHUNKS } from '../../../shared/limits.js';
import { type EvidenceMemory, type EvidenceRecord, MAX_RECORDS } from '../../evidence/evidence_book.js';
import { listIfThere, makeDirectory, readIfThere, replaceFile } from './disk.js';
import { checkPrivate } from './private_folder.js';
import type { Store } from './store.js';
import { storing } from './store_error.js';

/**
 * Evidence on the disk (P-15.1):
 *
 *     <dir>/state/evidence.json       the records
 *     <dir>/evidence/<number>.bin     what came, of those whose bytes are kept
 */

const NAME = 'evidence';
/** So many records at their longest, four times over. */
const MAX_FILE_BYTES = 256 * 1024;
const FILE = /^[1-9]\d{0,15}\.bin$/;

const id = z.string().refine(isId);
const hash = z.string().refine(isArtifactName, 'not a SHA-256 in hex');
const count = z.int().min(0);
const record = z.strictObject({
  ...{ accused: id, certificate: hash, artifact: hash, expected: hash, found: hash },
  chunk: count.refine((chunk) => chunk < MAX_CHUNKS || chunk === INDEX_CHUNK),
  ...{ length: count, at: count, number: count.min(1), kept: z.boolean() },
});
const schema = z.strictObject({
  v: z.literal(1),
  next: count.min(1),
  records: z.array(record).max(MAX_RECORDS),
  counts: z.array(z.tuple([id, count])).max(MAX_RECORDS),
});

export class EvidenceFiles {
  readonly #store: Store;
  readonly #folder: string;

  private constructor(store: Store) {
    this.#store = store;
    this.#folder = folderOf(store.dir);
  }

  /** Of a store that is open. @throws E_STORE_MODE, E_STORE_IO, E_DISK_FULL */
  static async open(store: Store): Promise<EvidenceFiles> {
    const files = new EvidenceFiles(store);
    await storing(files.#folder, async () => {
      await makeDirectory(files.#folder);
      await checkPrivate(files.#folder);
    });
    return files;
  }

  /** @throws E_STORE_CORRUPT, E_STORE_IO */
  read(): Promise<EvidenceMemory | undefined> {
    return readEvidence(this.#store.dir);
  }

  /** Removes what a crash left and no record names. @throws E_STORE_IO */
  sweep(records: readonly EvidenceRecord[]): Promise<void> {
    return storing(this.#folder, async () => {
      const wanted = new Set(records.filter(({ kept }) => kept).map(fileName));
      for (const name of await listIfThere(this.#folder)) {
        if (!wanted.has(name)) await rm(join(this.#folder, name), { force: true, recursive: true });
      }
    });
  }

  /** Durable before it returns, as are all writes here. @throws E_DISK_FULL, E_STORE_IO */
  writeBytes(one: EvidenceRecord, bytes: Uint8Array): Promise<void> {
    const path = join(this.#folder, fileName(one));
    return storing(path, () => replaceFile(path, bytes));
  }

  /** @throws E_STORE_IO */
  remove(one: EvidenceRecord): Promise<void> {
    const path = join(this.#folder, fileName(one));
    return storing(path, () => rm(path, { force: true }));
  }

  /** @throws E_DISK_FULL, E_STORE_IO */
  writeRecords(memory: EvidenceMemory): Promise<void> {
    return this.#store.writeState(NAME, { v: 1, ...memory });
  }
}

/** What a store has of evidence, an agent that runs on it or not. @param dir the store's @throws E_STORE_CORRUPT, E_STORE_IO */
export async function readEvidence(dir: string): Promise<EvidenceMemory | undefined> {
  const path = join(dir, 'state', `${NAME}.json`);
  return storing(path, async () => {
    if ((await sizeOf(path)) > MAX_FILE_BYTES) throw new ChunkmeshError('E_STORE_CORRUPT', `${path} is too large`);
    const text = await readIfThere(path);
    if (text === undefined) return undefined;
    const parsed = schema.safeParse(parse(path, text));
    if (!parsed.success) {
      throw new ChunkmeshError('E_STORE_CORRUPT', `${path} is not what was written there`, { cause: parsed.error });
    }
    const { next, records, counts } = parsed.data;
    return { next, records, counts };
  });
}

/** What came, or undefined where it is not kept any more. Never longer than the record says, by a byte. @throws E_STORE_IO */
export async function readEvidenceBytes(dir: string, one: EvidenceRecord): Promise<Buffer | undefined> {
  const path = evidencePath(dir, one);
  return storing(path, async () => {
    const size = await sizeOf(path);
    return size > one.length ? Buffer.alloc(0) : readIfThere(path);
  });
}

/** Where the bytes of a record are, or were. @param dir the store's */
export const evidencePath = (dir: string, one: EvidenceRecord): string => join(folderOf(dir), fileName(one));

const folderOf = (dir: string): string => join(dir, 'evidence');

function fileName({ number }: EvidenceRecord): string {
  const name = `${number}.bin`;
  if (!FILE.test(name)) throw new ChunkmeshError('E_INTERNAL', `no number of evidence: ${number}`);
  return name;
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    (error: unknown) => {
      if (systemCode(error) === 'ENOENT') return 0;
      throw error;
    },
  );
}

function parse(path: string, bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new ChunkmeshError('E_STORE_CORRUPT', `${path} is not JSON`, { cause });
  }
}

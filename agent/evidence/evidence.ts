import { createHash } from 'node:crypto';
import type { WrongChunkReport } from '../../shared/control/messages.js';
import { asError, type ChunkmeshError } from '../../shared/errors.js';
import { EvidenceFiles } from '../io/store/evidence_files.js';
import type { Store } from '../io/store/store.js';
import { EvidenceBook, type EvidenceMemory, type EvidenceRecord, type WrongChunk } from './evidence_book.js';

/** What an agent keeps of peers that sent wrong bytes, over restarts: the records, and what came (P-15.1). */

/** Copied and not yet on the disk: one of the largest chunks that there are. What comes meanwhile is recorded without its bytes. */
export const MAX_PENDING_BYTES = 32 * 2 ** 20;

/** Of a peer whose certificate nobody looked at. */
export const NO_CERTIFICATE = '0'.repeat(64);

/** What a transfer knows of a wrong chunk. */
export type WrongBytes = Omit<WrongChunk, 'found' | 'length'>;

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export class Evidence {
  readonly #files: EvidenceFiles;
  readonly #store: Store;
  readonly #book: EvidenceBook;
  readonly #warn: (error: ChunkmeshError) => void;
  #pendingBytes = 0;
  /** Writes, one after the other. */
  #work: Promise<void> = Promise.resolve();

  private constructor(store: Store, files: EvidenceFiles, book: EvidenceBook, warn: (error: ChunkmeshError) => void) {
    this.#store = store;
    this.#files = files;
    this.#book = book;
    this.#warn = warn;
    store.beside({ bytes: () => book.keptBytes, giveWay: (bytes) => this.#drop(book.giveWay(bytes)) });
  }

  /**
   * @param warn is told where what was kept before is lost, and of what cannot be written: nothing else waits for evidence.
   * @throws E_STORE_MODE, E_STORE_IO, E_DISK_FULL
   */
  static async open(store: Store, warn: (error: ChunkmeshError) => void): Promise<Evidence> {
    const files = await EvidenceFiles.open(store);
    const memory = await files.read().catch((error: unknown): EvidenceMemory | undefined => {
      warn(asError(error, 'evidence'));
      return undefined;
    });
    const book = new EvidenceBook(memory);
    await files.sweep(book.records).catch((error: unknown) => warn(asError(error, 'evidence')));
    return new Evidence(store, files, book, warn);
  }

  /**
   * @param bytes as they came; they may be written over once this returns.
   * @returns whether it is evidence: not where they are what they should be after all, for then it is this device that erred.
   */
  add(wrong: WrongBytes, bytes: Uint8Array): boolean {
    const found = sha256(bytes);
    if (found === wrong.expected) return false;
    const { record, isNew, gone } = this.#book.note({ ...wrong, found, length: bytes.length });
    const mayKeep = isNew && this.#pendingBytes + bytes.length <= MAX_PENDING_BYTES;
    const copy = mayKeep ? Buffer.from(bytes) : null;
    this.#pendingBytes += copy?.length ?? 0;
    this.#work = this.#work
      .then(() => this.#write(record, copy, gone))
      .catch((error: unknown) => this.#warn(asError(error, 'evidence')))
      .finally(() => {
        this.#pendingBytes -= copy?.length ?? 0;
      });
    return true;
  }

  /** P-15.2. @param now seconds since the epoch */
  reports(now: number): WrongChunkReport[] {
    return this.#book.reports(now);
  }

  /** Waits for what is being written. */
  async close(): Promise<void> {
    await this.#work;
  }

  /** The bytes first, then the records that name them, then what no record names any more goes. */
  async #write(record: EvidenceRecord, bytes: Buffer | null, gone: readonly EvidenceRecord[]): Promise<void> {
    const outdated = [...gone];
    try {
      if (
        bytes !== null &&
        (await this.#store.writeBeside(bytes.length, () => this.#files.writeBytes(record, bytes)))
      ) {
        outdated.push(...this.#book.keep(record.number));
      }
    } finally {
      await this.#files.writeRecords(this.#book.memory);
    }
    for (const one of outdated) await this.#files.remove(one);
  }

  async #drop(records: readonly EvidenceRecord[]): Promise<void> {
    for (const one of records) await this.#files.remove(one);
    if (records.length > 0) await this.#files.writeRecords(this.#book.memory);
  }
}

import { type FileHandle, open } from 'node:fs/promises';
import {
  decodeJournal,
  encodeJournal,
  encodeJournalRecord,
  JOURNAL_RECORD_BYTES,
  MAX_JOURNAL_BYTES,
} from '../../store/journal.js';
import { openIfThere, readAt, replaceFile, writeAt } from './disk.js';

/** What the journal at `path` claims; nothing where there is none. Each claim is still to be proved. */
export async function readClaims(path: string, artifact: string, chunks: number): Promise<number[]> {
  const handle = await openIfThere(path, 'r');
  if (handle === undefined) return [];
  try {
    const { size } = await handle.stat();
    const bytes = Buffer.alloc(Math.min(size, MAX_JOURNAL_BYTES));
    return decodeJournal(bytes.subarray(0, await readAt(handle, bytes, 0)), artifact, chunks);
  } finally {
    await handle.close();
  }
}

/** The journal of one artifact, open to take more records. */
export class JournalFile {
  readonly #artifact: string;
  readonly #handle: FileHandle;
  #end: number;

  private constructor(artifact: string, handle: FileHandle, end: number) {
    this.#artifact = artifact;
    this.#handle = handle;
    this.#end = end;
  }

  /** Writes the journal anew, with no torn or stale record left, and opens it. */
  static async create(path: string, artifact: string, held: Iterable<number>): Promise<JournalFile> {
    const bytes = encodeJournal(artifact, held);
    await replaceFile(path, bytes);
    return new JournalFile(artifact, await open(path, 'r+'), bytes.length);
  }

  /** A record has its own place, so that one that fails to be written leaves a hole and spoils none of the others. */
  async append(chunk: number): Promise<void> {
    const at = this.#end;
    this.#end += JOURNAL_RECORD_BYTES;
    await writeAt(this.#handle, encodeJournalRecord(this.#artifact, chunk), at);
  }

  async sync(): Promise<void> {
    await this.#handle.datasync();
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

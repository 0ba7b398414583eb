import { type FileHandle, open } from 'node:fs/promises';
import { decodeJournal, encodeJournal, encodeJournalRecord, MAX_JOURNAL_BYTES } from '../../store/journal.js';
import { openIfThere, readAt, replaceFile, writeAt } from './disk.js';
import { gathered } from './write_together.js';

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

/** Records wait for those of chunks that were written in the same call to the disk, and a little longer. */
const GATHER_TURNS = 1;

/** The journal of one artifact, open to take more records. */
export class JournalFile {
  readonly #artifact: string;
  readonly #handle: FileHandle;
  #end: number;
  /** Records that wait, and the write that will take them all. */
  #waiting: Buffer[] = [];
  #next: Promise<void> | null = null;
  #writing: Promise<void> = Promise.resolve();

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

  /** Settles when the record is written: what comes meanwhile goes together with it, or in the next write. */
  append(chunk: number): Promise<void> {
    this.#waiting.push(encodeJournalRecord(this.#artifact, chunk));
    if (this.#next === null) {
      this.#next = Promise.all([this.#writing, gathered(GATHER_TURNS)]).then(() => this.#write());
      this.#writing = this.#next.catch(() => undefined);
    }
    return this.#next;
  }

  async sync(): Promise<void> {
    await this.#handle.datasync();
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  /** Records have their own place, so that a write that fails leaves a hole and spoils none of the others. */
  #write(): Promise<void> {
    const at = this.#end;
    const records = this.#waiting.length === 1 ? (this.#waiting[0] as Buffer) : Buffer.concat(this.#waiting);
    this.#waiting = [];
    this.#next = null;
    this.#end += records.length;
    return writeAt(this.#handle, records, at);
  }
}

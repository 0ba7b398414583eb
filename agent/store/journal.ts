import { createHash } from 'node:crypto';
import { MAX_CHUNKS } from '../../shared/limits.js';

/*
 * Which chunks of an artifact were verified and written. It is a claim, never a proof: each chunk is hashed again when
 * the store is opened.
 *
 *      0       4   5           8                         40
 *     +-------+---+-----------+-------------------------+--------------------------+
 *     | CMJN  | 1 |     0     | artifact (32)           | records of 8 bytes ...   |
 *     +-------+---+-----------+-------------------------+--------------------------+
 *
 * A record is: chunk u32, check u32. The check is the first four bytes of SHA-256 of the artifact and the chunk, so that
 * neither a torn record, nor a hole, nor a block of another artifact's journal is taken for a record.
 */
const MAGIC = 0x434d4a4e;
const VERSION = 1;
const AT_ARTIFACT = 8;
const ARTIFACT_BYTES = 32;

export const JOURNAL_HEADER_BYTES = AT_ARTIFACT + ARTIFACT_BYTES;
export const JOURNAL_RECORD_BYTES = 8;
/** Four records a chunk: more than chunks that rot and are fetched again can need between two openings of a store. */
export const MAX_JOURNAL_BYTES = JOURNAL_HEADER_BYTES + JOURNAL_RECORD_BYTES * MAX_CHUNKS * 4;

/** @param artifact the artifact's name (P-1.3), 64 hex digits. */
export function encodeJournalHeader(artifact: string): Buffer {
  const header = Buffer.alloc(JOURNAL_HEADER_BYTES);
  header.writeUInt32BE(MAGIC);
  header.writeUInt8(VERSION, 4);
  header.write(artifact, AT_ARTIFACT, 'hex');
  return header;
}

export function encodeJournalRecord(artifact: string, chunk: number): Buffer {
  const record = Buffer.alloc(JOURNAL_RECORD_BYTES);
  record.writeUInt32BE(chunk);
  record.writeUInt32BE(check(artifact, chunk), 4);
  return record;
}

/** A whole journal of the given chunks. */
export function encodeJournal(artifact: string, chunks: Iterable<number>): Buffer {
  return Buffer.concat([
    encodeJournalHeader(artifact),
    ...Array.from(chunks, (chunk) => encodeJournalRecord(artifact, chunk)),
  ]);
}

/**
 * The chunks that a journal claims, in order and once each; records that fail their check, a torn one at the end, and what
 * lies beyond `MAX_JOURNAL_BYTES` are passed over. Empty for a journal of another artifact or version. Never throws.
 * @param chunks how many chunks the artifact has.
 */
export function decodeJournal(bytes: Uint8Array, artifact: string, chunks: number): number[] {
  const journal = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, MAX_JOURNAL_BYTES));
  if (!journal.subarray(0, JOURNAL_HEADER_BYTES).equals(encodeJournalHeader(artifact))) return [];
  const claimed = new Set<number>();
  for (let at = JOURNAL_HEADER_BYTES; at + JOURNAL_RECORD_BYTES <= journal.length; at += JOURNAL_RECORD_BYTES) {
    const chunk = journal.readUInt32BE(at);
    if (chunk < chunks && journal.readUInt32BE(at + 4) === check(artifact, chunk)) claimed.add(chunk);
  }
  return [...claimed].sort((a, b) => a - b);
}

function check(artifact: string, chunk: number): number {
  const number = Buffer.alloc(4);
  number.writeUInt32BE(chunk);
  return createHash('sha256').update(artifact, 'hex').update(number).digest().readUInt32BE(0);
}

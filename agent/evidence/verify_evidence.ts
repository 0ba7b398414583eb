import { createHash } from 'node:crypto';
import type { EvidenceRecord } from './evidence_book.js';

/** Looking again at what is kept of a wrong chunk (P-15.1). Pure: bytes come in. */

/**
 * - `kept`: the bytes are there, of the length and the hash that the record says, and that hash is not the one that was expected.
 * - `gone`: there are none any more: they made room for others, or could not be written.
 * - `damaged`: what is there is something else.
 */
export type EvidenceState = 'kept' | 'gone' | 'damaged';

/** @param bytes undefined where there are none */
export function verifyEvidence({ expected, found, length, kept }: EvidenceRecord, bytes?: Uint8Array): EvidenceState {
  if (bytes === undefined) return kept ? 'damaged' : 'gone';
  const hash = createHash('sha256').update(bytes).digest('hex');
  return bytes.length === length && hash === found && found !== expected ? 'kept' : 'damaged';
}

import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { EvidenceRecord } from '../../../agent/evidence/evidence_book.js';
import { verifyEvidence } from '../../../agent/evidence/verify_evidence.js';

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const BYTES = Buffer.from('what came');
const RECORD: EvidenceRecord = {
  ...{ accused: 'mallory', certificate: '0'.repeat(64), artifact: '1'.repeat(64), chunk: 3, at: 9, number: 1 },
  ...{ expected: sha256(Buffer.from('what should')), found: sha256(BYTES), length: BYTES.length, kept: true },
};

describe('P-15.1 what is kept of a wrong chunk', () => {
  it('is what came, and wrong', () => {
    expect(verifyEvidence(RECORD, BYTES)).toBe('kept');
  });

  it('is gone where the record says so, and damaged where it does not', () => {
    expect(verifyEvidence({ ...RECORD, kept: false })).toBe('gone');
    expect(verifyEvidence(RECORD)).toBe('damaged');
  });

  it('is damaged where the bytes, their length or the record are others: a record of right bytes accuses nobody', () => {
    expect(verifyEvidence(RECORD, Buffer.from('what camf'))).toBe('damaged');
    expect(verifyEvidence(RECORD, BYTES.subarray(1))).toBe('damaged');
    expect(verifyEvidence({ ...RECORD, length: 3 }, BYTES)).toBe('damaged');
    expect(verifyEvidence({ ...RECORD, expected: RECORD.found }, BYTES)).toBe('damaged');
  });
});

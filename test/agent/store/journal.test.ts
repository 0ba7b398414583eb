import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeJournal,
  encodeJournal,
  encodeJournalHeader,
  encodeJournalRecord,
  JOURNAL_HEADER_BYTES,
  JOURNAL_RECORD_BYTES,
  MAX_JOURNAL_BYTES,
} from '../../../agent/store/journal.js';

const A = 'aa'.repeat(32);
const B = 'bb'.repeat(32);
const chunkLists = fc.uniqueArray(fc.nat(999), { maxLength: 50 });

describe('the journal', () => {
  it('has these bytes', () => {
    expect(encodeJournalHeader(A).toString('hex')).toBe(`434d4a4e01000000${A}`);
    expect(encodeJournal(A, [7]).subarray(JOURNAL_HEADER_BYTES)).toEqual(encodeJournalRecord(A, 7));
    // SHA-256 of 32 bytes of 0xaa and 00000007 begins so.
    expect(encodeJournalRecord(A, 7).toString('hex')).toBe('00000007df3a0f80');
  });

  it('gives back the chunks that were written, in order and once each', () => {
    fc.assert(
      fc.property(chunkLists, (chunks) => {
        const sorted = [...chunks].sort((a, b) => a - b);
        expect(decodeJournal(encodeJournal(A, [...chunks, ...chunks]), A, 1000)).toEqual(sorted);
      }),
    );
  });

  it('stops at a torn tail, wherever it is torn', () => {
    const whole = encodeJournal(A, [3, 1, 2]);
    for (let length = 0; length < whole.length; length++) {
      const records = Math.max(0, Math.floor((length - JOURNAL_HEADER_BYTES) / JOURNAL_RECORD_BYTES));
      expect(decodeJournal(whole.subarray(0, length), A, 10)).toEqual([3, 1, 2].slice(0, records).sort());
    }
  });

  it('passes over a hole and a flipped bit, and goes on behind them', () => {
    const chunks = [5, 6, 7, 8];
    for (let bit = 0; bit < JOURNAL_RECORD_BYTES * 8; bit++) {
      const bytes = encodeJournal(A, chunks);
      const at = JOURNAL_HEADER_BYTES + JOURNAL_RECORD_BYTES + (bit >>> 3);
      bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << (bit & 7)), at);
      expect(decodeJournal(bytes, A, 1000)).toEqual([5, 7, 8]);
    }
    const holed = encodeJournal(A, chunks).fill(0, JOURNAL_HEADER_BYTES, JOURNAL_HEADER_BYTES + JOURNAL_RECORD_BYTES);
    expect(decodeJournal(holed, A, 1000)).toEqual([6, 7, 8]);
  });

  it('claims nothing for another artifact, nor a chunk that the artifact does not have', () => {
    expect(decodeJournal(encodeJournal(A, [1]), B, 10)).toEqual([]);
    const foreign = Buffer.concat([encodeJournalHeader(B), encodeJournalRecord(A, 1)]);
    expect(decodeJournal(foreign, B, 10)).toEqual([]);
    expect(decodeJournal(encodeJournal(A, [9, 10]), A, 10)).toEqual([9]);
  });

  it('never throws on random bytes, and takes nothing from them', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(decodeJournal(bytes, A, 16_384)).toEqual([]);
        expect(decodeJournal(Buffer.concat([encodeJournalHeader(A), bytes]), A, 4)).toEqual([]);
      }),
    );
  });

  it('reads no more than its limit', () => {
    const bytes = Buffer.alloc(MAX_JOURNAL_BYTES + JOURNAL_RECORD_BYTES);
    encodeJournalHeader(A).copy(bytes);
    encodeJournalRecord(A, 1).copy(bytes, MAX_JOURNAL_BYTES - JOURNAL_RECORD_BYTES);
    encodeJournalRecord(A, 2).copy(bytes, MAX_JOURNAL_BYTES);
    expect(decodeJournal(bytes, A, 10)).toEqual([1]);
  });
});

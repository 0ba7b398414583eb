import { describe, expect, it } from 'vitest';
import {
  EvidenceBook,
  MAX_KEPT_BYTES,
  MAX_RECORDS,
  MAX_RECORDS_PER_ACCUSED,
  MAX_REPORTED_SECONDS,
  type WrongChunk,
} from '../../../agent/evidence/evidence_book.js';
import { MAX_REPORTS } from '../../../shared/limits.js';

const NOW = 1_900_000_000;
const hash = (i: number): string => i.toString(16).padStart(64, '0');

function wrong(i: number, over: Partial<WrongChunk> = {}): WrongChunk {
  const hashes = { certificate: hash(1), artifact: hash(2), expected: hash(3), found: hash(1_000 + i) };
  return { accused: 'mallory', chunk: i, length: 65_536, at: NOW + i, ...hashes, ...over };
}

/** Chunks `from` up to, not including, `to` came wrong of the device. */
function told(book: EvidenceBook, accused: string, from: number, to: number, over: Partial<WrongChunk> = {}): void {
  for (let i = from; i < to; i++) book.note(wrong(i, { accused, ...over }));
}

const chunksOf = (book: EvidenceBook, accused = 'mallory'): number[] =>
  book.records.filter((one) => one.accused === accused).map(({ chunk }) => chunk);

describe('P-15.1 what is remembered', () => {
  it('is each wrong chunk, by a number that nobody else chooses', () => {
    const book = new EvidenceBook();
    told(book, 'mallory', 0, 3);
    expect(book.records.map(({ number, chunk, kept }) => [number, chunk, kept])).toEqual([
      [1, 0, false],
      [2, 1, false],
      [3, 2, false],
    ]);
  });

  it('is the same bytes of the same chunk once, as of the last time', () => {
    const book = new EvidenceBook();
    expect(book.note(wrong(1)).isNew).toBe(true);
    book.keep(1);
    book.note(wrong(2));
    const again = book.note(wrong(1, { at: NOW + 99 }));
    expect([again.isNew, again.record.number, again.record.kept, again.record.at]).toEqual([false, 1, true, NOW + 99]);
    expect(chunksOf(book)).toEqual([2, 1]);
    for (const other of [{ found: hash(7) }, { artifact: hash(7) }, { certificate: hash(7) }, { chunk: 8 }]) {
      expect(book.note(wrong(1, other)).isNew).toBe(true);
    }
  });

  it(`is ${MAX_RECORDS_PER_ACCUSED} of one device, the oldest gone first, and one more makes one go`, () => {
    const book = new EvidenceBook();
    told(book, 'mallory', 0, MAX_RECORDS_PER_ACCUSED);
    expect(book.records).toHaveLength(MAX_RECORDS_PER_ACCUSED);
    const { gone } = book.note(wrong(99));
    expect(gone.map(({ chunk }) => chunk)).toEqual([0]);
    expect(chunksOf(book)).toEqual([...Array.from({ length: 15 }, (_, i) => i + 1), 99]);
  });

  it(`is ${MAX_RECORDS} of all, and those who send most push out none of those who sent few`, () => {
    const book = new EvidenceBook();
    told(book, 'first', 0, 1);
    for (const liar of ['a', 'b', 'c', 'd', 'e']) told(book, liar, 0, 40);
    expect(book.records).toHaveLength(MAX_RECORDS);
    expect(chunksOf(book, 'first')).toEqual([0]);
    for (let i = 0; i < 200; i++) told(book, `device-${i}`, 0, 1);
    expect(book.records).toHaveLength(MAX_RECORDS);
    expect(book.memory.counts).toHaveLength(MAX_RECORDS);
    expect(chunksOf(book, 'device-199')).toEqual([0]);
  });

  it('has no more bytes than there may be: those of the oldest go, and its record stays', () => {
    const book = new EvidenceBook();
    const length = MAX_KEPT_BYTES / 4;
    for (let i = 0; i < 4; i++) expect(book.keep(book.note(wrong(i, { length })).record.number)).toEqual([]);
    expect(book.keptBytes).toBe(MAX_KEPT_BYTES);
    const going = book.keep(book.note(wrong(4, { length: 1 })).record.number);
    expect(going.map(({ chunk }) => chunk)).toEqual([0]);
    expect(book.keptBytes).toBe(3 * length + 1);
    expect(book.records.map(({ kept }) => kept)).toEqual([false, true, true, true, true]);
  });

  it('gives bytes back, as many as it has', () => {
    const book = new EvidenceBook();
    for (let i = 0; i < 3; i++) book.keep(book.note(wrong(i, { length: 100 })).record.number);
    expect(book.giveWay(0)).toEqual([]);
    expect(book.giveWay(101).map(({ chunk }) => chunk)).toEqual([0, 1]);
    expect(book.giveWay(9_999).map(({ chunk }) => chunk)).toEqual([2]);
    expect([book.giveWay(1), book.keptBytes, book.records.length]).toEqual([[], 0, 3]);
  });

  it('is as it was after a restart, and numbers go on', () => {
    const book = new EvidenceBook();
    told(book, 'mallory', 0, 20);
    const again = new EvidenceBook(JSON.parse(JSON.stringify(book.memory)));
    expect(again.memory).toEqual(book.memory);
    expect(again.note(wrong(50)).record.number).toBe(21);
    expect(again.reports(NOW)[0]?.count).toBe(21);
  });
});

describe('P-15.2 what is reported', () => {
  it('is the newest of each device, the newest first, with how many came of it', () => {
    const book = new EvidenceBook();
    told(book, 'a', 0, 3);
    told(book, 'b', 3, 4);
    told(book, 'a', 4, 5);
    const bytes = (i: number): Uint8Array => new Uint8Array(Buffer.from(hash(i), 'hex'));
    expect(book.reports(NOW)).toEqual([
      {
        ...{ device: 'a', artifact: bytes(2), chunk: 4, expected: bytes(3), found: bytes(1_004) },
        ...{ at: NOW + 4, count: 4 },
      },
      expect.objectContaining({ device: 'b', chunk: 3, count: 1 }),
    ]);
  });

  it('counts what was pushed out too', () => {
    const book = new EvidenceBook();
    told(book, 'a', 0, 100);
    expect(book.reports(NOW).map(({ count }) => count)).toEqual([100]);
  });

  it(`is of ${MAX_REPORTS} devices at most`, () => {
    const book = new EvidenceBook();
    for (let i = 0; i < 40; i++) told(book, `d${i}`, 0, 1);
    expect(book.reports(NOW).map(({ device }) => device)).toEqual(Array.from({ length: 16 }, (_, i) => `d${39 - i}`));
  });

  it('is not what is older than a month, nor nothing because the clock was set back', () => {
    const book = new EvidenceBook();
    book.note(wrong(0));
    expect([MAX_REPORTED_SECONDS, MAX_REPORTED_SECONDS + 1].map((age) => book.reports(NOW + age).length)).toEqual([
      1, 0,
    ]);
    expect(book.reports(0)).toHaveLength(1);
    expect(book.reports(NOW)).toHaveLength(1);
  });
});

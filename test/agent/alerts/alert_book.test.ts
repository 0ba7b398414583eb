import { describe, expect, it } from 'vitest';
import { AlertBook, alertMemorySchema, UNTOLD_KIND } from '../../../agent/alerts/alert_book.js';

const T = 1_900_000_000;
const empty = { next: 1, alerts: [] };
const numbers = (book: AlertBook): number[] => book.told.alerts.map(({ n }) => n);

function filled(count: number): AlertBook {
  const book = new AlertBook(empty);
  for (let i = 1; i <= count; i++) book.raise({ kind: `kind-${i}`, text: '' }, T + i);
  return book;
}

describe('P-15.8: the alerts of a device', () => {
  it('have numbers that rise, over restarts and after all were acknowledged', () => {
    const book = filled(3);
    expect(numbers(book)).toEqual([1, 2, 3]);
    expect(book.acknowledge(0, 3)).toBe(true);
    const again = new AlertBook(alertMemorySchema.parse(JSON.parse(JSON.stringify(book.memory))));
    expect(again.told.alerts).toEqual([]);
    expect(again.raise({ kind: 'tamper', text: 'x' }, T)).toBe(4);
  });

  it('that say the same are one, with a count, and a number that who acknowledged the first has not seen', () => {
    const book = filled(2);
    book.raise({ kind: 'kind-1', text: '' }, T + 9);
    expect(book.told.alerts).toEqual([
      { n: 2, kind: 'kind-2', text: '', at: T + 2, count: 1 },
      { n: 3, kind: 'kind-1', text: '', at: T + 9, count: 2 },
    ]);
    book.acknowledge(0, 1);
    expect(numbers(book)).toEqual([2, 3]);
  });

  it('are told of eight at a time, the newest; the others wait, and are not acknowledged unseen by who says from where', () => {
    const book = filled(20);
    expect(numbers(book)).toEqual([13, 14, 15, 16, 17, 18, 19, 20]);
    expect(book.told.more).toBe(12);
    book.acknowledge(13, 20);
    expect(numbers(book)).toEqual([5, 6, 7, 8, 9, 10, 11, 12]);
    expect(book.acknowledge(13, 20)).toBe(false);
  });

  it('are kept until they are acknowledged: what comes when there are 63 is refused, save for what is there already', () => {
    const book = filled(80);
    expect(book.memory.alerts.map(({ n }) => n)).toEqual(Array.from({ length: 63 }, (_, i) => i + 1));
    expect(book.raise({ kind: 'kind-99', text: '' }, T)).toBeNull();
    expect(book.raise({ kind: 'kind-5', text: '' }, T)).toBe(64);
    book.refused(17, T);
    expect(book.memory.alerts).toHaveLength(64);
    expect(alertMemorySchema.safeParse(book.memory).success).toBe(true);
    book.acknowledge(0, 3);
    expect(book.raise({ kind: 'kind-99', text: '' }, T)).toBe(66);
  });

  it('that were refused are counted', () => {
    const book = filled(1);
    book.refused(40, T);
    book.refused(2, T + 5);
    expect(book.told.alerts.at(-1)).toMatchObject({ kind: UNTOLD_KIND, count: 42, at: T + 5 });
  });
});

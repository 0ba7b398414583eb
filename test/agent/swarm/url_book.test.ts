import { describe, expect, it } from 'vitest';
import { FIRST_URL_REST_MS, MAX_URL_REST_MS, UrlBook } from '../../../agent/swarm/url_book.js';

const [A, B, C] = ['http://a/', 'http://b/', 'http://c/'];
const ALL = [A, B, C];
const latest = (): number => 1 - Number.EPSILON;

describe('P-11.5 the URLs of an artifact', () => {
  it('are asked in their order; one that failed rests, and the next takes over', () => {
    const book = new UrlBook(latest);
    expect(book.next(ALL, 0)).toBe(A);
    book.failed(A, 'E_HTTP_SILENT', 0);
    expect(book.next(ALL, 1)).toBe(B);
    book.failed(B, 'E_HTTP_TLS', 1);
    expect(book.next(ALL, 2)).toBe(C);
    expect(book.next(ALL, FIRST_URL_REST_MS)).toBe(A);
  });

  it('rest twice as long at each failure in a row, ten minutes at most, and begin anew once they worked', () => {
    const book = new UrlBook(latest);
    let now = 0;
    for (let rest = FIRST_URL_REST_MS; rest < 4 * MAX_URL_REST_MS; rest *= 2) {
      book.failed(A, 'E_HTTP_STATUS', now);
      const restMs = Math.min(rest, MAX_URL_REST_MS);
      expect(book.deadline - now).toBeCloseTo(restMs, 3);
      expect(book.next([A], book.deadline - 1)).toBeNull();
      now = book.deadline;
      expect(book.next([A], now)).toBe(A);
    }
    book.worked(A);
    book.failed(A, 'E_HTTP_STATUS', now);
    expect(book.deadline - now).toBeCloseTo(FIRST_URL_REST_MS, 3);
  });

  it('rest for a time of their own from the upper half, lest all who failed together come back together', () => {
    const ends = [0, 0.5].map((random) => {
      const book = new UrlBook(() => random);
      book.failed(A, 'E_HTTP_SILENT', 0);
      return book.deadline;
    });
    expect(ends).toEqual([FIRST_URL_REST_MS / 2, (FIRST_URL_REST_MS * 3) / 4]);
  });

  it('are not asked again after wrong bytes, whatever else they do, until they are published anew', () => {
    const book = new UrlBook(latest);
    expect(book.lied(A, 'E_HTTP_WRONG_BYTES')).toBe(true);
    expect(book.lied(A, 'E_HTTP_WRONG_BYTES')).toBe(false);
    book.worked(A);
    book.failed(A, 'E_HTTP_SILENT', 0);
    expect([book.next([A], 1e12), book.deadline]).toEqual([null, Number.POSITIVE_INFINITY]);
    expect(book.next([B, A], 0)).toBe(B);
    expect(book.next([B], 0)).toBe(B);
    expect(book.next([A], 0)).toBe(A);
  });

  it('are told of once for each failure of a kind', () => {
    const book = new UrlBook(latest);
    const told = [
      book.failed(A, 'E_HTTP_SILENT', 0),
      book.failed(A, 'E_HTTP_SILENT', 1),
      book.failed(A, 'E_HTTP_TLS', 2),
      book.failed(B, 'E_HTTP_TLS', 2),
    ];
    book.worked(A);
    expect([...told, book.failed(A, 'E_HTTP_TLS', 3)]).toEqual([true, false, true, true, true]);
  });

  it('may be none', () => {
    const book = new UrlBook(latest);
    expect([book.next([], 0), book.deadline]).toEqual([null, Number.POSITIVE_INFINITY]);
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OwnRequests } from '../../../agent/transport/own_requests.js';
import { MAX_SESSION_REQUESTS } from '../../../shared/limits.js';
import { runs } from '../../support/runs.js';

/** What byte stands where: bytes that are handed on must be those of their place. */
const byteAt = (chunk: number, offset: number): number => (chunk * 31 + offset) & 0xff;
const bytesAt = (chunk: number, offset: number, length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => byteAt(chunk, offset + i));

interface Asked {
  readonly chunk: number;
  readonly from: number;
  readonly to: number;
  readonly come: Set<number>;
}

const chunks = fc.nat(2);
const lengths = fc.integer({ min: 1, max: 40 });
const steps = fc.array(fc.tuple(fc.constantFrom('ask', 'data', 'data', 'data', 'end'), chunks, fc.nat(60), lengths), {
  maxLength: 80,
});

describe('P-7.5 what was asked for', () => {
  it('agrees with sets of bytes: hands on what is new and asked for, once for each request, and counts', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const own = new OwnRequests();
        let asked: Asked[] = [];
        for (const [what, chunk, offset, length] of all) {
          if (what === 'ask') {
            own.add(chunk, offset, length);
            asked.push({ chunk, from: offset, to: offset + length, come: new Set() });
          } else if (what === 'end') {
            expect(own.end(chunk)).toBe(asked.some((one) => one.chunk === chunk));
            asked = asked.filter((one) => one.chunk !== chunk);
          } else {
            const expected: string[] = [];
            for (const one of asked) {
              const from = Math.max(offset, one.from);
              const to = Math.min(offset + length, one.to);
              if (one.chunk !== chunk || from >= to) continue;
              const before = one.come.size;
              for (let at = from; at < to; at++) one.come.add(at);
              if (one.come.size > before) expected.push(`${from} ${to}`);
            }
            const got: string[] = [];
            const taken = own.onData(chunk, offset, bytesAt(chunk, offset, length), (of, at, bytes) => {
              expect([of, ...bytes]).toEqual([chunk, ...bytesAt(chunk, at, bytes.length)]);
              got.push(`${at} ${at + bytes.length}`);
            });
            expect(taken).toBe(expected.length > 0);
            expect(got.toSorted()).toEqual(expected.toSorted());
            asked = asked.filter((one) => one.come.size < one.to - one.from);
          }
          expect(own.count).toBe(asked.length);
          for (const one of [0, 1, 2]) expect(own.has(one)).toBe(asked.some((other) => other.chunk === one));
          expect(own.isOverrun).toBe(false);
        }
      }),
      runs(300),
    );
  });

  it('P-7.4 takes 256 requests and no 257th, until one is over', () => {
    const own = new OwnRequests();
    for (let i = 0; i < MAX_SESSION_REQUESTS; i++) expect(own.add(i, 0, 1)).not.toBeNull();
    expect(own.add(999, 0, 1)).toBeNull();
    own.end(7);
    expect(own.add(999, 0, 1)).not.toBeNull();
  });
});

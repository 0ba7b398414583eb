import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Coverage } from '../../../agent/transport/coverage.js';

describe('P-7.5 which bytes have come', () => {
  it('agrees with a set of bytes, in any order', () => {
    const ranges = fc.array(fc.tuple(fc.nat(60), fc.integer({ min: 1, max: 12 })), { maxLength: 40 });
    fc.assert(
      fc.property(ranges, (all) => {
        const coverage = new Coverage();
        const seen = new Set<number>();
        for (const [from, length] of all) {
          const before = seen.size;
          for (let byte = from; byte < from + length; byte++) seen.add(byte);
          expect(coverage.add(from, from + length)).toBe(seen.size > before);
          let prefix = 0;
          while (seen.has(prefix)) prefix++;
          expect(coverage.covers(prefix)).toBe(true);
          expect(coverage.covers(prefix + 1)).toBe(false);
          let islands = 0;
          for (let byte = prefix + 1; byte < 80; byte++) if (seen.has(byte) && !seen.has(byte - 1)) islands++;
          expect(coverage.islandCount).toBe(islands);
        }
      }),
    );
  });
});

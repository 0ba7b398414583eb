import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Assembly } from '../../../agent/swarm/assembly.js';

const bytesFrom = (offset: number, length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (offset + i) & 0xff);

describe('Assembly', () => {
  it('P-7.5: is complete exactly when every byte came, whatever the order, the overlaps and the repetitions', () => {
    const piece = fc.record({ offset: fc.nat(299), length: fc.integer({ min: 1, max: 60 }) });
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
        const assembly = new Assembly(Buffer.alloc(300));
        const seen = new Set<number>();
        for (const { offset, length } of pieces) {
          const before = seen.size;
          const fits = offset + length <= 300;
          if (fits) for (let i = offset; i < offset + length; i++) seen.add(i);
          expect(assembly.add(offset, bytesFrom(offset, length))).toBe(seen.size - before);
          expect(assembly.received).toBe(seen.size);
          expect(assembly.complete).toBe(seen.size === 300);
        }
        for (const i of seen) expect(assembly.bytes[i]).toBe(i & 0xff);
      }),
    );
  });

  it('takes nothing past its end and nothing empty', () => {
    const assembly = new Assembly(Buffer.alloc(10));
    expect(assembly.add(5, new Uint8Array(6))).toBe(0);
    expect(assembly.add(10, new Uint8Array(1))).toBe(0);
    expect(assembly.add(0, new Uint8Array(0))).toBe(0);
    expect(assembly.received).toBe(0);
  });
});

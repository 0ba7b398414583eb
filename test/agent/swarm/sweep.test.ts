import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Sweep } from '../../../agent/swarm/sweep.js';
import { SeededRandom } from '../../sim/random.js';

const ALMOST_ONE = 1 - 2 ** -47;

describe('P-10.1 a sweep', () => {
  it('has each shard once before any comes again, whatever is drawn and however many are taken at once', () => {
    const drawn = fc.array(fc.double({ min: 0, max: ALMOST_ONE, noNaN: true }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(drawn, fc.integer({ min: 0, max: 10 }), fc.integer({ min: 1, max: 16 }), (numbers, power, most) => {
        const shards = 2 ** power;
        let i = 0;
        const sweep = new Sweep(() => numbers[i++ % numbers.length] ?? 0);
        for (let round = 0; round < 2; round++) {
          const seen: number[] = [];
          while (seen.length < shards) seen.push(...sweep.next(shards, most));
          expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: shards }, (_, shard) => shard));
        }
      }),
    );
  });

  it('begins anew where it is told to, and where there are other shards', () => {
    const sweep = new Sweep(() => 0);
    expect(sweep.next(4, 3)).toEqual([0, 1, 2]);
    sweep.restart();
    expect(sweep.next(4, 2)).toEqual([0, 1]);
    expect(sweep.next(2, 16)).toEqual([0, 1]);
  });

  it('begins in any shard as often as in any other', () => {
    const random = new SeededRandom(1);
    const begun = Array<number>(8).fill(0);
    for (let i = 0; i < 8_000; i++) {
      const [shard = -1] = new Sweep(() => random.next()).next(8, 1);
      begun[shard] = (begun[shard] ?? 0) + 1;
    }
    for (const count of begun) expect(Math.abs(count - 1_000)).toBeLessThan(150);
  });
});

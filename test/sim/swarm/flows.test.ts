import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Flows } from './flows.js';

/** Rates by flow, of flows from node to node. */
function shared(up: number[], down: number[], ends: [number, number][]): number[] {
  const flows = new Flows(Float64Array.from(up), Float64Array.from(down));
  for (const [from, to] of ends) flows.start(flows.add(from, to));
  const rates = ends.map(() => 0);
  flows.share((flow, rate) => {
    rates[flow] = rate;
  });
  return rates;
}

describe('flows that share links', () => {
  it('have all alike of one link', () => {
    expect(
      shared(
        [90, 1000, 1000, 1000],
        [1000, 1000, 1000, 1000],
        [
          [0, 1],
          [0, 2],
          [0, 3],
        ],
      ),
    ).toEqual([30, 30, 30]);
  });

  it('have what one that is slow elsewhere leaves', () => {
    expect(
      shared(
        [100, 0, 0],
        [0, 10, 1000],
        [
          [0, 1],
          [0, 2],
        ],
      ),
    ).toEqual([10, 90]);
  });

  it('have nothing of a link that carries nothing', () => {
    expect(shared([0, 100], [100, 100], [[0, 1]])).toEqual([0]);
  });

  it('count while they run, and a number that was given back is used again', () => {
    const flows = new Flows(Float64Array.of(100, 0, 0), Float64Array.of(0, 1000, 1000));
    const [one, two] = [flows.add(0, 1), flows.add(0, 2)];
    flows.start(one);
    flows.start(two);
    flows.stop(two);
    const seen: [number, number][] = [];
    flows.share((flow, rate) => seen.push([flow, rate]));
    expect([seen, flows.running]).toEqual([[[one, 100]], 1]);
    flows.remove(one);
    expect(flows.add(0, 1)).toBe(one);
    flows.share(() => expect.unreachable());
  });

  it('overfill no link, and leave none idle that two ends want, whatever the fleet', () => {
    const node = fc.nat({ max: 9 });
    const rates = fc.array(fc.integer({ min: 100, max: 1000 }), { minLength: 10, maxLength: 10 });
    const ends = fc.array(fc.tuple(node, node), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(rates, rates, ends, (up, down, between) => {
        const given = shared(up, down, between);
        const used = (which: 0 | 1, of: number): number => {
          return between.reduce((sum, pair, flow) => sum + (pair[which] === of ? (given[flow] ?? 0) : 0), 0);
        };
        for (let i = 0; i < 10; i++) {
          expect(used(0, i)).toBeLessThanOrEqual((up[i] ?? 0) + 1e-6);
          expect(used(1, i)).toBeLessThanOrEqual((down[i] ?? 0) + 1e-6);
        }
        for (const [from, to] of between) {
          const busiest = Math.max(used(0, from) / (up[from] ?? 1), used(1, to) / (down[to] ?? 1));
          expect(busiest).toBeGreaterThan(0.6);
        }
      }),
    );
  });
});

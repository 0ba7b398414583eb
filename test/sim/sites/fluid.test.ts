import { describe, expect, it } from 'vitest';
import { type Flow, share } from './fluid.js';

function rates(links: readonly (readonly number[])[], capacities: readonly number[]): number[] {
  const flows: Flow[] = links.map((crossed) => ({ links: crossed, rate: 0 }));
  share(flows, capacities);
  return flows.map(({ rate }) => rate);
}

describe('max-min fair shares', () => {
  it('divides one link evenly', () => {
    expect(rates([[0], [0], [0]], [9])).toEqual([3, 3, 3]);
  });

  it('gives what one flow cannot use to the others', () => {
    expect(rates([[0, 1], [0]], [10, 2])).toEqual([2, 8]);
  });

  it('is the textbook case: a long flow over two links, a short one on each', () => {
    expect(rates([[0, 1], [0], [1], [1]], [6, 6])).toEqual([2, 4, 2, 2]);
  });
});

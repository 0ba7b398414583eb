import { expect, it } from 'vitest';
import { fluidSeconds } from '../../../bench/swarm/fluid.js';

const link = (up: number, down = up) => ({ up: up * 1e6, down: down * 1e6 });
const alike = (count: number, one: ReturnType<typeof link>) => Array.from({ length: count }, () => one);

it('is one copy over a link where all links are alike', () => {
  expect(fluidSeconds(40e6, link(40), alike(8, link(40)))).toEqual(alike8(8));
});

it("is bounded by the origin, by a device's own link, and by what all give together", () => {
  expect(fluidSeconds(40e6, link(20), alike(8, link(40)))).toEqual(alike8(16));
  expect(fluidSeconds(40e6, link(40), [link(40), link(2)])).toEqual([8, 160]);
  const [first] = fluidSeconds(40e6, link(40), alike(8, link(4, 40)));
  expect(first).toBeCloseTo((8 * 320) / 72, 9);
});

function alike8(seconds: number): number[] {
  return Array.from({ length: 8 }, () => seconds);
}

import { expect, it } from 'vitest';
import { completionPlot } from '../../../bench/swarm/plot.js';

it('draws a step for each device, in order, and names who it is of', () => {
  const svg = completionPlot('40 MB & more', 2, 8, [{ name: 'a <b>', seconds: [10, 5] }]);
  expect(svg).toContain('<title>40 MB &amp; more</title>');
  expect(svg).toContain('a &lt;b&gt;');
  const path = /<path d="M([\d.]+) ([\d.]+)(H[^"]*)" fill="none"/.exec(svg);
  const steps = [...(path?.[3] ?? '').matchAll(/H([\d.]+)V([\d.]+)/g)].map((step) => step.slice(1).map(Number));
  expect(steps).toHaveLength(2);
  const [[x1 = 0, y1 = 0] = [], [x2 = 0, y2 = 0] = []] = steps;
  expect(x2).toBeGreaterThan(x1);
  expect(y2).toBeLessThan(y1);
});

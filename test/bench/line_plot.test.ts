import { describe, expect, it } from 'vitest';
import { linePlot } from '../../bench/line_plot.js';

const plot = (over: Partial<Parameters<typeof linePlot>[0]> = {}): string => {
  const lines = [
    {
      name: 'a < b',
      points: [
        [10, 0],
        [1000, 40],
      ] as const,
    },
  ];
  return linePlot({ title: 'A & B', x: { label: 'devices', log: true }, y: { label: 'kB' }, lines, ...over });
};

describe('a plot of lines', () => {
  it('is an SVG with a title, and nothing unescaped', () => {
    const svg = plot();
    expect(svg).toMatch(/^<svg [^>]*viewBox="0 0 \d+ \d+"/);
    expect(svg).toContain('<title>A &amp; B</title>');
    expect(svg).toContain('>a &lt; b</text>');
    expect(svg).not.toContain('NaN');
  });

  it('marks each decade of a logarithmic axis, and round steps of a linear one', () => {
    const svg = plot();
    const texts = [...svg.matchAll(/>([^<>]+)<\/text>/g)].map(([, text]) => text);
    expect(texts).toEqual(expect.arrayContaining(['10', '100', '1,000', '0', '20', '40', 'devices', 'kB']));
  });

  it('draws a line through its points, dashed where it is calculated', () => {
    const points = [
      [0, 0],
      [10, 10],
    ] as const;
    const svg = plot({ x: { label: '' }, lines: [{ name: 'c', points, dashed: true }] });
    expect(svg).toMatch(/<path d="M72\.0 374\.0L744\.0 34\.0" fill="none"[^>]*stroke-dasharray/);
  });

  it('copes with a line that is flat, or one point', () => {
    for (const points of [
      [
        [5, 5],
        [6, 5],
      ],
      [[5, 5]],
    ] as [number, number][][]) {
      expect(plot({ lines: [{ name: 'c', points }] })).not.toMatch(/NaN|Infinity/);
    }
  });

  it('takes what an axis is to show besides', () => {
    const svg = plot({ y: { label: '', from: 0, to: 100 } });
    expect(svg).toContain('>100</text>');
  });
});

import { describe, expect, it } from 'vitest';
import { type CpuProfile, flameGraph, framesOf } from '../../bench/flame.js';

const frame = (functionName: string, url = '') => ({ functionName, url, lineNumber: 9 });
const profile: CpuProfile = {
  nodes: [
    { id: 1, callFrame: frame('(root)'), children: [2, 3, 6] },
    { id: 2, callFrame: frame('(idle)') },
    { id: 3, callFrame: frame('flush', 'file:///x/dist/agent/io/endpoint.js'), children: [4, 5] },
    { id: 4, callFrame: frame('<seal>') },
    { id: 5, callFrame: frame('<seal>') },
    { id: 6, callFrame: frame('') },
  ],
  samples: [2, 3, 4, 5, 6],
  timeDeltas: [1000, 10, 20, 30, 40],
};

describe('a flame graph', () => {
  it('adds up what the same function took under the same caller, without idle time', () => {
    const all = framesOf(profile);
    expect(all.total).toBe(100);
    const flush = all.calls.get('flush agent/io/endpoint.js:10');
    expect(flush).toMatchObject({ own: 10, total: 60 });
    expect(flush?.calls.get('<seal>')).toMatchObject({ own: 50, total: 50 });
    expect([...all.calls.keys()]).toEqual(['flush agent/io/endpoint.js:10', '(anonymous)']);
  });

  it('is as wide as its time, and its names are text', () => {
    const svg = flameGraph('receiver & all', framesOf(profile));
    expect(svg).toContain('<title>receiver &amp; all</title>');
    expect(svg).toContain('<title>&lt;seal&gt;, 50.0 %</title><rect x="0.0" y="51" width="800.0"');
    expect(svg).toContain('<title>(anonymous), 40.0 %</title><rect x="960.0" y="34" width="640.0"');
    expect(svg).not.toContain('idle');
  });
});

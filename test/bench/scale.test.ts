import { describe, expect, it } from 'vitest';
import { judge } from '../../bench/bars.js';
import { scale } from '../../bench/scale.js';
import { drawScale } from '../../bench/scale_plots.js';
import { simulateScale } from '../sim/swarm/scale.js';

describe('bench scale', () => {
  it('has a bar on what passes the broker for each fleet, and on growth and storms from 1,000 devices on', async () => {
    const { rules, contenders } = await scale({ devices: [100, 1_000, 10_000], seed: 1 });
    expect(contenders.map(({ subject }) => subject)).toEqual(['100 devices', '1000 devices', '10000 devices']);
    expect(rules.map(({ subject, metric, limit }) => `${subject}: ${metric} ${limit}`)).toEqual([
      '100 devices: control bytes through the broker, heartbeats included, of payload 0.1',
      '1000 devices: control bytes through the broker, heartbeats included, of payload 0.1',
      '10000 devices: control bytes through the broker, heartbeats included, of payload 0.1',
      '1000 devices: busiest second of the broker, but the trust message 26000',
      '1000 devices: busiest second of the seed 500',
      '10000 devices: control messages of a device 1.2',
      '10000 devices: control bytes of a device 1.2',
    ]);
    expect(judge(rules, []).every(({ ok }) => !ok)).toBe(true);
  });

  it('has no bar on growth without the fleet that it is measured by', async () => {
    expect((await scale({ devices: [10, 10_000], seed: 1 })).rules.length).toBe(2);
  });

  it('draws what fleets cost, and how a thousand devices join', async () => {
    const run = await simulateScale({ devices: 4, seed: 1, chunks: 16 });
    const plots = new Map(drawScale([run, { ...run, devices: 1_000 }]));
    expect([...plots.keys()]).toEqual(['scale-cost.svg', 'scale-join.svg']);
    for (const svg of plots.values()) expect(svg).not.toMatch(/NaN|Infinity|undefined/);
    expect(drawScale([run]).length).toBe(1);
  });
});

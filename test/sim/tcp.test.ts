import { describe, expect, it } from 'vitest';
import type { LinkOptions } from './link.js';
import { Path } from './path.js';
import { simulationSeed } from './random.js';
import { Tcp } from './tcp.js';
import { World } from './world.js';

/** 50 ms of round trip, a queue of as much, and enough jitter that no two flows keep step. */
const LINK: LinkOptions = { bitsPerSecond: 100e6, delayMs: 25, queueBytes: 625_000, jitterMs: 1 };
const SEEDS = [1, 2, 3].map(simulationSeed);
/** What 100 Mbit/s of packets carry. */
const FULL = (LINK.bitsPerSecond ?? 0) * (1448 / 1500);

describe.each(SEEDS)('the TCP CUBIC that ours is held against, seed %d', (seed) => {
  it('alone takes at least 95 % of the link, and never times out', () => {
    for (const share of [0.5, 1, 2]) {
      const world = new World(seed);
      const path = new Path(world, { ...LINK, queueBytes: 625_000 * share }, LINK);
      const tcp = new Tcp(world, path);
      world.run(30_000);
      const used = tcp.meter.bitsPerSecond(0, 30_000) / FULL;
      expect(used, `CHUNKMESH_SEED=${seed}, a queue of ${share}`).toBeGreaterThan(0.95);
      expect(tcp.timeouts).toBe(0);
    }
  });

  it('shares about evenly with another', () => {
    const world = new World(seed);
    const path = new Path(world, LINK, LINK);
    const flows = [new Tcp(world, path), new Tcp(world, path, 100 * world.random.next())] as const;
    world.run(120_000);
    const [one, other] = flows.map(({ meter }) => meter.bitsPerSecond(30_000, 120_000));
    const share = (one ?? 0) / ((one ?? 0) + (other ?? 0));
    expect(share, `CHUNKMESH_SEED=${seed}`).toBeGreaterThan(0.4);
    expect(share, `CHUNKMESH_SEED=${seed}`).toBeLessThan(0.6);
  });

  it('RFC 9438 loses most of a link to 1 % of random loss', () => {
    const world = new World(seed);
    const path = new Path(world, { ...LINK, loss: 0.01 }, LINK);
    const tcp = new Tcp(world, path);
    world.run(30_000);
    const used = tcp.meter.bitsPerSecond(0, 30_000) / FULL;
    expect(used, `CHUNKMESH_SEED=${seed}`).toBeGreaterThan(0.01);
    expect(used, `CHUNKMESH_SEED=${seed}`).toBeLessThan(0.15);
  });
});

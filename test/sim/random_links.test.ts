import { expect, it } from 'vitest';
import type { LinkOptions } from './link.js';
import { SeededRandom, simulationSeed } from './random.js';
import { background, foreground } from './scenario.js';
import { CHUNK_BYTES, Transfer } from './transfer.js';

/** `npm run test:sim` tries ten times as many. */
const RUNS = process.env.CHUNKMESH_SIM === 'long' ? 2000 : 200;
const CHUNKS = 6;

/** Any link there is: 0.5 to 200 Mbit/s, 1 to 200 ms, shallow and deep queues, all that goes wrong on the way. */
function linkFrom(random: SeededRandom): LinkOptions {
  const bitsPerSecond = 0.5e6 * 400 ** random.next();
  const delayMs = 0.5 * 200 ** random.next();
  const flight = (bitsPerSecond * 2 * delayMs) / 8000;
  const some = (chance: number, most: number) => (random.chance(chance) ? most * random.next() : 0);
  return {
    bitsPerSecond,
    delayMs,
    queueBytes: Math.max(6000, flight * 4 * random.next() ** 2),
    jitterMs: some(0.5, 10),
    loss: some(0.5, 0.05),
    reorder: some(0.3, 0.1),
    reorderMs: 1 + 20 * random.next(),
    duplicate: some(0.2, 0.1),
    ...(random.chance(0.2) ? { burstLoss: { enter: 0.005, leave: 0.2, loss: 0.5 } } : {}),
    ...(random.chance(0.2) ? { outage: [300, 300 + 700 * random.next()] as const } : {}),
  };
}

it(`moves ${CHUNKS} chunks over each of ${RUNS} random links, in either mode, whole`, () => {
  for (let i = 1; i <= RUNS; i++) {
    const seed = simulationSeed(i);
    const link = linkFrom(new SeededRandom(seed * 7919));
    const mode = i % 2 === 0 ? 'foreground' : 'background';
    const congestion = mode === 'foreground' ? foreground : background();
    const run = new Transfer({ seed, links: [link, link], congestion }, CHUNKS);
    // Time to open, to grow, and 20 times what the link needs.
    const limit = 8000 + (20 * CHUNKS * CHUNK_BYTES * 8000) / (link.bitsPerSecond ?? 1) + 200 * (link.delayMs ?? 0);
    const whole = run.run(limit);
    expect(whole, `CHUNKMESH_SEED=${seed}, ${mode}, after ${limit} ms: ${JSON.stringify(link)}`).toBe(true);
    if (process.env.CHUNKMESH_SEED !== undefined) return;
  }
}, 300_000);

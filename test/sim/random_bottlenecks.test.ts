import { expect, it } from 'vitest';
import { Scavenger } from '../../agent/transport/congestion/scavenger.js';
import type { Bulk } from './bulk.js';
import { Host, type HostOptions } from './host.js';
import type { LinkOptions } from './link.js';
import { SeededRandom, simulationSeed } from './random.js';
import { Bench, foreground } from './scenario.js';
import type { Tcp } from './tcp.js';

/** `npm run test:sim` tries ten times as many. */
const RUNS = process.env.CHUNKMESH_SIM === 'long' ? 4000 : 400;
const RUN_MS = 6000;
/** Of these runs: from here on flows have found their place, as far as they ever do in so short a time. */
const SETTLED_MS = 2500;

interface Drawn {
  readonly link: LinkOptions;
  readonly foregrounds: number;
  /** Sessions of one agent. */
  readonly backgrounds: number;
  readonly tcp: number;
  readonly hosts: HostOptions;
}

/** A bottleneck of 1 to 12 Mbit/s, 4 to 120 ms, and who shares it. */
function draw(random: SeededRandom): Drawn {
  const bitsPerSecond = 1e6 * 12 ** random.next();
  const delayMs = 2 * 30 ** random.next();
  const some = (chance: number, most: number) => (random.chance(chance) ? most * random.next() : 0);
  const link: LinkOptions = {
    bitsPerSecond,
    delayMs,
    queueBytes: Math.max(15_000, ((bitsPerSecond * 2 * delayMs) / 8000) * (0.5 + 2.5 * random.next())),
    jitterMs: 0.2 + some(0.3, 3),
    loss: some(0.4, 0.02),
    reorder: some(0.2, 0.05),
    reorderMs: 1 + 10 * random.next(),
    duplicate: some(0.2, 0.05),
    mtuBytes: random.chance(0.2) ? 1280 : 9000,
    ...(random.chance(0.15) ? { burstLoss: { enter: 0.002, leave: 0.2, loss: 0.5 } } : {}),
  };
  const foregrounds = Math.floor(3 * random.next());
  const backgrounds = foregrounds === 0 ? 1 + Math.floor(3 * random.next()) : Math.floor(2 * random.next());
  // A segment of TCP's is longer than some of these links take.
  const tcp = link.mtuBytes === 9000 && random.chance(0.4) ? 1 : 0;
  const pauses = { everyMs: 50 + 200 * random.next(), forMs: 6 * random.next() };
  return { link, foregrounds, backgrounds, tcp, hosts: random.chance(0.3) ? { pauses } : {} };
}

interface Measured {
  /** Of the link, per cent, from SETTLED_MS on. */
  readonly ours: number;
  readonly tcp: number;
  readonly least: number;
  readonly queueMs: number;
}

function run(seed: number, { link, foregrounds, backgrounds, tcp, hosts }: Drawn): Measured {
  const bench = new Bench(seed, link);
  const bulks: Bulk[] = [];
  const tcps: Tcp[] = [];
  const startMs = () => 500 * bench.world.random.next();
  for (let i = 0; i < foregrounds; i++) bulks.push(bench.bulk(foreground, { startMs: startMs() }, [hosts, hosts]));
  const agent = new Host(bench.world, hosts);
  const { controller } = new Scavenger();
  for (let i = 0; i < backgrounds; i++) bulks.push(bench.bulkFrom(agent, controller, { startMs: startMs() }, hosts));
  for (let i = 0; i < tcp; i++) tcps.push(bench.tcp(startMs()));
  const { most } = bench.watchQueue(RUN_MS);
  const sum = (all: number[]) => all.reduce((total, one) => total + one, 0);
  return {
    ours: sum(bulks.map((bulk) => bench.used(bulk, SETTLED_MS, RUN_MS))),
    tcp: sum(tcps.map((one) => bench.usedByTcp(one, SETTLED_MS, RUN_MS))),
    least: Math.min(...bulks.map(({ meter }) => meter.bytes)),
    queueMs: most,
  };
}

/** Whether TCP takes its part of such a link at all: it stands still on what loses at random. */
const isClean = ({ link }: Drawn) => link.loss === 0 && link.burstLoss === undefined && link.reorder === 0;

/** Per cent. Where it loses at random and queues are shallow, the background finds its place only after more than these seconds. */
function leastOf({ foregrounds, tcp }: Drawn): number {
  if (foregrounds > 0) return 50;
  return tcp > 0 ? 35 : 20;
}

it(`shares ${RUNS} random bottlenecks: never more than there is, never idle, nobody starves`, () => {
  for (let i = 1; i <= RUNS; i++) {
    const seed = simulationSeed(i);
    const drawn = draw(new SeededRandom(seed * 104_729));
    const measured = run(seed, drawn);
    const label = `CHUNKMESH_SEED=${seed}: ${JSON.stringify(measured)} of ${JSON.stringify(drawn)}`;
    const { bitsPerSecond = 1, queueBytes = 0 } = drawn.link;
    expect(measured.ours + measured.tcp, label).toBeLessThan(104);
    expect(measured.ours + measured.tcp, label).toBeGreaterThan(leastOf(drawn));
    // The last datagram that the queue takes is longer than its rest, at most by one.
    expect(measured.queueMs, label).toBeLessThan(((queueBytes + 1500) * 8000) / bitsPerSecond + 1);
    expect(measured.least, label).toBeGreaterThan(0);
    // TCP beside the background alone keeps most of a link.
    if (drawn.tcp > 0 && drawn.foregrounds === 0 && isClean(drawn)) expect(measured.tcp, label).toBeGreaterThan(45);
    if (process.env.CHUNKMESH_SEED !== undefined) return;
  }
}, 600_000);

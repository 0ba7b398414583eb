import type { HostOptions } from './host.js';
import type { LinkOptions } from './link.js';
import { Bench, type Figure, foreground, linkOf, RTT_MS, type Scenario } from './scenario.js';

/** Three probe timeouts (RFC 9002 §6.2.1) of a path of 50 ms: the round trip, four times its variation, 25 ms. */
const OUTAGE_MS = 300;

function goodput(link: LinkOptions, ms: number, least: number, hosts: [HostOptions?, HostOptions?] = []) {
  return (seed: number): Figure[] => {
    const bench = new Bench(seed, link);
    const bulk = bench.bulk(foreground, {}, hosts);
    bench.world.run(ms);
    return [{ metric: 'of the link', unit: '%', value: bench.used(bulk, 0, ms), least }];
  };
}

/** Beside one CUBIC flow, that began 5 s before or after. Measured for a minute, from 25 s after the second began. */
function beside(queueRtts: number, first: 'we' | 'tcp', bars: { least?: number; most?: number } = {}) {
  return (seed: number): Figure[] => {
    const bench = new Bench(seed, linkOf(100, queueRtts, { jitterMs: 1 }));
    const bulk = bench.bulk(foreground, { startMs: first === 'we' ? 0 : 5000 });
    const tcp = bench.tcp(first === 'we' ? 5000 : 0);
    bench.world.run(90_000);
    const ours = bench.used(bulk, 30_000, 90_000);
    const theirs = bench.usedByTcp(tcp, 30_000, 90_000);
    return [
      { metric: 'our share', unit: '%', value: (100 * ours) / (ours + theirs), ...bars },
      { metric: 'link in use', unit: '%', value: ours + theirs, least: 90 },
    ];
  };
}

/** After a process stood still for 200 ms: the two seconds from when it began, which 90 % of the link would make 80 %. */
function stall(hosts: (at: [number, number]) => [HostOptions?, HostOptions?]) {
  return (seed: number): Figure[] => {
    const bench = new Bench(seed, linkOf(100, 1));
    const bulk = bench.bulk(foreground, {}, hosts([4000, 4200]));
    bench.world.run(6000);
    return [
      { metric: 'of the link in the 2 s after', unit: '%', value: bench.used(bulk, 4200, 6000), least: 85 },
      { metric: 'round trips to half the rate', unit: '', value: bench.roundTripsUntil(bulk, 4200, 50), most: 5 },
    ];
  };
}

function outage(seed: number): Figure[] {
  const bench = new Bench(seed, linkOf(100, 1, { outage: [4000, 4000 + OUTAGE_MS] }));
  const bulk = bench.bulk(foreground);
  bench.world.run(6500);
  const from = 4000 + OUTAGE_MS;
  return [
    { metric: 'round trips to half the rate', unit: '', value: bench.roundTripsUntil(bulk, from, 50), most: 10 },
    { metric: 'of the link a second later', unit: '%', value: bench.used(bulk, from + 1000, 6500), least: 90 },
  ];
}

/** The link, or a receiver, falls to a fifth, with a queue that would be 250 ms long then. */
function slower(seed: number): Figure[] {
  const bench = new Bench(seed, linkOf(100, 1));
  const bulk = bench.bulk(foreground);
  bench.world.run(4000);
  bench.path.forward.bitsPerSecond = 20e6;
  let drainedAt = Number.POSITIVE_INFINITY;
  for (let at = 4100; at <= 8000; at += 10) {
    bench.world.run(at);
    if (at > 4200 && bench.path.forward.queueMs(at) < RTT_MS / 4) drainedAt = Math.min(drainedAt, at);
  }
  return [
    { metric: 'ms until the queue is gone', unit: 'ms', value: drainedAt - 4000, most: 2000 },
    { metric: 'of the slower link', unit: '%', value: bench.used(bulk, 5000, 8000, 20e6), least: 90 },
  ];
}

function faster(seed: number): Figure[] {
  const bench = new Bench(seed, { ...linkOf(20, 1), queueBytes: 625_000 });
  const bulk = bench.bulk(foreground);
  bench.world.run(4000);
  bench.path.forward.bitsPerSecond = 100e6;
  bench.world.run(12_000);
  const ms = bench.roundTripsUntil(bulk, 4000, 90, 100e6) * RTT_MS;
  return [{ metric: 'ms to 90 % of five times the rate', unit: 'ms', value: ms, most: 6000 }];
}

/** Half a second of silence, again and again: each time the model still holds. */
function idle(seed: number): Figure[] {
  const bench = new Bench(seed, linkOf(100, 1));
  const bulk = bench.bulk(foreground, { chunksEach: [48, 1000] });
  bench.world.run(6000);
  const bytes = bulk.meter.bytesBetween(5000, 5000 + 6 * RTT_MS + (48 * 65_536) / 12_500);
  return [
    {
      metric: 'of a batch after idling, in its time and 6 RTT',
      unit: '%',
      value: (100 * bytes) / (48 * 65_536),
      least: 99,
    },
  ];
}

const RUNS = 8;

/** Of many runs in which processes stand still for a few milliseconds now and then: what they do to the model must not pass for other flows. */
function worst(link: LinkOptions, ms: number, least: number) {
  const pausing: HostOptions = { pauses: { everyMs: 100, forMs: 4 } };
  const one = goodput(link, ms, least, [pausing, pausing]);
  return (seed: number): Figure[] => {
    const values = Array.from({ length: RUNS }, (_, i) => one(seed + i)[0]?.value ?? 0);
    return [{ metric: `of the link, the worst of ${RUNS}`, unit: '%', value: Math.min(...values), least }];
  };
}

/** 17 chunks are what a server reads ahead: more than the path holds, less than the window lets. */
function readAhead(seed: number): Figure[] {
  const bench = new Bench(seed, linkOf(100, 1, { loss: 0.001 }));
  const bulk = bench.bulk(foreground, { ahead: 17 });
  bench.world.run(5000);
  const queue = bench.watchQueue(20_000);
  return [
    { metric: 'of the link', unit: '%', value: bench.used(bulk, 5000, 20_000), least: 95 },
    { metric: 'mean queueing delay', unit: 'ms', value: queue.mean, most: 10 },
  ];
}

const lan: LinkOptions = { bitsPerSecond: 1e9, delayMs: 0.2, queueBytes: 500_000, jitterMs: 0.02 };
/** 250 MB/s between two processes that spend 3 us on a datagram. */
const loopback: LinkOptions = { bitsPerSecond: 2e9, delayMs: 0.05, queueBytes: 400_000 };
const busy: [HostOptions, HostOptions] = [{ cpuMs: 0.003 }, { cpuMs: 0.003 }];

export const foregroundScenarios: readonly Scenario[] = [
  { name: 'no loss', seeds: 3, run: goodput(linkOf(100, 1), 15_000, 95) },
  { name: '0.1 % loss', seeds: 3, run: goodput(linkOf(100, 1, { loss: 0.001 }), 15_000, 95) },
  { name: '0.1 % loss, processes that pause', long: true, run: worst(linkOf(100, 1, { loss: 0.001 }), 15_000, 90) },
  { name: '0.1 % loss, a server that reads 1 MiB ahead', seeds: 3, run: readAhead },
  { name: '1 % loss', seeds: 3, run: goodput(linkOf(100, 1, { loss: 0.01 }), 15_000, 80) },
  { name: '5 % loss', seeds: 3, run: goodput(linkOf(100, 1, { loss: 0.05 }), 15_000, 50) },
  {
    name: 'loss in bursts (0.5 % in all)',
    seeds: 3,
    run: goodput(linkOf(100, 1, { burstLoss: { enter: 0.001, leave: 0.1, loss: 0.5 } }), 8000, 85),
  },
  { name: '10 % reordered by 10 ms', seeds: 3, run: goodput(linkOf(100, 1, { reorder: 0.1 }), 8000, 90) },
  { name: '10 % duplicated', long: true, seeds: 3, run: goodput(linkOf(100, 1, { duplicate: 0.1 }), 8000, 90) },
  { name: 'jitter of 5 ms', long: true, seeds: 3, run: goodput(linkOf(100, 1, { jitterMs: 5 }), 15_000, 90) },
  { name: 'queue of 0.1 RTT', seeds: 3, run: goodput(linkOf(100, 0.1), 8000, 90) },
  { name: 'queue of 10 RTT', long: true, seeds: 3, run: goodput(linkOf(100, 10), 8000, 90) },
  { name: 'sender stands still for 200 ms', seeds: 3, run: stall((at) => [{ stall: at }, {}]) },
  { name: 'receiver stands still for 200 ms', seeds: 3, run: stall((at) => [{}, { stall: at }]) },
  { name: 'outage of three probe timeouts', seeds: 5, run: outage },
  { name: 'the path slows to a fifth', seeds: 3, run: slower },
  { name: 'the path grows fivefold', seeds: 3, run: faster },
  { name: 'restart from idle', seeds: 3, run: idle },
  { name: '1 Gbit/s, 0.4 ms', seeds: 2, run: goodput(lan, 1000, 90) },
  { name: '250 MB/s, 0.1 ms, busy processes', seeds: 2, run: goodput(loopback, 800, 90, busy) },
  { name: 'beside CUBIC, we first', seeds: 4, run: beside(1, 'we', { least: 35, most: 65 }) },
  { name: 'beside CUBIC, CUBIC first', seeds: 4, run: beside(1, 'tcp', { least: 35, most: 65 }) },
  { name: 'beside CUBIC, queue of 0.5 RTT, we first', long: true, seeds: 4, run: beside(0.5, 'we') },
  { name: 'beside CUBIC, queue of 0.5 RTT, CUBIC first', long: true, seeds: 4, run: beside(0.5, 'tcp') },
  { name: 'beside CUBIC, queue of 2 RTT, we first', long: true, seeds: 4, run: beside(2, 'we') },
  { name: 'beside CUBIC, queue of 2 RTT, CUBIC first', long: true, seeds: 4, run: beside(2, 'tcp') },
  { name: 'beside CUBIC, queue of 4 RTT, we first', long: true, seeds: 4, run: beside(4, 'we') },
  { name: 'beside CUBIC, queue of 4 RTT, CUBIC first', long: true, seeds: 4, run: beside(4, 'tcp') },
];

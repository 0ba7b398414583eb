import { Scavenger } from '../../agent/transport/congestion/scavenger.js';
import type { Bulk } from './bulk.js';
import { Host, type HostOptions } from './host.js';
import type { LinkOptions } from './link.js';
import { Bench, background, type Figure, linkOf, RTT_MS, type Scenario } from './scenario.js';

/** As real processes are that read, hash and write. */
const PAUSING: HostOptions = { pauses: { everyMs: 80, forMs: 6 } };

function alone(link: LinkOptions, least: number, ms = 25_000, hosts: [HostOptions?, HostOptions?] = []) {
  return (seed: number): Figure[] => {
    const bench = new Bench(seed, link);
    const bulk = bench.bulk(background(), {}, hosts);
    bench.world.run(3000);
    const queue = bench.watchQueue(ms);
    return [
      { metric: 'of the link', unit: '%', value: bench.used(bulk, 0, ms), least },
      { metric: 'longest queue after 3 s', unit: 'ms', value: queue.most, most: 60 },
    ];
  };
}

/** `sessions` of one agent beside one CUBIC flow on 50 Mbit/s, against that flow alone. */
function beside(queueRtts: number, sessions: number, first: 'we' | 'tcp', agents = 1) {
  return (seed: number): Figure[] => {
    const link = linkOf(50, queueRtts, { jitterMs: 1 });
    const without = new Bench(seed, link);
    const lone = without.tcp(first === 'we' ? 8000 : 0);
    without.world.run(15_000);
    const loneQueue = without.watchQueue(55_000);
    const bench = new Bench(seed, link);
    const tcp = bench.tcp(first === 'we' ? 8000 : 0);
    const scavengers = Array.from({ length: agents }, () => new Scavenger());
    const host = new Host(bench.world);
    for (let i = 0; i < sessions; i++) {
      const { controller } = scavengers[i % agents] ?? new Scavenger();
      bench.bulkFrom(host, controller, { startMs: (first === 'we' ? 0 : 8000) + 100 * i });
    }
    bench.world.run(15_000);
    const queue = bench.watchQueue(55_000);
    const share = (100 * bench.usedByTcp(tcp, 15_000, 55_000)) / without.usedByTcp(lone, 15_000, 55_000);
    const bars = agents === 1 ? { least: 93 } : {};
    return [
      { metric: 'of what CUBIC gets alone', unit: '%', value: share, ...bars },
      { metric: 'queue added, mean', unit: 'ms', value: queue.mean - loneQueue.mean, most: 60 },
    ];
  };
}

/** Two agents, the second late by `lateMs`. */
function two(queueRtts: number, lateMs: number, bars: { least?: number; most?: number } = {}) {
  return (seed: number): Figure[] => {
    const bench = new Bench(seed, linkOf(50, queueRtts));
    const [one, other] = [0, lateMs].map((startMs) => bench.bulk(background(), { startMs }));
    bench.world.run(60_000);
    if (one === undefined || other === undefined) return [];
    const [first, second] = [one, other].map((bulk) => bench.used(bulk, 20_000, 60_000));
    const share = (100 * (second ?? 0)) / ((first ?? 0) + (second ?? 0));
    return [
      { metric: "the second's share", unit: '%', value: share, ...bars },
      { metric: 'link in use', unit: '%', value: (first ?? 0) + (second ?? 0), least: 85 },
    ];
  };
}

function many(seed: number): Figure[] {
  const bench = new Bench(seed, linkOf(100, 1));
  const { controller } = new Scavenger();
  const host = new Host(bench.world);
  const bulks = Array.from({ length: 12 }, (_, i) => bench.bulkFrom(host, controller, { startMs: 50 * i }));
  bench.world.run(3000);
  const queue = bench.watchQueue(15_000);
  const shares = bulks.map((bulk) => bench.used(bulk, 3000, 15_000));
  const sum = shares.reduce((total, share) => total + share, 0);
  return [
    { metric: 'of the link', unit: '%', value: sum, least: 90 },
    { metric: 'longest queue', unit: 'ms', value: queue.most, most: 60 },
    {
      metric: 'the least session, of an even part',
      unit: '%',
      value: (100 * 12 * Math.min(...shares)) / sum,
      least: 40,
    },
  ];
}

/** Two agents, each with `sessions` that send to the other: what waits one way must not hold up the other. */
function bothWays(link: LinkOptions, sessions: number) {
  return (seed: number): Figure[] => {
    const bench = new Bench(seed, link);
    const [one, other] = [new Host(bench.world), new Host(bench.world)];
    const [there, back] = [background(), background()];
    const bulks = Array.from({ length: sessions }, (_, i) => {
      const options = { startMs: 50 * i };
      return [bench.bulkFrom(one, there, options), bench.bulkBack(other, back, options)] as const;
    });
    bench.world.run(3000);
    const queue = bench.watchQueue(20_000);
    const used = [0, 1].map((way) => bulks.reduce((sum, both) => sum + bench.used(both[way] as Bulk, 3000, 20_000), 0));
    return [
      { metric: 'of the link, the lesser way', unit: '%', value: Math.min(...used), least: 85 },
      { metric: 'queue, mean', unit: 'ms', value: queue.mean, most: 60 },
    ];
  };
}

/** A device's link: short, with a deep queue. */
const SHORT: LinkOptions = { bitsPerSecond: 10e6, delayMs: 2, queueBytes: 125_000, jitterMs: 0.2 };

/** A download of somebody's fills the queue that the ACKs come through. */
function besideDownload(seed: number): Figure[] {
  const bench = new Bench(seed, SHORT);
  const bulk = bench.bulk(background());
  bench.tcpBack(3000);
  bench.world.run(6000);
  const queue = bench.watchQueue(26_000);
  return [
    { metric: 'of the link', unit: '%', value: bench.used(bulk, 6000, 26_000), least: 80 },
    { metric: 'queue, mean', unit: 'ms', value: queue.mean, most: 60 },
  ];
}

/** How soon the link is in use again once a CUBIC flow ends. */
function left(seed: number): Figure[] {
  const bench = new Bench(seed, linkOf(50, 1, { jitterMs: 1 }));
  bench.tcp(1000, 10_000);
  const bulk = bench.bulk(background());
  bench.world.run(30_000);
  const seconds = (bench.roundTripsUntil(bulk, 10_200, 80) * RTT_MS) / 1000;
  return [{ metric: 'seconds until 80 % of the link', unit: 's', value: seconds, most: 12 }];
}

/** A process stands still for 200 ms, between two slowdowns: it delayed nobody's packets but its own. */
function stall(hosts: (at: [number, number]) => [HostOptions?, HostOptions?]) {
  return (seed: number): Figure[] => {
    const bench = new Bench(seed, linkOf(100, 1));
    const bulk = bench.bulk(background(), {}, hosts([7000, 7200]));
    bench.world.run(9200);
    return [{ metric: 'of the link in the 2 s after', unit: '%', value: bench.used(bulk, 7200, 9200), least: 80 }];
  };
}

export const backgroundScenarios: readonly Scenario[] = [
  { name: 'alone, no loss', seeds: 3, run: alone(linkOf(100, 1), 90) },
  { name: 'alone, 0.1 % loss', seeds: 3, run: alone(linkOf(100, 1, { loss: 0.001 }), 80, 15_000) },
  {
    name: 'alone, 0.1 % loss, processes that pause',
    seeds: 3,
    run: alone(linkOf(100, 1, { loss: 0.001 }), 80, 15_000, [PAUSING, PAUSING]),
  },
  { name: 'alone, 1 % loss', seeds: 3, run: alone(linkOf(100, 1, { loss: 0.01 }), 50, 15_000) },
  { name: 'alone, 5 % loss', long: true, seeds: 3, run: alone(linkOf(100, 1, { loss: 0.05 }), 0, 15_000) },
  { name: 'alone, queue of 4 RTT', long: true, seeds: 3, run: alone(linkOf(100, 4), 90) },
  { name: 'alone, 50 Mbit/s', long: true, seeds: 3, run: alone(linkOf(50, 1), 90) },
  { name: 'alone, 10 % reordered', long: true, seeds: 3, run: alone(linkOf(100, 1, { reorder: 0.1 }), 80) },
  { name: 'alone, jitter of 5 ms', long: true, seeds: 3, run: alone(linkOf(100, 1, { jitterMs: 5 }), 75) },
  { name: 'both ways at once', seeds: 3, run: bothWays(linkOf(50, 1), 1) },
  { name: 'both ways at once, 8 sessions, 10 Mbit/s and 4 ms', seeds: 3, run: bothWays(SHORT, 8) },
  { name: 'beside a CUBIC download, 10 Mbit/s and 4 ms', seeds: 3, run: besideDownload },
  { name: 'sender stands still for 200 ms', seeds: 3, run: stall((at) => [{ stall: at }, {}]) },
  { name: 'receiver stands still for 200 ms', seeds: 3, run: stall((at) => [{}, { stall: at }]) },
  { name: 'one session beside CUBIC, CUBIC first', seeds: 4, run: beside(1, 1, 'tcp') },
  { name: 'one session beside CUBIC, we first', seeds: 4, run: beside(1, 1, 'we') },
  { name: '12 sessions beside CUBIC, CUBIC first', seeds: 4, run: beside(1, 12, 'tcp') },
  { name: '12 sessions beside CUBIC, we first', long: true, seeds: 4, run: beside(1, 12, 'we') },
  { name: 'one session beside CUBIC, queue of 0.5 RTT', long: true, seeds: 4, run: beside(0.5, 1, 'tcp') },
  { name: 'one session beside CUBIC, queue of 2 RTT', long: true, seeds: 4, run: beside(2, 1, 'tcp') },
  { name: 'one session beside CUBIC, queue of 4 RTT', long: true, seeds: 4, run: beside(4, 1, 'tcp') },
  { name: '12 agents beside CUBIC', long: true, seeds: 4, run: beside(1, 12, 'tcp', 12) },
  { name: 'two agents at once', seeds: 3, run: two(1, 0, { least: 40, most: 60 }) },
  { name: 'two agents, the second 10 s late', seeds: 3, run: two(1, 10_000, { least: 40, most: 60 }) },
  { name: 'two agents, queue of 0.5 RTT, one late', long: true, seeds: 3, run: two(0.5, 10_000) },
  { name: 'two agents, queue of 4 RTT, one late', long: true, seeds: 3, run: two(4, 10_000) },
  { name: '12 sessions of one agent alone', seeds: 3, run: many },
  { name: 'CUBIC leaves', seeds: 3, run: left },
];

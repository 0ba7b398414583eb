import { Foreground } from '../../agent/transport/congestion/foreground.js';
import { Scavenger } from '../../agent/transport/congestion/scavenger.js';
import type { MakeController } from '../../agent/transport/congestion.js';
import { Bulk, type BulkOptions } from './bulk.js';
import { Host, type HostOptions } from './host.js';
import type { LinkOptions } from './link.js';
import { Path } from './path.js';
import { Tcp } from './tcp.js';
import { World } from './world.js';

/** What a scenario measured, and what it is to be. */
export interface Figure {
  readonly metric: string;
  readonly unit: string;
  readonly value: number;
  readonly least?: number;
  readonly most?: number;
}

export interface Scenario {
  readonly name: string;
  /** Only in the long form. */
  readonly long?: boolean;
  /** Seeds in the long form; one otherwise. */
  readonly seeds?: number;
  readonly run: (seed: number) => Figure[];
}

export const foreground: MakeController = (bytes, most) => new Foreground(bytes, most);

/** A datagram of 1,200 bytes carries this much of a chunk (P-6, P-7: 31 bytes of header and tag, 11 of DATA)... */
const CHUNK_BYTES = 1158;
/** ...and takes this much of a link (UDP and IPv4). */
const PACKET_BYTES = 1228;
const TCP_BYTES = 1448;
const TCP_PACKET_BYTES = 1500;

/** Milliseconds of round trip. */
export const RTT_MS = 50;

/** 50 ms of round trip, a queue of `queueRtts` as much, and jitter that keeps flows out of step. Loss is on both ways. */
export function linkOf(megabits: number, queueRtts: number, more: LinkOptions = {}): LinkOptions {
  const bitsPerSecond = megabits * 1e6;
  const queueBytes = (queueRtts * RTT_MS * bitsPerSecond) / 8000;
  return { bitsPerSecond, delayMs: RTT_MS / 2, queueBytes, jitterMs: 0.2, ...more };
}

/** One bottleneck and what runs over it. */
export class Bench {
  readonly world: World;
  readonly path: Path;
  readonly #bitsPerSecond: number;

  constructor(seed: number, link: LinkOptions) {
    this.world = new World(seed);
    this.path = new Path(this.world, link, link);
    this.#bitsPerSecond = link.bitsPerSecond ?? Number.POSITIVE_INFINITY;
  }

  bulk(congestion: MakeController, options: BulkOptions = {}, hosts: [HostOptions?, HostOptions?] = []): Bulk {
    const [from, to] = hosts.length === 0 ? [{}, {}] : hosts;
    return this.bulkFrom(new Host(this.world, from), congestion, options, to);
  }

  /** Several sessions of one process are several bulks from one host. */
  bulkFrom(from: Host, congestion: MakeController, options: BulkOptions = {}, to: HostOptions = {}): Bulk {
    return new Bulk(this.world, this.path, from, new Host(this.world, to), { ...options, congestion });
  }

  bulkBack(from: Host, congestion: MakeController, options: BulkOptions = {}): Bulk {
    return new Bulk(this.world, this.path.reversed, from, new Host(this.world), { ...options, congestion });
  }

  tcpBack(startMs: number): Tcp {
    return new Tcp(this.world, this.path.reversed, startMs, Number.POSITIVE_INFINITY);
  }

  tcp(startMs = 0, stopMs = Number.POSITIVE_INFINITY): Tcp {
    return new Tcp(this.world, this.path, startMs + 50 * this.world.random.next(), stopMs);
  }

  /** Chunk bytes that came, as a share of what the link carries of them when it is full. Per cent. */
  used(bulk: Bulk, fromMs: number, toMs: number, bitsPerSecond = this.#bitsPerSecond): number {
    return ((100 * bulk.meter.bitsPerSecond(fromMs, toMs)) / bitsPerSecond) * (PACKET_BYTES / CHUNK_BYTES);
  }

  /** The same of a TCP flow. */
  usedByTcp(tcp: Tcp, fromMs: number, toMs: number): number {
    return ((100 * tcp.meter.bitsPerSecond(fromMs, toMs)) / this.#bitsPerSecond) * (TCP_PACKET_BYTES / TCP_BYTES);
  }

  /** The mean and the greatest wait in the queue from now until `toMs`. Milliseconds. */
  watchQueue(toMs: number): { mean: number; most: number } {
    let sum = 0;
    let count = 0;
    let most = 0;
    for (let at = this.world.now; at <= toMs; at += 20) {
      this.world.run(at);
      const wait = this.path.forward.queueMs(at);
      sum += wait;
      count++;
      most = Math.max(most, wait);
    }
    this.world.run(toMs);
    return { mean: sum / count, most };
  }

  /** Round trips from `fromMs` until a round trip brought at least `share` per cent of the link; Infinity if none did. */
  roundTripsUntil(bulk: Bulk, fromMs: number, share: number, bitsPerSecond = this.#bitsPerSecond): number {
    for (let at = fromMs; at + RTT_MS <= this.world.now; at += 10) {
      if (this.used(bulk, at, at + RTT_MS, bitsPerSecond) >= share) return (at + RTT_MS - fromMs) / RTT_MS;
    }
    return Number.POSITIVE_INFINITY;
  }
}

export function background(): MakeController {
  return new Scavenger().controller;
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

import { HttpPolicy } from '../../agent/swarm/http_policy.js';
import { Swarm } from '../../agent/swarm/swarm.js';
import { Bitfield } from '../../shared/artifact/bitfield.js';
import { SeededRandom } from './random.js';

/**
 * A fleet that is alone with one HTTP server: the real picker, claims and turns over flows of whole chunks, in virtual time. Every device sees the
 * rollout in the same second; none has anything.
 */

const HTTP = 'http:';
const CHUNK_BYTES = 64 * 1024;
const TICK_MS = 100;
/** Chunks that a device gives, and takes from the server, in a tick: 3.3 MB/s. */
const CHUNKS_PER_TICK = 5;
const NEIGHBOURS = 8;

export interface EgressOptions {
  readonly devices: number;
  readonly chunks: number;
  readonly seed: number;
  /** What devices believe of the size of their swarm. */
  readonly believed?: number;
}

export interface Egress {
  /** Of the artifact, that left the server. */
  readonly copies: number;
  /** From the rollout to the last device; Infinity where not all were complete in time. */
  readonly seconds: number;
  /** Most requests that the server had in any one second. */
  readonly peakPerSecond: number;
}

class Device {
  readonly id: string;
  readonly held: Bitfield;
  readonly swarm: Swarm;
  readonly policy: HttpPolicy;
  readonly neighbours: Device[] = [];
  /** Who asked for what, in order. */
  readonly asked: { by: Device; chunk: number }[] = [];
  /** Of the request to the server that is under way. */
  run: number[] = [];

  constructor(id: string, chunks: number, random: () => number) {
    this.id = id;
    this.held = new Bitfield(chunks);
    this.swarm = new Swarm({
      ...{ held: this.held, verifying: new Set<number>(), chunkLength: () => CHUNK_BYTES },
      ...{ random, frugal: () => false, self: id },
    });
    this.swarm.addSource(HTTP);
    this.policy = new HttpPolicy({ use: 'no-peer', afterMs: 10_000, maxBytes: Number.POSITIVE_INFINITY }, random);
    this.policy.begin(0);
  }

  meet(other: Device): void {
    if (other === this || this.neighbours.includes(other)) return;
    this.neighbours.push(other);
    other.neighbours.push(this);
    this.swarm.addPeer(other.id, false);
    other.swarm.addPeer(this.id, false);
  }

  /** @returns false where it has the chunk already */
  take(from: string, chunk: number, now: number): boolean {
    if (this.held.get(chunk)) return false;
    this.held.set(chunk);
    for (const { peer } of this.swarm.onVerified(from, chunk, now)) {
      const loser = this.neighbours.find(({ id }) => id === peer);
      const at = loser?.asked.findIndex((one) => one.by === this && one.chunk === chunk) ?? -1;
      if (at >= 0) loser?.asked.splice(at, 1);
    }
    for (const neighbour of this.neighbours) neighbour.swarm.onHave(this.id, chunk, Uint8Array.of(0x80));
    return true;
  }

  ask(now: number): void {
    for (const { kind, peer, chunk } of this.swarm.schedule(now)) {
      const other = this.neighbours.find(({ id }) => id === peer);
      if (kind === 'request') other?.asked.push({ by: this, chunk });
    }
  }

  /** @returns chunks asked of the server */
  askServer(now: number, believed: number): number {
    if (this.run.length > 0 || now < this.policy.opensAt) return 0;
    if (!this.swarm.hasClaimable(true)) {
      this.policy.met();
      return 0;
    }
    if (now < this.policy.needed(now, believed, true)) return 0;
    this.run = this.swarm.claim(HTTP, now, this.swarm.peers.get(HTTP)?.pipelineBytes ?? 0, true);
    this.policy.met(this.run.length * CHUNK_BYTES);
    return this.run.length;
  }

  serve(now: number): void {
    for (const { by, chunk } of this.asked.splice(0, CHUNKS_PER_TICK)) by.take(this.id, chunk, now);
    for (const chunk of this.run.splice(0, CHUNKS_PER_TICK)) this.take(HTTP, chunk, now);
  }
}

export function egress({ devices, chunks, seed, believed = devices }: EgressOptions): Egress {
  const random = new SeededRandom(seed);
  const next = (): number => random.next();
  const fleet = Array.from({ length: devices }, (_, i) => new Device(`cam-${i}`, chunks, next));
  for (const device of fleet) {
    while (device.neighbours.length < Math.min(NEIGHBOURS, devices - 1)) {
      const other = fleet[Math.floor(next() * devices)];
      if (other !== undefined) device.meet(other);
    }
  }
  let fromServer = 0;
  const perSecond = new Map<number, number>();
  let now = 0;
  const isDone = (): boolean => fleet.every(({ held }) => held.isFull);
  for (; !isDone() && now < 1_200_000; now += TICK_MS) {
    for (const device of fleet) {
      if (!device.held.isFull) device.ask(now);
      const asked = device.askServer(now, believed);
      fromServer += asked;
      const second = Math.floor(now / 1000);
      if (asked > 0) perSecond.set(second, (perSecond.get(second) ?? 0) + 1);
    }
    for (const device of fleet) device.serve(now);
  }
  return {
    copies: fromServer / chunks,
    seconds: isDone() ? now / 1000 : Number.POSITIVE_INFINITY,
    peakPerSecond: Math.max(0, ...perSecond.values()),
  };
}

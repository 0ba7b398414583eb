import { SeededRandom } from '../random.js';
import { Broker } from './broker.js';
import { Device, type Fleet, type Message } from './device.js';
import type { Exchange, Side } from './exchange.js';
import { Flows } from './flows.js';
import type { PacketSizes } from './sizes.js';

/** A whole fleet that sees one rollout in the same moment, in virtual time. One step is what a message takes through the broker. */

/** The agent's longest sleep is a second; a deadline in between is met so much later at most. */
const TIMER_MS = 500;
/** So soon a device looks at what its peers told it of their chunks: all that came together. */
const TOLD_MS = 200;

export interface FleetOptions {
  /** Of all that is drawn at random. */
  readonly seed: number;
  readonly devices: number;
  readonly seeds: number;
  readonly shards: number;
  /** Within which devices join (P-10.1). */
  readonly joinWindowMs: number;
  /** Bytes of the artifact, in chunks alike. */
  readonly size: number;
  readonly chunks: number;
  /** Bytes per second, of a device and of a seed. */
  readonly up: number;
  readonly down: number;
  readonly seedUp: number;
  readonly stepMs: number;
  readonly sizes: PacketSizes;
  /** Who watches every status. */
  readonly operators: number;
  /** Virtual. */
  readonly limitMs: number;
}

export class SimulatedFleet implements Fleet {
  readonly options: FleetOptions;
  now = 0;
  readonly random: () => number;
  readonly broker: Broker<Message>;
  readonly flows: Flows;
  readonly sides: (Side | undefined)[] = [];
  readonly chunkBytes: number;
  readonly shards: number;
  readonly joinWindowMs: number;
  readonly devices: Device[] = [];
  readonly seeds: Device[] = [];
  /** Devices that have everything, by step. */
  readonly completed: number[] = [];
  /** Messages that the busiest seed said and heard, by step. */
  readonly seedMessages: number[] = [];
  readonly #members = new Map<string, Device>();
  #nonces = 0;

  constructor(options: FleetOptions) {
    const { devices, seeds, up, down, seedUp, size, chunks, shards, joinWindowMs, sizes, operators } = options;
    const random = new SeededRandom(options.seed);
    this.options = options;
    this.random = () => random.next();
    this.broker = new Broker(sizes, operators);
    this.chunkBytes = size / chunks;
    this.shards = shards;
    this.joinWindowMs = joinWindowMs;
    const [ups, downs] = [new Float64Array(devices + seeds).fill(up), new Float64Array(devices + seeds).fill(down)];
    ups.fill(seedUp, devices);
    this.flows = new Flows(ups, downs);
    for (let node = 0; node < devices + seeds; node++) this.#join(node, node >= devices);
  }

  device(id: string): Device {
    const device = this.#members.get(id);
    if (device === undefined) throw new Error(`no device ${id}`);
    return device;
  }

  nonce(): Uint8Array {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setFloat64(0, this.#nonces++);
    return bytes;
  }

  /** @returns whether every device has everything, before the limit. */
  run(): boolean {
    const { devices, limitMs, stepMs } = this.options;
    for (let step = 0; this.now <= limitMs; step++) {
      const before = this.seeds.map(({ ledger }) => ledger.messages);
      this.#step(step);
      this.seedMessages.push(Math.max(...this.seeds.map(({ ledger }, i) => ledger.messages - (before[i] ?? 0))));
      if (this.completed.at(-1) === devices) return true;
      this.now += stepMs;
    }
    return false;
  }

  #join(node: number, seed: boolean): void {
    const id = seed ? `seed-${node - this.options.devices}` : `device-${String(node).padStart(7, '0')}`;
    const device = new Device(id, seed, node, this, this.options.chunks);
    this.#members.set(id, device);
    (seed ? this.seeds : this.devices).push(device);
    this.broker.trust(device);
  }

  #step(step: number): void {
    const { stepMs } = this.options;
    this.broker.step();
    this.#flow(stepMs / 1000);
    const timers = Math.max(1, Math.round(TIMER_MS / stepMs));
    const told = Math.max(1, Math.round(TOLD_MS / stepMs));
    let completed = 0;
    for (const members of [this.seeds, this.devices]) {
      for (const device of members) {
        const { exchange } = device;
        if (exchange.completedAt >= 0) completed++;
        if (device.isIdle) continue;
        device.tick();
        if ((step + exchange.node) % timers === 0) exchange.tick();
        if (exchange.due || (exchange.told && (step + exchange.node) % told === 0)) exchange.schedule();
      }
    }
    this.completed.push(completed);
  }

  #flow(seconds: number): void {
    const whole: [Side, number][] = [];
    this.flows.share((flow, rate) => {
      const side = this.sides[flow];
      side?.owner.receive(side, rate * seconds, (one, chunk) => whole.push([one, chunk]));
    });
    for (const [side, chunk] of whole) side.owner.take(side, chunk);
  }
}

/** Seconds in which nobody could be quicker: every link full, headers aside. */
export function fluidLimit({ devices, seeds, size, up, down, seedUp }: FleetOptions): number {
  const all = devices * up + seeds * seedUp;
  return Math.max(size / down, size / (seeds * seedUp), (devices * size) / all);
}

export const bytesGiven = (exchanges: readonly Exchange[]): number =>
  exchanges.reduce((sum, { given }) => sum + given, 0);

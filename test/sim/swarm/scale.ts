import { joinWindowMs as windowFor } from '../../../agent/swarm/meeting.js';
import { shardCount } from '../../../broker/publish/shards.js';
import { KINDS, type Kind } from './broker.js';
import { bytesGiven, type FleetOptions, fluidLimit, SimulatedFleet } from './fleet.js';
import { packetSizes } from './sizes.js';

/** What one rollout costs a fleet of so many devices, and how long it takes. */

export interface ScaleOptions {
  readonly devices: number;
  /** Of all that is drawn at random. */
  readonly seed: number;
  /** Where it is not that of P-10.1 for so many devices. */
  readonly joinWindowMs?: number;
  readonly chunks?: number;
}

export interface ScaleRun {
  readonly seed: number;
  readonly devices: number;
  readonly shards: number;
  readonly chunks: number;
  readonly joinWindowMs: number;
  /** Whether every device had everything within the limit. */
  readonly complete: boolean;
  /** PUBLISH packets that a device said and heard, and bytes of all packets, in the mean, and of the device with most. */
  readonly deviceMessages: number;
  readonly deviceBytes: number;
  readonly deviceMostMessages: number;
  readonly deviceMostBytes: number;
  /** The same at the broker, for each device. */
  readonly brokerMessagesIn: number;
  readonly brokerMessagesOut: number;
  readonly brokerBytesIn: number;
  readonly brokerBytesOut: number;
  /** In and out at the broker, as a part of what the devices fetched. */
  readonly brokerShare: number;
  /** Messages, and bytes of packets, in and out in the busiest second; but the trust message, which a broker hands out at its own pace. */
  readonly brokerPeakMessages: number;
  readonly brokerPeakBytes: number;
  /** In and out at the broker by kind, for each device. */
  readonly byKind: Readonly<Record<Kind, { readonly messages: number; readonly bytes: number }>>;
  readonly seedMessages: number;
  /** Messages that a seed said and heard in its busiest second. */
  readonly seedPeakMessages: number;
  /** Bytes that seeds sent, in sizes of the artifact. */
  readonly originCopies: number;
  /** Of what was fetched, bytes that were of no use. */
  readonly waste: number;
  readonly fluidSeconds: number;
  /** Until the last device has everything, since the rollout, over the fluid limit. */
  readonly lastOverFluid: number;
  /** From the moment that a device joins, over the fluid limit: of the device in the middle, and of the slowest. */
  readonly ownOverFluid: number;
  readonly ownMostOverFluid: number;
  /** By second since the rollout: messages in and out at the broker, but the trust message; devices that have everything. */
  readonly messagesBySecond: readonly number[];
  readonly completedBySecond: readonly number[];
}

export const ARTIFACT_BYTES = 64e6;
/** As P-9.2 cuts 64 MB: 64 KiB on average. */
export const REAL_CHUNKS = 977;
/** 40 Mbit/s, both ways, a device and the seed alike. */
const LINK_BYTES = 5e6;
const STEP_MS = 50;
/** Above so many devices steps are longer and chunks fewer, lest a run take hours: docs/SCALING.md says what that changes. */
const MANY_DEVICES = 5_000;
const MANY_STEP_MS = 100;
const MANY_CHUNKS = 64;
const LIMIT_MS = 3_600_000;

function optionsOf({ devices, seed, joinWindowMs, chunks }: ScaleOptions, shards: number): Omit<FleetOptions, 'sizes'> {
  const many = devices > MANY_DEVICES;
  return {
    ...{ seed, devices, seeds: 1, shards, joinWindowMs: joinWindowMs ?? windowFor(shards) },
    ...{ size: ARTIFACT_BYTES, chunks: chunks ?? (many ? MANY_CHUNKS : REAL_CHUNKS) },
    ...{ up: LINK_BYTES, down: LINK_BYTES, seedUp: LINK_BYTES },
    ...{ stepMs: many ? MANY_STEP_MS : STEP_MS, operators: 1, limitMs: LIMIT_MS },
  };
}

export async function simulateScale(wanted: ScaleOptions): Promise<ScaleRun> {
  const shards = shardCount(wanted.devices);
  const rollout = { name: 'firmware', version: '2.4.1', artifact: new Uint8Array(32).fill(7), size: ARTIFACT_BYTES };
  const sizes = await packetSizes({ ...rollout, chunks: REAL_CHUNKS, shards });
  const fleet = new SimulatedFleet({ ...optionsOf(wanted, shards), sizes });
  const complete = fleet.run();
  return { complete, ...ofDevices(fleet), ...ofBroker(fleet), ...ofTime(fleet) };
}

function ofDevices({ options, devices, seeds, seedMessages }: SimulatedFleet) {
  const { seed, shards, chunks, joinWindowMs, size, stepMs } = options;
  const count = devices.length;
  const total = { messages: 0, bytes: 0, wasted: 0 };
  const most = { messages: 0, bytes: 0 };
  for (const { ledger, exchange } of devices) {
    total.messages += ledger.messages;
    total.bytes += ledger.bytes;
    total.wasted += exchange.wasted;
    most.messages = Math.max(most.messages, ledger.messages);
    most.bytes = Math.max(most.bytes, ledger.bytes);
  }
  return {
    ...{ seed, devices: count, shards, chunks, joinWindowMs },
    deviceMessages: total.messages / count,
    deviceBytes: total.bytes / count,
    deviceMostMessages: most.messages,
    deviceMostBytes: most.bytes,
    seedMessages: seeds.reduce((sum, { ledger }) => sum + ledger.messages, 0) / seeds.length,
    seedPeakMessages: greatest(bySecond(seedMessages, stepMs)),
    originCopies: bytesGiven(seeds.map(({ exchange }) => exchange)) / size,
    waste: total.wasted / (count * size),
  };
}

/** Sums of each second's steps. */
function bySecond(values: readonly number[], stepMs: number): number[] {
  const seconds: number[] = [];
  values.forEach((value, step) => {
    const second = Math.floor((step * stepMs) / 1000);
    seconds[second] = (seconds[second] ?? 0) + value;
  });
  return seconds;
}

const greatest = (values: readonly number[]): number => values.reduce((most, value) => Math.max(most, value), 0);

function ofBroker({ options, broker }: SimulatedFleet) {
  const { devices, size, stepMs } = options;
  const { loads, byKind } = broker;
  const sum = (of: (load: (typeof loads)[number]) => number): number => loads.reduce((all, load) => all + of(load), 0);
  // The trust message goes out before the first step.
  const later = loads.slice(1);
  const messagesBySecond = bySecond(
    later.map((load) => load.in.messages + load.out.messages),
    stepMs,
  );
  const bytes = later.map((load) => load.in.bytes + load.out.bytes);
  const each = KINDS.map((kind) => {
    const count = byKind.get(kind) ?? { messages: 0, bytes: 0 };
    return [kind, { messages: count.messages / devices, bytes: count.bytes / devices }] as const;
  });
  return {
    brokerMessagesIn: sum((load) => load.in.messages) / devices,
    brokerMessagesOut: sum((load) => load.out.messages) / devices,
    brokerBytesIn: sum((load) => load.in.bytes) / devices,
    brokerBytesOut: sum((load) => load.out.bytes) / devices,
    brokerShare: sum((load) => load.in.bytes + load.out.bytes) / (devices * size),
    brokerPeakMessages: greatest(messagesBySecond),
    brokerPeakBytes: greatest(bySecond(bytes, stepMs)),
    byKind: Object.fromEntries(each) as ScaleRun['byKind'],
    messagesBySecond,
  };
}

function ofTime({ options, now, devices, completed }: SimulatedFleet) {
  const fluidSeconds = fluidLimit(options);
  const own = devices
    .map(({ exchange, joinedAt }) => (exchange.completedAt - joinedAt) / 1000 / fluidSeconds)
    .sort((a, b) => a - b);
  const steps = Math.round(1000 / options.stepMs);
  return {
    fluidSeconds,
    lastOverFluid: now / 1000 / fluidSeconds,
    ownOverFluid: own[own.length >> 1] ?? Number.NaN,
    ownMostOverFluid: own.at(-1) ?? Number.NaN,
    completedBySecond: completed.filter((_, step) => step % steps === 0).concat(completed.slice(-1)),
  };
}

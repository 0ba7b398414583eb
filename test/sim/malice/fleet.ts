import { setImmediate as turn } from 'node:timers/promises';
import type { Misbehaviour, MisbehaviourCount } from '../../../agent/swarm/misbehaviour.js';
import { parseTopic } from '../../../shared/control/topics.js';
import type { Credential } from '../../../shared/identity/bundle.js';
import { Issuer, PREFIX } from '../../support/members.js';
import { type Sample, sampleArtifact } from '../../support/memory_artifact.js';
import { World } from '../world.js';
import { VirtualBroker } from './broker.js';
import { type DeviceOptions, type Ground, VirtualDevice } from './device.js';
import type { Context, Malice } from './kinds.js';
import { Network } from './network.js';

/** A fleet of which some members are malicious, in virtual time: how long the honest ones take, and whom they name. */

const SITE = 'north';
const DELAY_MS = 5;
const QUEUE_BYTES = 64 * 1024;
/** A stall is seen after 5 s. */
const SEEN_MS = 6_000;
const LIMIT_MS = 150_000;

export interface FleetOptions {
  /** Honest devices besides the fleet's seed, and malicious ones. */
  readonly honest: number;
  readonly malicious: number;
  /** Bytes of the artifact, in chunks of `chunkBytes`. */
  readonly chunks: number;
  readonly chunkBytes: number;
  /** Of each device's own link, each way. */
  readonly bitsPerSecond: number;
}

export interface Named {
  readonly device: string;
  readonly malice: Malice;
  readonly by: ReadonlySet<Misbehaviour>;
}

export interface Outcome {
  /** Until the last honest device was done, and half of them, s; Infinity where one was not by the limit. */
  readonly seconds: number;
  readonly median: number;
  /** Bytes that came and were of no use, per honest device. */
  readonly wasted: number;
  /** How honest devices name each malicious one that did anything early enough to be seen. */
  readonly named: readonly Named[];
  /** How honest devices name each other. */
  readonly misnamed: readonly MisbehaviourCount[];
}

export class MaliceFleet {
  readonly #options: FleetOptions;
  readonly #sample: Sample;
  readonly #issuer: Issuer;
  readonly #credentials = new Map<string, Credential>();

  private constructor(options: FleetOptions, issuer: Issuer) {
    this.#options = options;
    this.#issuer = issuer;
    this.#sample = sampleArtifact(options.chunks, options.chunkBytes);
  }

  /** Its members are enrolled once, for all runs. */
  static async make(options: FleetOptions): Promise<MaliceFleet> {
    return new MaliceFleet(options, await Issuer.authority());
  }

  /** What malicious devices do, in turns; nothing where they are not there. */
  async play(seed: number, malice: readonly Malice[]): Promise<Outcome> {
    const world = new World(seed);
    const state = { promised: true };
    const ground: Ground = {
      ...{ world, broker: new VirtualBroker(world), sample: this.#sample },
      promised: () => {
        state.promised = true;
      },
    };
    const honest = await this.#honest(ground, new Network(world), seed, malice);
    const isOver = (): boolean => honest.devices.every(({ completedAt }) => completedAt < Number.POSITIVE_INFINITY);
    while (!isOver() && world.now < LIMIT_MS) {
      // What waits for nothing but its turn has it.
      if (state.promised) await turn();
      state.promised = false;
      world.runUntil(LIMIT_MS, () => state.promised);
    }
    const times = honest.devices.map(({ completedAt }) => completedAt / 1000).sort((a, b) => a - b);
    const counts = honest.devices.flatMap((device) => device.misbehaviour.all());
    const evil = new Map(honest.evil.map(({ id }) => [id, new Set<Misbehaviour>()]));
    for (const { device, kind } of counts) evil.get(device)?.add(kind);
    const unseen = honest.evil.filter(({ kind, offence }) => kind.late && offence.since > world.now - SEEN_MS);
    return {
      seconds: times.at(-1) ?? 0,
      median: times[Math.floor(times.length / 2)] ?? 0,
      wasted: honest.devices.reduce((sum, { transfer }) => sum + transfer.totals.wasted, 0) / honest.devices.length,
      named: honest.evil
        .map(({ id, kind }) => ({ device: id, malice: kind, by: evil.get(id) ?? new Set() }))
        .filter(({ device }) => !unseen.some(({ id }) => id === device)),
      misnamed: counts.filter(({ device }) => !evil.has(device)),
    };
  }

  async #honest(ground: Ground, network: Network, seed: number, malice: readonly Malice[]) {
    const { honest, malicious } = this.#options;
    const devices = [await this.#device(ground, network, 'seed-0', seed)];
    for (let i = 0; i < honest; i++) {
      devices.push(await this.#device(ground, network, `good-${i}`, seed * 1000 + i));
    }
    const evil: { id: string; kind: Malice; offence: { since: number }; device: VirtualDevice }[] = [];
    for (let i = 0; malice.length > 0 && i < malicious; i++) {
      const kind = malice[i % malice.length];
      if (kind === undefined) continue;
      const endpoint = network.join(this.#link, this.#link);
      const offence = { since: Number.POSITIVE_INFINITY };
      const context: Context = {
        ...{ world: ground.world, sample: this.#sample, wake: () => endpoint.wake() },
        offends: () => {
          offence.since = Math.min(offence.since, ground.world.now);
        },
        peers: devices.map(({ id, isSeed }) => ({ device: id, site: SITE, seed: isSeed })),
      };
      const options = { credential: await this.#credential(`evil-${i}`), endpoint, seed: seed * 1000 + 500 + i };
      const device = new VirtualDevice(ground, { ...options, ...kind.options(context) });
      offersToAll(device);
      evil.push({ id: device.id, kind, offence, device });
      kind.run?.(device, context);
    }
    for (const device of [...devices, ...evil.map((one) => one.device)]) await device.start();
    return { devices: devices.filter(({ isSeed }) => !isSeed), evil };
  }

  async #device(ground: Ground, network: Network, id: string, seed: number): Promise<VirtualDevice> {
    const options: DeviceOptions = {
      ...{ credential: await this.#credential(id), endpoint: network.join(this.#link, this.#link), seed },
    };
    return new VirtualDevice(ground, options);
  }

  get #link() {
    return { bitsPerSecond: this.#options.bitsPerSecond, delayMs: DELAY_MS, queueBytes: QUEUE_BYTES };
  }

  async #credential(id: string): Promise<Credential> {
    const known = this.#credentials.get(id);
    if (known !== undefined) return known;
    const role = id.startsWith('seed') ? 'seed' : 'device';
    const credential = this.#issuer.credential(await this.#issuer.member({ id, role, site: SITE }));
    this.#credentials.set(id, credential);
    return credential;
  }
}

/** It answers every announcement of an honest device, at once. */
function offersToAll(device: VirtualDevice): void {
  device.link.on('message', ({ topic }) => {
    const heard = parseTopic(PREFIX, topic);
    if (heard?.name !== 'have' || heard.device.startsWith('evil')) return;
    device.negotiation.offer(device.transfer, {
      device: heard.device,
      site: SITE,
      seed: heard.device.startsWith('seed'),
    });
  });
}

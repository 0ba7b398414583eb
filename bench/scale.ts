import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ScaleRun } from '../test/sim/swarm/scale.js';
import type { BarRule } from './bars.js';
import type { Contender, Figure } from './rounds.js';
import { drawScale } from './scale_plots.js';
import { simulateApart } from './scale_process.js';
import type { Subject } from './subject.js';

/**
 * What a rollout of 64 MB costs fleets of ten to a hundred thousand devices, simulated: the real picker, swarm, announcements and
 * agreements, chunks as a fluid. docs/SCALING.md says how to read it.
 */

export interface ScaleBenchOptions {
  readonly devices: readonly number[];
  readonly seed: number;
  /** Where the curves are drawn. */
  readonly plots?: string;
}

export const FLEETS: readonly number[] = [10, 100, 1_000, 10_000, 100_000];
/** What fleets above it are measured by. */
const BASE = 1_000;
const MESSAGES = 'control messages of a device';
const BYTES = 'control bytes of a device';
const SHARE = 'control bytes through the broker, heartbeats included, of payload';
const BUSIEST = 'busiest second of the broker, but the trust message';
const SEED_BUSIEST = 'busiest second of the seed';
/** Per cent of the payload. */
const MAX_SHARE = 0.1;
const MAX_GROWTH = 1.2;
/**
 * Messages a second that neither may pass with 1,000 devices: what one core of Mosquitto passes on (docs/SCALING.md), and signatures that a seed of one small core
 * can check beside its work (P-3.4: some 100 us each, without the native library 2 ms).
 */
const MAX_BROKER_PEAK = 26_000;
const MAX_SEED_PEAK = 500;

const subjectOf = (devices: number): string => `${devices} devices`;

function figuresOf(run: ScaleRun): Figure[] {
  const kB = (bytes: number): number => bytes / 1000;
  const figure = (metric: string, unit: string, value: number): Figure => ({ metric, unit, value });
  return [
    figure(MESSAGES, '', run.deviceMessages),
    figure(BYTES, 'kB', kB(run.deviceBytes)),
    figure(`${BYTES}, most`, 'kB', kB(run.deviceMostBytes)),
    figure('messages into the broker, for each device', '', run.brokerMessagesIn),
    figure('messages out of the broker, for each device', '', run.brokerMessagesOut),
    figure('bytes into the broker, for each device', 'kB', kB(run.brokerBytesIn)),
    figure('bytes out of the broker, for each device', 'kB', kB(run.brokerBytesOut)),
    figure(SHARE, '%', 100 * run.brokerShare),
    ...Object.entries(run.byKind).map(([kind, { bytes }]) => figure(`of these: ${kind}`, 'kB', kB(bytes))),
    figure(BUSIEST, 'messages/s', run.brokerPeakMessages),
    figure(SEED_BUSIEST, 'messages/s', run.seedPeakMessages),
    figure('origin copies', '', run.originCopies),
    figure('bytes of no use, of payload', '%', 100 * run.waste),
    figure('last device, over the fluid limit', '', run.lastOverFluid),
    figure('a device from its joining on, median, over the fluid limit', '', run.ownOverFluid),
    figure('a device from its joining on, slowest, over the fluid limit', '', run.ownMostOverFluid),
  ];
}

function rulesFor(fleets: readonly number[]): BarRule[] {
  const most = (devices: number, metric: string, limit: number): BarRule => ({
    subject: subjectOf(devices),
    metric,
    is: 'at most',
    limit,
  });
  const rules = fleets.map((devices) => most(devices, SHARE, MAX_SHARE));
  if (!fleets.includes(BASE)) return rules;
  rules.push(most(BASE, BUSIEST, MAX_BROKER_PEAK), most(BASE, SEED_BUSIEST, MAX_SEED_PEAK));
  for (const devices of fleets.filter((count) => count > BASE)) {
    for (const metric of [MESSAGES, BYTES]) {
      rules.push({ ...most(devices, metric, MAX_GROWTH), of: { subject: subjectOf(BASE), metric } });
    }
  }
  return rules;
}

export async function scale({ devices, seed, plots }: ScaleBenchOptions): Promise<Subject> {
  const runs = new Map<number, ScaleRun>();
  const contenders = devices.map((count): Contender => {
    let round = 0;
    const run = async (): Promise<Figure[]> => {
      const one = await simulateApart({ devices: count, seed: seed + round++ });
      if (!one.complete) throw new Error(`seed ${one.seed}: not every device completed`);
      runs.set(count, one);
      if (plots !== undefined) {
        for (const [name, svg] of drawScale([...runs.values()])) await writeFile(join(plots, name), svg);
      }
      return figuresOf(one);
    };
    return { subject: subjectOf(count), run };
  });
  const notes = [`64 MB; a device and the one seed have 40 Mbit/s up and down each; seed ${seed} and on`];
  return { name: 'scale', contenders, rules: rulesFor(devices), notes };
}

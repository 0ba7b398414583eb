import { describe, expect, it } from 'vitest';
import { simulationSeed } from '../random.js';
import { type ScaleRun, simulateScale } from './scale.js';

/** The short form of `npm run bench -- scale`: coarse chunks, which make no difference to the control plane's cost. */

const SEED = simulationSeed(1);
const CHUNKS = 64;
/** Of 64 MB: what may pass the broker for each device, in and out. */
const MAX_BROKER_BYTES = 64_000;
/** Messages a second: what one core of Mosquitto passes on (docs/SCALING.md). */
const MAX_BROKER_PEAK = 26_000;
/** A thousand devices take seconds of a core, and others may have it. */
const LONG_MS = 240_000;

const runs = new Map<number, Promise<ScaleRun>>();

function of(devices: number): Promise<ScaleRun> {
  const run = runs.get(devices) ?? simulateScale({ devices, seed: SEED, chunks: CHUNKS });
  runs.set(devices, run);
  return run;
}

const label = (run: ScaleRun): string => {
  return `CHUNKMESH_SEED=${run.seed}: ${JSON.stringify({ ...run, messagesBySecond: [], completedBySecond: [] })}`;
};

describe.each([10, 100, 1_000])(
  'P-10.9 a fleet of %d devices that sees a rollout in the same second',
  { timeout: LONG_MS },
  (devices) => {
    it('completes, for at most a thousandth of the payload in control bytes through the broker', async () => {
      const run = await of(devices);
      expect(run.complete, label(run)).toBe(true);
      expect(run.brokerBytesIn + run.brokerBytesOut, label(run)).toBeLessThan(MAX_BROKER_BYTES);
      expect(run.brokerShare, label(run)).toBeLessThan(0.001);
    });

    it('storms neither the broker nor the seed', async () => {
      const run = await of(devices);
      expect(run.brokerPeakMessages, label(run)).toBeLessThan(MAX_BROKER_PEAK);
      expect(run.seedPeakMessages, label(run)).toBeLessThan(500);
      expect(run.seedMessages, label(run)).toBeLessThan(1_000);
    });

    it('takes a few copies of the origin, and little for nothing', async () => {
      const run = await of(devices);
      expect(run.originCopies, label(run)).toBeLessThan(4);
      expect(run.waste, label(run)).toBeLessThan(0.2);
    });
  },
);

describe('a simulated fleet', { timeout: LONG_MS }, () => {
  it('is the same each time for the same seed, and another for another', async () => {
    const small = (seed: number): Promise<ScaleRun> => simulateScale({ devices: 40, seed, chunks: 32 });
    const [first, again, other] = [await small(SEED), await small(SEED), await small(SEED + 1)];
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
  });

  it('costs a device of 1,000 hardly more than one of 100', async () => {
    const [few, many] = [await of(100), await of(1_000)];
    expect(many.deviceBytes, label(many)).toBeLessThan(1.5 * few.deviceBytes);
    expect(many.deviceMessages, label(many)).toBeLessThan(1.5 * few.deviceMessages);
  });
});

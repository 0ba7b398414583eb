import { describe, expect, it } from 'vitest';
import { MIN_LATE_MS, STALL_MS } from '../../../agent/swarm/limits.js';
import { Bitfield } from '../../../shared/artifact/bitfield.js';
import { type Sample, sampleArtifact } from '../../support/memory_artifact.js';
import { simulationSeed } from '../random.js';
import { type MemberOptions, Swarm } from './members.js';

const SEEDS = [1, 2, 3].map(simulationSeed);
const LIMIT_MS = 3_600_000;
/** Of honest members, bytes per second: 16 KiB each 80 ms. */
const HONEST_RATE = 204_800;
/** Its index, of 18 kB, takes a trickling member more than a minute. */
const MANY_CHUNKS = sampleArtifact(512, 16_384);
/** One of its chunks takes a trickling member more than four minutes. */
const FEW_CHUNKS = sampleArtifact(16);
const SLOW_CHUNKS = sampleArtifact(64);

/** Quick enough for the stall clock: 1,100 bytes each 4.5 s. */
const TRICKLE = { pieceBytes: 1100, everyMs: 4500 };

function honest(count: number, more: Partial<MemberOptions> = {}): MemberOptions[] {
  return Array.from({ length: count }, (_, i) => ({ id: `good-${i}`, everyMs: 80, ...more }));
}

function hostile(count: number, more: Pick<MemberOptions, 'everyMs' | 'pieceBytes' | 'have'>): MemberOptions[] {
  return Array.from({ length: count }, (_, i) => ({ id: `evil-${i}`, hostile: true, ...more }));
}

/** How long the artifact takes in seconds, and what to say where that is too long: the seed, to run it again, and the figures. */
async function outcome(seed: number, sample: Sample, ...members: MemberOptions[]) {
  const swarm = await Swarm.start(sample, seed, members);
  const seconds = await swarm.run(LIMIT_MS);
  const { wasted } = swarm.stage.row;
  const figures = `${seconds} s, ${wasted} bytes wasted, ${swarm.announcements} announcements, ${swarm.ended} sessions ended`;
  return { swarm, seconds, label: `CHUNKMESH_SEED=${seed}: ${figures}` };
}

describe.each(SEEDS)('a device among hostile members, seed %d', (seed) => {
  it.each([0, 1, 2, 6, 11])('P-10.4 pays at most one wait for each of %d in 12 that trickle', async (k) => {
    const { seconds, label } = await outcome(seed, MANY_CHUNKS, ...hostile(k, TRICKLE), ...honest(12 - k));
    const alone = MANY_CHUNKS.bytes.length / (HONEST_RATE * (12 - k));
    expect(seconds, label).toBeLessThan(alone + (k * (STALL_MS + MIN_LATE_MS)) / 1000 + 2);
  });

  it('P-10.4 gets a chunk that eleven hold back together', async () => {
    const have = new Bitfield(16);
    have.set(7);
    const { seconds, label } = await outcome(seed, FEW_CHUNKS, ...hostile(11, { ...TRICKLE, have }), ...honest(1));
    expect(seconds, label).toBeLessThan(FEW_CHUNKS.bytes.length / HONEST_RATE + 11 * 3);
  });

  it.each([
    ['12 that give nothing', 12, { everyMs: Number.POSITIVE_INFINITY }, 110],
    ['12 that trickle', 12, TRICKLE, 110],
    // Each is quicker than the honest one: it gets a place when all of them had theirs.
    ['24 that trickle', 24, TRICKLE, 400],
  ])('P-10.3 completes though %s have taken every place', async (_what, count, pace, most) => {
    const { seconds, label } = await outcome(seed, MANY_CHUNKS, ...hostile(count, pace), ...honest(1));
    expect(seconds, label).toBeLessThan(most);
  });

  it('P-10.1 finds a better peer though 12 feed it just enough', async () => {
    const pace = { pieceBytes: 3000, everyMs: 4500 };
    const { seconds, label } = await outcome(seed, SLOW_CHUNKS, ...hostile(12, pace), ...honest(1));
    expect(seconds, label).toBeLessThan(330);
  });

  it('P-10.3 lets honest peers that have nothing more to give be, and finds the seed that comes', async () => {
    const have = new Bitfield(16);
    for (let i = 0; i < 8; i++) have.set(i);
    const seedBegins = { id: 'seed', everyMs: 80, answersFrom: 240_000 };
    const { seconds, swarm, label } = await outcome(seed, FEW_CHUNKS, ...honest(24, { have }), seedBegins);
    expect(seconds, label).toBeGreaterThan(240);
    expect(seconds, label).toBeLessThan(240 + 35);
    expect(swarm.ended, label).toBeLessThanOrEqual(2);
  });

  it('loses nothing to slow but honest peers: 12 of 24 at a time, at 256 bytes a second each', async () => {
    const slow = honest(24, { pieceBytes: 256, everyMs: 1000 });
    const { seconds, label } = await outcome(seed, SLOW_CHUNKS, ...slow);
    expect(seconds, label).toBeLessThan((1.2 * SLOW_CHUNKS.bytes.length) / (12 * 256));
  });
});

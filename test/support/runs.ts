/** `npm run fuzz`: how many times as much is tried. */
const LONG_FACTOR = 50;

export const isLong = process.env.CHUNKMESH_FUZZ === 'long';

/** From CHUNKMESH_SEED: what a failed run printed, to see it again. */
const seed = process.env.CHUNKMESH_SEED;

interface Runs {
  readonly numRuns: number;
  readonly seed?: number;
}

/** For fc.assert: so many runs in the short form. It prints the seed of what fails, and the least that fails. */
export function runs(count: number): Runs {
  const numRuns = isLong ? LONG_FACTOR * count : count;
  return seed === undefined ? { numRuns } : { numRuns, seed: Number(seed) };
}

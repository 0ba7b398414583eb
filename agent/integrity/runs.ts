/** Which chunks of an artifact are wrong: runs of neighbours, in order. Pure. */

/** First chunk, and how many. */
export type Run = readonly [first: number, count: number];
export type Runs = readonly Run[];

/** What is kept of one look: past it no more places are noted, and a repair takes what there is first. 16,384 chunks have 8,192 runs at most. */
export const MAX_RUNS = 1_024;

/** Where chunks lie, as an index says. */
export interface Places {
  chunkOffset(i: number): number;
  chunkLength(i: number): number;
}

/** @param chunk above all that are in `runs`. @returns null where there is no room for another run. */
export function withChunk(runs: Runs, chunk: number): Runs | null {
  const last = runs.at(-1);
  if (last !== undefined && last[0] + last[1] === chunk) return [...runs.slice(0, -1), [last[0], last[1] + 1]];
  return runs.length < MAX_RUNS ? [...runs, [chunk, 1]] : null;
}

/** @returns the first `most` of them as bytes: where each begins, and how long it is. */
export function rangesOf(runs: Runs, places: Places, most: number): [from: number, length: number][] {
  return runs.slice(0, most).map(([first, count]) => {
    const [from, last] = [places.chunkOffset(first), first + count - 1];
    return [from, places.chunkOffset(last) + places.chunkLength(last) - from];
  });
}

export function* chunksOf(runs: Runs): Generator<number, void, undefined> {
  for (const [first, count] of runs) for (let i = 0; i < count; i++) yield first + i;
}

import { rm } from 'node:fs/promises';
import { keyOf } from '../agent/transfer/twins.js';
import type { ArtifactIndex } from '../shared/artifact/index.js';
import { indexFile } from '../shared/artifact_file.js';
import type { BarRule } from './bars.js';
import { deltaContenders, MOVED, megabytes } from './contenders/delta_contenders.js';
import { fillFile } from './contenders/test_file.js';
import { makeTwoBuilds, type TwoBuilds, twoFiles } from './contenders/two_builds.js';
import { indexApart } from './index_process.js';
import { Flow, LOOPBACK } from './mesh/mesh.js';
import type { Contender, Figure } from './rounds.js';
import type { Subject } from './subject.js';

/**
 * What an update costs who has the version before: two builds of one file tree, a patch apart. And how fast a publisher cuts and hashes what
 * it publishes.
 */

export interface DeltaOptions {
  readonly folder: string;
  /** Two files of one's own, instead of builds made for it. */
  readonly before?: string;
  readonly after?: string;
}

const MB = 1e6;
const DEVICE = 'chunkmesh, a device that has the build before';
const SMALL = { subject: 'chunkmesh, index of 64 MB', bytes: 64 * MB };
const LARGE = { subject: 'chunkmesh, index of 1 GB', bytes: 1024 * MB };
const SPEED = 'cut and hashed';
const PEAK = 'peak memory';
const NEW_CHUNKS = 'in chunks that the build before lacks';
/** MB/s */
const MIN_SPEED = 200;
/** MB: the hashes of 16,384 chunks, which a small artifact does not have, and what the allocator's noise may add. */
const FLAT = 16;

/** Bytes of an artifact's chunks that others do not have, each counted once: what must move, cut as it is. */
export function newChunkBytes(after: ArtifactIndex, before: ArtifactIndex): number {
  const seen = new Set<string>();
  for (let i = 0; i < before.chunkCount; i++) seen.add(keyOf(before, i));
  let sum = 0;
  for (let i = 0; i < after.chunkCount; i++) {
    const key = keyOf(after, i);
    if (seen.has(key)) continue;
    seen.add(key);
    sum += after.chunkLength(i);
  }
  return sum;
}

function device(folder: string, { before, after }: TwoBuilds): Contender {
  const run = async (): Promise<Figure[]> => {
    const [old, index] = [await indexFile(before.tar), await indexFile(after.tar)];
    const file = { path: after.tar, bytes: after.bytes, index };
    const ends = { from: LOOPBACK, to: LOOPBACK };
    const flow = await Flow.start({ file, folder, mode: 'foreground', own: [before.tar], ...ends });
    const { bytesFromNetwork, bytesFromDisk } = await flow.complete().finally(() => flow.stop());
    return [
      megabytes('the build', after.bytes),
      megabytes(MOVED, bytesFromNetwork + index.bytes.length),
      megabytes('from disk', bytesFromDisk),
      megabytes(NEW_CHUNKS, newChunkBytes(index, old) + index.bytes.length),
    ];
  };
  return { subject: DEVICE, run };
}

function publisher(folder: string, { subject, bytes }: typeof SMALL): Contender {
  const run = async (): Promise<Figure[]> => {
    const path = await fillFile(folder, bytes);
    try {
      const { seconds, peakBytes } = await indexApart(path);
      return [
        { metric: SPEED, unit: 'MB/s', value: bytes / MB / seconds },
        { metric: PEAK, unit: 'MB', value: peakBytes / MB },
      ];
    } finally {
      await rm(path);
    }
  };
  return { subject, run };
}

const RULES: readonly BarRule[] = [
  { subject: DEVICE, metric: MOVED, is: 'at most', limit: 1, of: { subject: DEVICE, metric: NEW_CHUNKS } },
  { subject: LARGE.subject, metric: SPEED, is: 'at least', limit: MIN_SPEED },
  {
    subject: LARGE.subject,
    metric: PEAK,
    is: 'at most',
    limit: FLAT,
    of: { subject: SMALL.subject, metric: PEAK, above: true },
  },
];

export async function delta({ folder, before, after }: DeltaOptions): Promise<Subject> {
  const own = before !== undefined && after !== undefined;
  const builds = own ? await twoFiles(before, after) : await makeTwoBuilds(folder);
  const contenders = [
    device(folder, builds),
    ...deltaContenders(folder, builds),
    publisher(folder, SMALL),
    publisher(folder, LARGE),
  ];
  const notes = [
    `two builds of ${(builds.before.bytes / MB).toFixed(1)} and ${(builds.after.bytes / MB).toFixed(1)} MB`,
  ];
  return { name: 'delta', contenders, rules: RULES, notes };
}

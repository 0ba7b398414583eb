import { randomFillSync, randomUUID } from 'node:crypto';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArtifactIndex } from '../../shared/artifact/index.js';
import { indexFile } from '../../shared/artifact_file.js';

const PIECE_BYTES = 4 * 2 ** 20;
/** A busy machine takes its time between two steps. */
const SPARE_SECONDS = 10;

/** A file that no compression, sparse file or deduplication makes smaller. */
export interface TestFile {
  readonly path: string;
  readonly bytes: number;
  readonly index: ArtifactIndex;
}

/** What a flow that takes all of a link of `rate` bit/s does not reach the end of. */
export function fileBytes(rate: number, seconds: number): number {
  return Math.ceil(((rate / 8) * (seconds + SPARE_SECONDS)) / PIECE_BYTES) * PIECE_BYTES;
}

/** Random bytes. @returns the file's path */
export async function fillFile(folder: string, bytes: number): Promise<string> {
  const path = join(folder, `artifact-${randomUUID()}`);
  const file = await open(path, 'w');
  const piece = Buffer.alloc(PIECE_BYTES);
  for (let left = bytes; left > 0; left -= PIECE_BYTES) {
    await file.writeFile(randomFillSync(piece).subarray(0, Math.min(left, PIECE_BYTES)));
  }
  await file.close();
  return path;
}

export async function makeTestFile(folder: string, bytes: number): Promise<TestFile> {
  const path = await fillFile(folder, bytes);
  return { path, bytes, index: await indexFile(path) };
}

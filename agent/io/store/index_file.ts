import { join } from 'node:path';
import { type ArtifactIndex, decodeIndex, type ExpectedArtifact } from '../../../shared/artifact/index.js';
import { ChunkmeshError } from '../../../shared/errors.js';
import { readIfThere, replaceFile } from './disk.js';

const pathOf = (folder: string): string => join(folder, 'index');

/** P-9.7: the index that lies in an artifact's folder, or undefined where there is none or it rotted: it is then fetched again. */
export async function readIndex(folder: string, expected: ExpectedArtifact): Promise<ArtifactIndex | undefined> {
  const bytes = await readIfThere(pathOf(folder));
  if (bytes === undefined) return undefined;
  try {
    return decodeIndex(bytes, expected);
  } catch (error) {
    if (error instanceof ChunkmeshError) return undefined;
    throw error;
  }
}

export async function writeIndex(folder: string, index: ArtifactIndex): Promise<void> {
  await replaceFile(pathOf(folder), index.bytes);
}

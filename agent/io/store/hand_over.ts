import { dirname } from 'node:path';
import type { ArtifactIndex, Bitfield } from '../../../shared/artifact/index.js';
import { ChunkmeshError } from '../../../shared/errors.js';
import {
  type ArtifactFiles,
  type ArtifactPlace,
  isWholeAt,
  linkReady,
  movePart,
  reclaimPart,
} from './artifact_files.js';
import { proveWhole } from './data_file.js';
import { makeDirectory, syncDirectory } from './disk.js';
import { addToNote, type ReadyName, readyPath } from './ready.js';

/** What is handed over. */
export interface Complete {
  readonly place: ArtifactPlace;
  readonly index: ArtifactIndex;
  readonly held: Bitfield;
  readonly files: ArtifactFiles;
  /** Brings to the disk what was written. */
  readonly flush: () => Promise<void>;
}

/** As StoredArtifact.finish. */
export async function handOver(complete: Complete, as: ReadyName): Promise<string> {
  const { place, index, files } = complete;
  const path = readyPath(place.ready, as);
  const there = files.ready !== undefined && (await isWholeAt(path, index));
  if (!there) await prove(complete);
  await addToNote(place.folder, { size: index.size, chunks: index.chunkCount }, as);
  await makeDirectory(dirname(path));
  if (!there) await put(complete, path);
  // Also where the file was there already: a crash may have come between the rename and this.
  await syncDirectory(dirname(path));
  await syncDirectory(place.folder);
  return path;
}

/** Links to what was handed over before; what was not, or cannot be linked to, is a growing file, and moves. */
async function put(complete: Complete, path: string): Promise<void> {
  const { place, index, held, files } = complete;
  if (files.ready !== undefined) {
    if (await linkReady(place, files, path)) return;
    await reclaimPart(place, index, held, files);
    await prove(complete);
  }
  await movePart(place, files, path);
}

/** P-9.8, on the disk. */
async function prove({ place, index, held, files, flush }: Complete): Promise<void> {
  if (files.ready === undefined) {
    await flush();
    await files.data.sync();
  }
  if (await proveWhole(files.data, index, held)) return;
  if (held.isFull) {
    throw new ChunkmeshError('E_INDEX_INVALID', 'index breaks P-9.6: its chunks are right and the whole is not');
  }
  const rotten = held.length - held.count;
  throw new ChunkmeshError(
    'E_STORE_ROT',
    `${place.folder}: ${rotten} chunks, the first ${held.nextMissing()}, rotted on disk`,
  );
}

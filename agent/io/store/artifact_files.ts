import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArtifactIndex, Bitfield } from '../../../shared/artifact/index.js';
import { copyHeld, openData, proveClaims, proveWhole } from './data_file.js';
import { closingOnError, openIfThere } from './disk.js';
import { JournalFile, readClaims } from './journal_file.js';

/** The paths of one artifact. */
export interface ArtifactPlace {
  readonly folder: string;
  /** Where it is handed over once it is complete. */
  readonly readyPath: string;
}

/** The open files of one artifact. */
export interface ArtifactFiles {
  data: FileHandle;
  readonly journal: JournalFile;
  /** Whether `data` is the file at the final path, else it is the growing one in the artifact's folder. */
  ready: boolean;
  /** Replaced while reads may still be under way: closed with the artifact. */
  readonly retired: FileHandle[];
}

export const partPath = (place: ArtifactPlace): string => join(place.folder, 'data.part');
const journalPath = (place: ArtifactPlace): string => join(place.folder, 'journal');

/** P-9.8: opens the files of an artifact, makes those that are missing, and marks in `held` what they truly hold. */
export async function openFiles(place: ArtifactPlace, index: ArtifactIndex, held: Bitfield): Promise<ArtifactFiles> {
  const part = await openIfThere(partPath(place), 'r');
  await part?.close();
  const ready = part === undefined ? await openIfThere(place.readyPath, 'r') : undefined;
  return ready === undefined ? resume(place, index, held) : inherit(place, index, held, ready);
}

/** Goes on with the growing file, or begins one. */
async function resume(place: ArtifactPlace, index: ArtifactIndex, held: Bitfield): Promise<ArtifactFiles> {
  const data = await openData(partPath(place), index.size);
  return closingOnError(data, async () => {
    await proveClaims(data, index, await readClaims(journalPath(place), index.artifact, index.chunkCount), held);
    return { data, journal: await newJournal(place, index, held), ready: false, retired: [] };
  });
}

/**
 * A file lies at the final path. Where it is ours whole, the artifact is complete. Else it rotted, or is another artifact's of
 * the same name and version: it is left as it is, and what it shares with ours is copied.
 */
function inherit(
  place: ArtifactPlace,
  index: ArtifactIndex,
  held: Bitfield,
  ready: FileHandle,
): Promise<ArtifactFiles> {
  return closingOnError(ready, async () => {
    const right = await proveWhole(ready, index, held);
    if (right && (await ready.stat()).size === index.size) {
      return { data: ready, journal: await newJournal(place, index, held), ready: true, retired: [] };
    }
    const data = await copyToPart(place, index, held, ready);
    return closingOnError(data, async () => {
      const journal = await newJournal(place, index, held);
      await ready.close();
      return { data, journal, ready: false, retired: [] };
    });
  });
}

/**
 * A chunk was lost after the artifact was handed over. The file at the final path belongs to whoever installs it and is not
 * written to: the artifact goes on as a growing file again.
 */
export async function reclaimPart(
  place: ArtifactPlace,
  index: ArtifactIndex,
  held: Bitfield,
  files: ArtifactFiles,
): Promise<void> {
  const data = await copyToPart(place, index, held, files.data);
  files.retired.push(files.data);
  files.data = data;
  files.ready = false;
}

async function copyToPart(
  place: ArtifactPlace,
  index: ArtifactIndex,
  held: Bitfield,
  from: FileHandle,
): Promise<FileHandle> {
  const data = await openData(partPath(place), index.size);
  return closingOnError(data, async () => {
    await copyHeld(from, data, index, held);
    return data;
  });
}

function newJournal(place: ArtifactPlace, index: ArtifactIndex, held: Bitfield): Promise<JournalFile> {
  return JournalFile.create(journalPath(place), index.artifact, held.held());
}

import { type FileHandle, link, lstat, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArtifactIndex, Bitfield } from '../../../shared/artifact/index.js';
import { copyHeld, openData, proveClaims, takeMissing } from './data_file.js';
import { closingOnError, openHint, openIfThere, temporaryPath } from './disk.js';
import { JournalFile, readClaims } from './journal_file.js';
import { isWhole } from './verify.js';

/** The paths of one artifact. */
export interface ArtifactPlace {
  readonly folder: string;
  /** The folder of complete artifacts, of this and any other. */
  readonly ready: string;
}

/** The open files of one artifact. */
export interface ArtifactFiles {
  data: FileHandle;
  readonly journal: JournalFile;
  /** The final path at which `data` lies; undefined where it is the growing file in the artifact's folder. */
  ready: string | undefined;
  /** Replaced while reads may still be under way: closed with the artifact. */
  readonly retired: FileHandle[];
}

const partPath = (place: ArtifactPlace): string => join(place.folder, 'data.part');
const journalPath = (place: ArtifactPlace): string => join(place.folder, 'journal');

/** What the journal on disk claims. */
export function journalClaims(place: ArtifactPlace, index: ArtifactIndex): Promise<number[]> {
  return readClaims(journalPath(place), index.artifact, index.chunkCount);
}

/**
 * P-9.8: opens the files of an artifact, makes those that are missing, and marks in `held` what they truly hold.
 * @param claims what the growing file is said to hold. @param ready final paths at which the artifact may lie: one of them whole
 *   is the artifact complete. Any other rotted, or is another artifact's by now: it is left as it is, and what it shares is copied.
 */
export async function openFiles(
  place: ArtifactPlace,
  index: ArtifactIndex,
  held: Bitfield,
  claims: readonly number[],
  ready: readonly string[],
): Promise<ArtifactFiles> {
  const part = await openIfThere(partPath(place), 'r');
  await part?.close();
  for (const path of part === undefined ? ready : []) {
    const data = await openWhole(path, index);
    if (data === undefined) continue;
    return closingOnError(data, async () => {
      for (let i = 0; i < index.chunkCount; i++) held.set(i);
      return { data, journal: await newJournal(place, index, held), ready: path, retired: [] };
    });
  }
  const data = await openData(partPath(place), index.size);
  return closingOnError(data, async () => {
    await proveClaims(data, index, claims, held);
    for (const path of ready) await takeFrom(path, data, index, held);
    return { data, journal: await newJournal(place, index, held), ready: undefined, retired: [] };
  });
}

export async function closeFiles({ data, journal, retired }: ArtifactFiles): Promise<void> {
  await Promise.allSettled([data.close(), journal.close(), ...retired.map((old) => old.close())]);
}

/** Whether the whole artifact and nothing else lies at `path` (P-9.8). */
export async function isWholeAt(path: string, index: ArtifactIndex): Promise<boolean> {
  const found = await openWhole(path, index);
  await found?.close();
  return found !== undefined;
}

/**
 * A chunk was lost after the artifact was handed over, or it is to lie where a link cannot lead. The file at the final path belongs
 * to whoever installs it and is not written to: the artifact goes on as a growing file again.
 */
export async function reclaimPart(
  place: ArtifactPlace,
  index: ArtifactIndex,
  held: Bitfield,
  files: ArtifactFiles,
): Promise<void> {
  const data = await openData(partPath(place), index.size);
  await closingOnError(data, () => copyHeld(files.data, data, index, held));
  files.retired.push(files.data);
  files.data = data;
  files.ready = undefined;
}

/** Moves the growing file to its final path, in the place of whatever is there. */
export async function movePart(place: ArtifactPlace, files: ArtifactFiles, path: string): Promise<void> {
  await rename(partPath(place), path);
  files.ready = path;
}

/** Gives the handed-over file one more final path. False where that cannot be: other file systems, a file that was taken away. */
export async function linkReady(place: ArtifactPlace, files: ArtifactFiles, path: string): Promise<boolean> {
  if (files.ready === undefined) return false;
  const temporary = temporaryPath(join(place.folder, 'link'));
  try {
    await link(files.ready, temporary);
    const [ours, linked] = [await files.data.stat({ bigint: true }), await lstat(temporary, { bigint: true })];
    if (ours.ino !== linked.ino || ours.dev !== linked.dev) return false;
    await rename(temporary, path);
    return true;
  } catch {
    return false;
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}

async function openWhole(path: string, index: ArtifactIndex): Promise<FileHandle | undefined> {
  const handle = await openHint(path);
  if (handle === undefined) return undefined;
  return closingOnError(handle, async () => {
    const { size } = await handle.stat();
    if (size === index.size && (await isWhole(handle, index))) return handle;
    await handle.close();
    return undefined;
  });
}

/** Copies into the growing file what it lacks and the file at `path` has in the same place. */
async function takeFrom(path: string, data: FileHandle, index: ArtifactIndex, held: Bitfield): Promise<void> {
  const from = held.isFull ? undefined : await openHint(path);
  if (from === undefined) return;
  try {
    await takeMissing(from, data, index, held);
  } finally {
    await from.close();
  }
}

function newJournal(place: ArtifactPlace, index: ArtifactIndex, held: Bitfield): Promise<JournalFile> {
  return JournalFile.create(journalPath(place), index.artifact, held.held());
}

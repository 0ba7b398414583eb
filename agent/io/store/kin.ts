import { join } from 'node:path';
import { type ArtifactIndex, Bitfield, type ExpectedArtifact } from '../../../shared/artifact/index.js';
import { isArtifactName } from '../../../shared/control/ids.js';
import type { ChunkSource } from './chunk_source.js';
import { listIfThere, statHint, touch } from './disk.js';
import { readIndex } from './index_file.js';
import { readClaims } from './journal_file.js';
import { type ReadyNote, readNote, readWanted, readyPath } from './ready.js';
import { ReadyFile } from './ready_file.js';
import type { StorePlace } from './room.js';
import { SeedFile } from './seed_file.js';
import { storing } from './store_error.js';
import type { StoredArtifact } from './stored_artifact.js';

/** The other versions of a name that a store has, for a new one to take chunks from: each closed when the next is asked for. */

/** As Store.handedOver. */
export async function* handedOverAs(place: StorePlace, name: string): AsyncGenerator<SeedFile, void, undefined> {
  for await (const { path, index } of readyFilesAs(place, name)) yield* opened(await SeedFile.at(path, index));
}

/** As Store.readyFiles. */
export async function* readyFilesAs(place: StorePlace, name: string): AsyncGenerator<ReadyFile, void, undefined> {
  for (const artifact of await artifactsIn(place)) {
    const folder = join(place.artifacts, artifact);
    const note = await storing(folder, () => readNote(folder));
    const names = note?.names.filter((as) => as.name === name) ?? [];
    if (note === undefined || names.length === 0) continue;
    const index = await storing(folder, () => readIndex(folder, { ...note, artifact }));
    if (index === undefined) continue;
    await touch(folder);
    for (const as of names) yield new ReadyFile(readyPath(place.ready, as), index);
  }
}

/** As Store.unfinished. @param open the artifact, where it is open or being opened */
export async function* unfinishedAs(
  place: StorePlace,
  name: string,
  except: string,
  open: (artifact: string) => Promise<StoredArtifact> | undefined,
): AsyncGenerator<ChunkSource, void, undefined> {
  for (const artifact of await artifactsIn(place)) {
    if (artifact === except) continue;
    const folder = join(place.artifacts, artifact);
    const [wanted, ready] = await storing(folder, () => Promise.all([readWanted(folder), readNote(folder)]));
    // What was handed over is found where it lies, and what rotted of it is not looked for.
    if (wanted === undefined || ready !== undefined || !wanted.names.some((as) => as.name === name)) continue;
    const growing = open(artifact);
    if (growing === undefined) yield* opened(await partOf(folder, artifact, wanted));
    // Whoever opened it says why it could not be.
    else
      yield* await growing.then(
        (stored) => [stored],
        () => [],
      );
  }
}

/** What the journal says that the growing file has. */
async function partOf(folder: string, artifact: string, wanted: ReadyNote): Promise<SeedFile | undefined> {
  const index = await storing(folder, () => readIndex(folder, { ...wanted, artifact }));
  if (index === undefined) return undefined;
  const held = await storing(folder, () => claimsOf(folder, index));
  return SeedFile.at(join(folder, 'data.part'), index, held);
}

/** A version of a name, by its artifact. */
export interface KnownVersion extends ExpectedArtifact {
  readonly version: string;
}

/** As Store.known. */
export async function knownAs(place: StorePlace, name: string): Promise<KnownVersion[]> {
  const found: { readonly version: KnownVersion; readonly usedAt: number }[] = [];
  for (const artifact of await artifactsIn(place)) {
    const folder = join(place.artifacts, artifact);
    const note = await storing(folder, () => noteOf(folder));
    const version = note?.names.findLast((as) => as.name === name)?.version;
    if (note === undefined || version === undefined) continue;
    const { size, chunks } = note;
    const usedAt = (await storing(folder, () => statHint(folder)))?.mtimeMs ?? 0;
    found.push({ version: { artifact, version, size, chunks }, usedAt });
  }
  return found.sort((a, b) => b.usedAt - a.usedAt).map(({ version }) => version);
}

/** As Store.indexOf. */
export function indexIn({ artifacts }: StorePlace, artifact: string): Promise<ArtifactIndex | undefined> {
  const folder = join(artifacts, artifact);
  return storing(folder, async () => {
    const note = await noteOf(folder);
    return note && readIndex(folder, { ...note, artifact });
  });
}

async function noteOf(folder: string): Promise<ReadyNote | undefined> {
  return (await readNote(folder)) ?? (await readWanted(folder));
}

async function claimsOf(folder: string, { artifact, chunkCount }: ArtifactIndex): Promise<Bitfield> {
  const held = new Bitfield(chunkCount);
  for (const i of await readClaims(join(folder, 'journal'), artifact, chunkCount)) held.set(i);
  return held;
}

async function artifactsIn({ artifacts }: StorePlace): Promise<string[]> {
  return (await storing(artifacts, () => listIfThere(artifacts))).filter(isArtifactName);
}

/** The file, closed afterwards; nothing where there is none. */
async function* opened(file: SeedFile | undefined): AsyncGenerator<SeedFile, void, undefined> {
  if (file === undefined) return;
  try {
    yield file;
  } finally {
    await file.close();
  }
}

import type { ArtifactIndex } from '../../shared/artifact/artifact_index.js';

/** Chunks that an artifact has at several places: one that came, from anywhere, is there for all of them. */

const NONE: readonly number[] = [];

/** A chunk's bytes, as the key of a map. An index that lies may name one hash with two lengths. */
export function keyOf(index: ArtifactIndex, chunk: number): string {
  return `${index.chunkLength(chunk)} ${Buffer.from(index.chunkHash(chunk)).toString('latin1')}`;
}

/** Chunks in order, by their bytes. */
export function byKey(index: ArtifactIndex, chunks: Iterable<number>): Map<string, number[]> {
  const found = new Map<string, number[]>();
  for (const chunk of chunks) {
    const key = keyOf(index, chunk);
    const alike = found.get(key);
    if (alike === undefined) found.set(key, [chunk]);
    else alike.push(chunk);
  }
  return found;
}

export class Twins {
  readonly #index: () => ArtifactIndex | undefined;
  #groups: ReadonlyMap<number, readonly number[]> | null = null;

  /** @param index undefined until it is known */
  constructor(index: () => ArtifactIndex | undefined) {
    this.#index = index;
  }

  /** Every chunk with the same bytes, itself among them, in order; none where there is no other. One list for all of them. */
  of(chunk: number): readonly number[] {
    const index = this.#index();
    if (index === undefined) return NONE;
    this.#groups ??= groupsOf(index);
    return this.#groups.get(chunk) ?? NONE;
  }
}

function groupsOf(index: ArtifactIndex): ReadonlyMap<number, readonly number[]> {
  const all = Array.from({ length: index.chunkCount }, (_, chunk) => chunk);
  const groups = new Map<number, readonly number[]>();
  for (const group of byKey(index, all).values()) {
    if (group.length > 1) for (const chunk of group) groups.set(chunk, group);
  }
  return groups;
}

import type { StoredArtifact } from '../../agent/io/store/stored_artifact.js';
import { type ArtifactIndex, Bitfield } from '../../shared/artifact/index.js';
import { ChunkmeshError } from '../../shared/errors.js';

/** A stored artifact without a disk: it fails when the test says so. */
export class FakeStored {
  readonly held: Bitfield;
  index: ArtifactIndex | undefined;
  isBroken = false;
  /** How often it was opened anew. */
  reopened = 0;
  /** What `reopen` finds lost. */
  lost: number[] = [];
  /** What the next calls fail with. */
  readonly faults: ChunkmeshError[] = [];
  /** By name and version, as handed over. */
  readonly finished: string[] = [];
  closed = false;

  constructor(index: ArtifactIndex, held: Iterable<number> = []) {
    this.index = index;
    this.held = new Bitfield(index.chunkCount);
    for (const i of held) this.held.set(i);
  }

  async writeChunk(i: number): Promise<void> {
    if (this.isBroken) throw fault();
    this.#fail();
    this.held.set(i);
  }

  async reopen(): Promise<number> {
    this.reopened++;
    this.#fail();
    this.isBroken = false;
    for (const i of this.lost) this.held.set(i, false);
    return this.lost.reduce((sum, i) => sum + (this.index?.chunkLength(i) ?? 0), 0);
  }

  async finish({ name, version }: { name: string; version: string }): Promise<string> {
    this.#fail();
    this.finished.push(`${name} ${version}`);
    return `/ready/${name}/${version}`;
  }

  async close(): Promise<void> {
    this.closed = true;
  }

  get real(): StoredArtifact {
    return this as unknown as StoredArtifact;
  }

  #fail(): void {
    const next = this.faults.shift();
    if (next !== undefined) throw next;
  }
}

export const fault = (): ChunkmeshError => new ChunkmeshError('E_STORE_IO', 'data.part: EIO');

import { expect } from 'vitest';
import type { Sample } from '../../../support/sample.js';
import { killSample } from './kills_sample.js';

/** What the processes that were killed said, and what must be true of their disk for it. Lines are those of kills_child.ts. */

/** Of one version, as the last process told it. */
interface AtWork {
  /** Chunks that it held as it was opened: all that its journal had then. */
  readonly held: readonly number[];
  readonly wrote: number[];
  synced: number;
  finishing: boolean;
}

export class Ledger {
  readonly figures = { reads: 0, wrote: 0, synced: 0, kept: 0, handedOver: 0, evicted: 0, unopened: 0 };
  /** The next version to be handed over. All before it were. */
  version = 0;
  sample: Sample;
  /** Of that version: chunks that are on the disk, and those that the kernel has at least. */
  durable = new Set<number>();
  #told = new Set<number>();
  /** Null where the last process did not come so far. */
  #work: AtWork | null = null;
  #isHandedOver = false;

  private constructor(sample: Sample) {
    this.sample = sample;
  }

  static async begin(): Promise<Ledger> {
    return new Ledger(await killSample(0));
  }

  /** All that one process said. */
  async read(lines: readonly string[]): Promise<void> {
    this.#work = null;
    if (!lines.includes('open')) this.figures.unopened++;
    for (const line of lines) await this.#take(line);
    if (this.#isHandedOver) await this.#next();
  }

  /** Records of the journal that are on the disk; undefined where nobody told. */
  get durableRecords(): number | undefined {
    return this.#work === null ? undefined : this.#work.held.length + this.#work.synced;
  }

  /** Whether the file may have been moved to its place without anyone having been told. */
  get isMoving(): boolean {
    return this.#work?.finishing ?? false;
  }

  /** What was not on the disk may be gone. */
  powerWent(): void {
    this.#told = new Set(this.durable);
  }

  async #take(line: string): Promise<void> {
    const [word, first = '', second = ''] = line.split(' ');
    if (word === 'version') await this.#onVersion(Number(first), second);
    else if (word === 'wrote') this.#onWrote(Number(first));
    else if (word === 'synced') this.#onSynced(Number(first));
    else if (word === 'read') this.#onRead(Number(first), second);
    else if (word === 'finishing' && this.#work !== null) this.#work.finishing = true;
    else if (word === 'finished') this.#onFinished();
    else if (word === 'evicted') this.figures.evicted++;
    else expect(line).toBe('open');
  }

  async #onVersion(version: number, chunks: string): Promise<void> {
    if (this.#isHandedOver) await this.#next();
    expect(version).toBe(this.version);
    const held = chunks === '' ? [] : chunks.split(',').map(Number);
    const lost = [...this.#told].filter((chunk) => !held.includes(chunk));
    expect(lost, `chunks of version ${version} that were held are not any more`).toEqual([]);
    this.figures.kept += this.#told.size;
    for (const chunk of held) this.#told.add(chunk);
    this.#work = { held, wrote: [], synced: 0, finishing: false };
  }

  #onWrote(chunk: number): void {
    this.#work?.wrote.push(chunk);
    this.#told.add(chunk);
    this.figures.wrote++;
  }

  #onSynced(count: number): void {
    const work = this.#work;
    if (work === null || this.#isHandedOver) return;
    work.synced = count;
    // What an earlier process wrote lies in the same file.
    for (const chunk of [...work.held, ...work.wrote.slice(0, count)]) this.durable.add(chunk);
    this.figures.synced++;
  }

  #onRead(chunk: number, sha256: string): void {
    const right = Buffer.from(this.sample.index.chunkHash(chunk)).toString('hex');
    expect(sha256, `chunk ${chunk} of version ${this.version}, as it is served`).toBe(right);
    this.figures.reads++;
  }

  #onFinished(): void {
    this.#isHandedOver = true;
    this.figures.handedOver++;
  }

  async #next(): Promise<void> {
    this.version++;
    this.sample = await killSample(this.version);
    this.durable = new Set();
    this.#told = new Set();
    this.#work = null;
    this.#isHandedOver = false;
  }
}

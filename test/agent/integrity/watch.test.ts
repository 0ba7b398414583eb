import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  type Entry,
  type IntegrityMemory,
  integrityMemorySchema,
  type Known,
} from '../../../agent/integrity/memory.js';
import { Repair, type Repaired } from '../../../agent/integrity/repair.js';
import { IntegrityWatch } from '../../../agent/integrity/watch.js';
import type { ArtifactIndex } from '../../../shared/artifact/index.js';
import type { IntegrityRow } from '../../../shared/control/messages.js';
import { Sample } from '../../support/store_fixture.js';

const HOUR = 3600;
const DAY = 24 * HOUR;
const T = 1_900_000_000;
const RATE = 1_000_000;

const one = await Sample.make('integrity-one', 3_000_000);
const two = await Sample.make('integrity-two', 2_500_000);
const [v1, v2] = [known(one, '1.0.0'), known(two, '2.0.0')];

function known({ index }: Sample, version: string): Known {
  return { artifact: index.artifact, version, size: index.size, chunks: index.chunkCount };
}

/** A device in memory: what is installed, what is known, and a clock of the test's. */
class Stage {
  now = 0;
  datagrams = 0;
  bytes: Buffer | null = Buffer.from(one.bytes);
  written = 0;
  inForce: Known[] = [v1];
  knownVersions: Known[] = [v1];
  indexes = new Map<string, ArtifactIndex>([
    [v1.artifact, one.index],
    [v2.artifact, two.index],
  ]);
  kept: string[] = [];
  saved: IntegrityMemory = {};
  readonly looked: IntegrityRow[] = [];
  readonly news: string[] = [];
  readonly read: number[] = [];
  readonly repaired: Repaired[] = [];
  readonly asked: string[] = [];
  readonly warned: string[] = [];
  /** Chunks that the store holds. */
  held = new Set<number>();
  repair: Repair | null = null;
  watch: IntegrityWatch;

  constructor(memory: IntegrityMemory = {}) {
    this.watch = this.restart(memory);
  }

  mending(where: 'store' | 'installed'): this {
    this.repair = new Repair(where, {
      source: (artifact) =>
        this.inForce.some((of) => of.artifact === artifact)
          ? {
              held: { get: (i) => this.held.has(i) },
              readChunk: async (i, into) => {
                const { index, bytes } = artifact === v1.artifact ? one : two;
                into.set(bytes.subarray(index.chunkOffset(i), index.chunkOffset(i) + index.chunkLength(i)));
                return true;
              },
            }
          : null,
      ask: (artifact) => this.asked.push(artifact),
      index: async ({ artifact }) => this.indexes.get(artifact),
      identity: async () => this.identity,
      open: async () => ({
        verify: async (index, i) => this.isRight(index, i),
        write: async (index, i, bytes) => {
          if (this.bytes !== null) Buffer.from(bytes).copy(this.bytes, index.chunkOffset(i));
          this.written++;
        },
        close: async () => {},
      }),
      done: (repaired) => this.repaired.push(repaired),
      warn: ({ code }) => this.warned.push(code),
    });
    return this;
  }

  isRight(index: ArtifactIndex, i: number): boolean {
    const part = this.bytes?.subarray(index.chunkOffset(i), index.chunkOffset(i) + index.chunkLength(i));
    return part !== undefined && createHash('sha256').update(part).digest().equals(index.chunkHash(i));
  }

  restart(memory: IntegrityMemory = this.saved): IntegrityWatch {
    const options = {
      installed: { firmware: '/dev/p2' },
      intervalSeconds: DAY,
      memory,
      jitter: 0.5,
    };
    this.watch = new IntegrityWatch(
      { ...options, bytesPerSecond: RATE },
      {
        now: () => this.now,
        seconds: () => this.seconds,
        datagrams: () => this.datagrams,
        inForce: () => this.inForce,
        known: async () => this.knownVersions,
        index: async ({ artifact }) => this.indexes.get(artifact),
        keep: async (index, all) => {
          this.kept = [...new Set([...all, index.artifact])];
        },
        open: async () =>
          this.bytes === null
            ? null
            : {
                identity: this.identity,
                verify: async (index, i) => {
                  this.read.push(index.chunkLength(i));
                  return this.isRight(index, i);
                },
                close: async () => {},
              },
        identity: async () => (this.bytes === null ? '' : this.identity),
        save: async (saved) => {
          this.saved = integrityMemorySchema.parse(JSON.parse(JSON.stringify(saved)));
        },
        looked: (row, isNews) => {
          this.looked.push(row);
          if (isNews) this.news.push(row.state);
        },
        mend: async (name, entry) => (await this.repair?.step(name, entry)) ?? null,
        warn: ({ code }) => this.warned.push(code),
        stepped() {},
      },
    );
    return this.watch;
  }

  /** What its system clock is wrong by, s. */
  ahead = 0;

  get identity(): string {
    return `file ${this.written}`;
  }

  get seconds(): number {
    return T + this.ahead + Math.floor(this.now / 1000);
  }

  /** Ticks as its deadlines come. @param perSecond datagrams meanwhile */
  async run(seconds: number, perSecond = 0): Promise<void> {
    const until = this.now + seconds * 1000;
    for (;;) {
      const next = Math.max(this.now, Math.min(this.watch.deadline, this.now + 1000));
      if (next > until) break;
      this.datagrams += ((next - this.now) / 1000) * perSecond;
      this.now = next;
      this.watch.tick();
      for (let i = 0; i < 60; i++) await Promise.resolve();
    }
    this.now = until;
  }

  /** Turns a byte of a chunk over. @returns the chunk's place */
  rot(chunk: number, sample = one): [number, number] {
    const offset = sample.index.chunkOffset(chunk);
    this.bytes?.writeUInt8((this.bytes[offset] ?? 0) ^ 0xff, offset);
    return [offset, sample.index.chunkLength(chunk)];
  }

  get row(): IntegrityRow | undefined {
    return this.watch.rows()[0];
  }
}

describe('P-15.5: what is installed', () => {
  it('is looked at soon after the start, not at once, and then once an interval', async () => {
    const stage = new Stage();
    await stage.run(29);
    expect(stage.looked).toEqual([]);
    await stage.run(60);
    expect(stage.looked).toEqual([{ name: 'firmware', version: '1.0.0', state: 'ok', at: expect.any(Number) }]);
    expect(stage.kept).toEqual([v1.artifact]);
    await stage.run(DAY - HOUR);
    expect(stage.looked).toHaveLength(1);
    await stage.run(HOUR);
    expect(stage.looked).toHaveLength(2);
    expect(stage.news).toEqual(['ok']);
  });

  it.each([
    ['a year ahead', 365 * DAY],
    ['of 1970', -T],
  ])('P-15.6: is looked at within 60 s of the start, though the clock was %s then and is set right', async (_, by) => {
    const stage = new Stage();
    stage.ahead = by;
    stage.restart({});
    stage.ahead = 0;
    await stage.run(29);
    expect(stage.looked).toEqual([]);
    await stage.run(60);
    expect(stage.looked).toHaveLength(1);
  });

  it('that rotted is a mismatch, with the ranges, neighbours as one', async () => {
    const stage = new Stage();
    const [a, b, c] = [stage.rot(3), stage.rot(4), stage.rot(9)];
    await stage.run(120);
    expect(stage.row).toMatchObject({ state: 'mismatch', version: '1.0.0', ranges: [[a[0], a[1] + b[1]], c] });
    expect(stage.row).not.toHaveProperty('more');
  });

  it('names 16 ranges at most, and says that there are more', async () => {
    const stage = new Stage();
    const many = await Sample.make('integrity-many', 5_000_000);
    stage.bytes = Buffer.from(many.bytes);
    stage.inForce = [known(many, '3.0.0')];
    stage.indexes.set(many.index.artifact, many.index);
    for (let i = 0; i < 36; i += 2) stage.rot(i, many);
    await stage.run(120);
    expect(stage.row?.state).toBe('mismatch');
    expect(stage.row?.ranges).toHaveLength(16);
    expect(stage.row?.more).toBe(true);
  });

  it('that is longer than the artifact is right, as a padded device is; shorter is a mismatch', async () => {
    const stage = new Stage();
    stage.bytes = Buffer.concat([one.bytes, Buffer.alloc(4096)]);
    await stage.run(120);
    expect(stage.row?.state).toBe('ok');
    const last = one.index.chunkCount - 1;
    stage.bytes = Buffer.from(one.bytes.subarray(0, one.bytes.length - 1));
    stage.watch.ask('firmware');
    await stage.run(30);
    const range = [one.index.chunkOffset(last), one.index.chunkLength(last)];
    expect(stage.row).toMatchObject({ state: 'mismatch', ranges: [range] });
  });

  it('that is another version is `other`, and says which; it is looked at sooner until the one in force is there', async () => {
    const stage = new Stage();
    [stage.inForce, stage.knownVersions] = [[v2], [v2, v1]];
    await stage.run(120);
    expect(stage.row).toMatchObject({ state: 'other', version: '1.0.0' });
    expect(stage.row).not.toHaveProperty('ranges');
    stage.bytes = Buffer.from(two.bytes);
    await stage.run(DAY / 8);
    expect(stage.row).toMatchObject({ state: 'ok', version: '2.0.0' });
    expect(stage.news).toEqual(['other', 'ok']);
  });

  it('that is nothing known was never installed: `other`, without a version', async () => {
    const stage = new Stage();
    stage.bytes = Buffer.alloc(3_000_000);
    await stage.run(120);
    expect(stage.row).toEqual({ name: 'firmware', state: 'other', at: expect.any(Number) });
  });

  it('that was known and was replaced by what is not known is a mismatch of what was there', async () => {
    const stage = new Stage();
    await stage.run(120);
    stage.bytes = Buffer.alloc(3_000_000);
    stage.watch.ask('firmware');
    await stage.run(60);
    expect(stage.row).toMatchObject({ state: 'mismatch', version: '1.0.0', more: true });
  });

  it('is known though the store has forgotten that version, and though no rollout is in force', async () => {
    const stage = new Stage();
    await stage.run(120);
    [stage.inForce, stage.knownVersions] = [[v2], []];
    stage.indexes.delete(v2.artifact);
    expect(stage.row).toMatchObject({ state: 'other', version: '1.0.0' });
    const range = stage.rot(2);
    stage.watch.ask('firmware');
    await stage.run(60);
    expect(stage.row).toMatchObject({ state: 'mismatch', version: '1.0.0', ranges: [range] });
    stage.inForce = [];
    stage.bytes = Buffer.from(one.bytes);
    stage.watch.ask('firmware');
    await stage.run(60);
    expect(stage.row).toMatchObject({ state: 'ok', version: '1.0.0' });
  });

  it('that is not there is unreadable, and is found within minutes once it is', async () => {
    const stage = new Stage();
    stage.bytes = null;
    await stage.run(120);
    expect(stage.row).toEqual({ name: 'firmware', state: 'unreadable', at: expect.any(Number) });
    stage.bytes = Buffer.from(one.bytes);
    await stage.run(120);
    expect(stage.row?.state).toBe('ok');
  });

  it('is looked at when its file was written to, within minutes', async () => {
    const stage = new Stage();
    await stage.run(120);
    const range = stage.rot(7);
    stage.written++;
    await stage.run(120);
    expect(stage.row).toMatchObject({ state: 'mismatch', ranges: [range] });
  });

  it('that changes while it is read is read from the start, and not for ever', async () => {
    const stage = new Stage();
    await stage.run(31);
    expect(stage.looked).toEqual([]);
    for (let i = 0; i < 20; i++) {
      stage.written++;
      await stage.run(1);
    }
    expect(stage.looked.length).toBeGreaterThan(0);
    expect(stage.row?.state).toBe('ok');
  });
});

describe('P-15.5: how it is read', () => {
  const bytes = (stage: Stage): number => stage.read.reduce((sum, length) => sum + length, 0);

  it('no faster than it may', async () => {
    const stage = new Stage();
    await stage.run(30);
    const before = bytes(stage);
    await stage.run(2);
    expect(bytes(stage) - before).toBeLessThanOrEqual(2 * RATE + 600_000);
    expect(bytes(stage)).toBeGreaterThan(RATE);
  });

  it('a chunk in ten seconds while datagrams are many', async () => {
    const stage = new Stage();
    await stage.run(25, 5000);
    await stage.run(40, 5000);
    expect(stage.read.length).toBeLessThanOrEqual(5);
    expect(stage.read.length).toBeGreaterThan(1);
  });

  it('goes on after a restart where it was', async () => {
    const stage = new Stage();
    await stage.run(31.5);
    await stage.watch.stop();
    const first = stage.read.length;
    expect(first).toBeGreaterThan(3);
    expect(stage.looked).toEqual([]);
    stage.restart();
    await stage.run(60);
    expect(stage.read.length).toBe(one.index.chunkCount);
    expect(stage.row?.state).toBe('ok');
    await stage.watch.stop();
    stage.restart();
    // What was found is known at once, and is not read again before its time.
    expect(stage.row?.state).toBe('ok');
    await stage.run(HOUR);
    expect(stage.read.length).toBe(one.index.chunkCount);
  });

  it('forgets what it knows of another path', async () => {
    const stage = new Stage();
    const entry: Entry = { path: '/dev/p3', repaired: 2, doneAt: T, installed: v1 };
    stage.restart({ firmware: entry, other: entry });
    expect(stage.watch.rows()).toEqual([]);
    await stage.run(120);
    expect(Object.keys(stage.saved)).toEqual(['firmware']);
    expect(stage.saved.firmware?.repaired).toBe(0);
  });
});

describe('P-15.7: what is wrong', () => {
  it('is left to its owner by default', async () => {
    const stage = new Stage();
    stage.rot(3);
    await stage.run(HOUR);
    expect(stage.row?.state).toBe('mismatch');
    expect(stage.written).toBe(0);
  });

  it('is written back in place from what the store holds, asked of peers where it does not, and looked at again', async () => {
    const stage = new Stage().mending('installed');
    stage.rot(3);
    stage.rot(9);
    stage.held.add(3);
    await stage.run(120);
    expect(stage.row?.state).toBe('mismatch');
    expect(stage.asked).toContain(v1.artifact);
    stage.held.add(9);
    await stage.run(120);
    expect(stage.bytes?.equals(one.bytes)).toBe(true);
    expect(stage.row).toMatchObject({ state: 'ok', repaired: 2 });
    // The look in between found one of them mended.
    expect(stage.repaired.map(({ chunks, where }) => [chunks, where])).toEqual([[1, 'installed']]);
    expect(stage.written).toBe(2);
  });

  it('is not written back where the store alone is to have it', async () => {
    const stage = new Stage().mending('store');
    stage.rot(3);
    stage.held.add(3);
    await stage.run(HOUR);
    expect(stage.written).toBe(0);
    expect(stage.row?.state).toBe('mismatch');
    expect(stage.repaired).toMatchObject([{ chunks: 1, where: 'store' }]);
  });

  it('is looked at anew before it is written back, where its file was written to since', async () => {
    const stage = new Stage().mending('installed');
    stage.rot(3);
    await stage.run(100);
    expect(stage.row?.state).toBe('mismatch');
    stage.bytes = Buffer.from(one.bytes);
    const range = stage.rot(5);
    stage.written++;
    const before = stage.written;
    for (const i of [3, 5]) stage.held.add(i);
    await stage.run(3);
    expect(stage.looked.at(-1)?.ranges).not.toEqual([range]);
    expect(stage.written).toBe(before);
    await stage.run(120);
    expect(stage.looked.map(({ ranges }) => ranges)).toContainEqual([range]);
    expect(stage.bytes?.equals(one.bytes)).toBe(true);
    expect(stage.warned).toEqual([]);
  });

  it('of a version that is not in force is left as it is, and so is what was never installed', async () => {
    const stage = new Stage().mending('installed');
    await stage.run(120);
    stage.rot(3);
    stage.held.add(3);
    stage.inForce = [v2];
    stage.watch.ask('firmware');
    await stage.run(120);
    expect(stage.row?.state).toBe('mismatch');
    expect(stage.written).toBe(0);
    const fresh = new Stage().mending('installed');
    fresh.bytes = Buffer.alloc(3_000_000);
    for (let i = 0; i < one.index.chunkCount; i++) fresh.held.add(i);
    await fresh.run(HOUR);
    expect(fresh.row?.state).toBe('other');
    expect(fresh.written).toBe(0);
  });

  it('whole is written back though most of it is wrong, where it was there before', async () => {
    const stage = new Stage().mending('installed');
    await stage.run(120);
    for (let i = 0; i < one.index.chunkCount; i++) stage.held.add(i);
    stage.bytes = Buffer.alloc(3_000_000);
    stage.written++;
    await stage.run(HOUR);
    expect(stage.bytes?.equals(one.bytes)).toBe(true);
    expect(stage.row).toMatchObject({ state: 'ok', repaired: one.index.chunkCount });
  });

  it('is left alone by a disk that keeps nothing', async () => {
    const stage = new Stage().mending('installed');
    stage.rot(3);
    stage.held.add(3);
    const right = stage.isRight.bind(stage);
    let writes = 0;
    // Written, read back well, and rotten at the next look.
    stage.isRight = (index, i) => {
      const found = right(index, i);
      if (found && i === 3) {
        writes++;
        stage.rot(3);
      }
      return found;
    };
    await stage.run(HOUR);
    expect(stage.repaired.length).toBeLessThanOrEqual(9);
    expect(writes).toBeLessThan(30);
  });
});

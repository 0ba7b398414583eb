import { describe, expect, it } from 'vitest';
import type { RecheckedSource } from '../../agent/io/store/chunk_source.js';
import { Recheck, type RecheckOptions } from '../../agent/recheck.js';
import type { RecheckMemory } from '../../agent/store/recheck_plan.js';
import { Bitfield } from '../../shared/artifact/index.js';
import { Sample } from '../support/store_fixture.js';

const { index } = await Sample.make('recheck', 3_000_000);
const CHUNKS = index.chunkCount;
const DAY = 86_400;
const RATE = 1_000_000;
const T = 1_800_000_000;

class FakeSource implements RecheckedSource {
  readonly index = index;
  readonly held = Bitfield.full(CHUNKS);
  readonly path = '/ready/a/1';
  readonly rotten = new Set<number>();
  readonly read: number[] = [];
  failure: Error | undefined;
  closed = false;
  async recheckChunk(i: number): Promise<boolean> {
    this.read.push(i);
    if (this.failure !== undefined) throw this.failure;
    if (this.closed) return false;
    if (this.rotten.has(i)) this.held.set(i, false);
    return this.held.get(i);
  }
  async readChunk(): Promise<boolean> {
    throw new Error('nobody asks');
  }
  async close(): Promise<void> {}
}

/** A recheck of one source, with a clock and a network of the test's. */
class Stage {
  now = 0;
  datagrams = 0;
  readonly source = new FakeSource();
  readonly told: number[] = [];
  readonly saved: RecheckMemory[] = [];
  saving: Promise<void> = Promise.resolve();
  sources = [{ key: 'a', source: this.source }];
  readonly recheck: Recheck;

  constructor(over: Partial<RecheckOptions> = {}) {
    const memory = { a: { doneAt: T - DAY, next: 0 } };
    this.recheck = new Recheck(
      { intervalSeconds: DAY, bytesPerSecond: RATE, memory, ...over },
      {
        now: () => this.now,
        seconds: () => T + Math.floor(this.now / 1000),
        sources: () => this.sources,
        datagrams: () => this.datagrams,
        save: (memory) => {
          this.saved.push(memory);
          return this.saving;
        },
        rotten: (_, chunk) => this.told.push(chunk),
        stepped() {},
      },
    );
  }

  /** Ticks as its deadlines come, until `until`. @param perSecond datagrams meanwhile */
  async run(until: number, perSecond = 0): Promise<void> {
    for (;;) {
      const next = Math.max(this.now, Math.min(this.recheck.deadline, this.now + 1000));
      if (next > until) break;
      this.datagrams += ((next - this.now) / 1000) * perSecond;
      this.now = next;
      this.recheck.tick();
      for (let i = 0; i < 30; i++) await Promise.resolve();
    }
    this.now = until;
  }

  get bytes(): number {
    return this.source.read.reduce((sum, chunk) => sum + index.chunkLength(chunk), 0);
  }
}

describe('Recheck', () => {
  it('reads every held chunk once, no faster than it may, and then rests for an interval', async () => {
    const stage = new Stage();
    await stage.run(1500);
    expect(stage.bytes).toBeGreaterThan(1_200_000);
    expect(stage.bytes).toBeLessThan(1_500_000 + 300_000 + 262_144);
    await stage.run(20_000);
    expect(stage.source.read).toEqual([...Bitfield.full(CHUNKS).held()]);
    await stage.run(DAY * 1000 - 10_000);
    expect(stage.source.read.length).toBe(CHUNKS);
    await stage.run(DAY * 1000 + 60_000);
    expect(stage.source.read.length).toBe(2 * CHUNKS);
  });

  it('passes over what is not held, and tells of what is no more', async () => {
    const stage = new Stage();
    stage.source.held.set(1, false);
    stage.source.rotten.add(3).add(7);
    await stage.run(20_000);
    expect(stage.source.read).not.toContain(1);
    expect(stage.told).toEqual([3, 7]);
  });

  it('takes neither a file that cannot be read nor one that was closed for one that rotted', async () => {
    const stage = new Stage();
    stage.source.failure = new Error('EIO');
    await stage.run(1000);
    stage.source.failure = undefined;
    stage.source.closed = true;
    await stage.run(20_000);
    expect(stage.told).toEqual([]);
  });

  it('all but pauses while transfers run, and goes on when they end', async () => {
    const stage = new Stage();
    await stage.run(900, 5000);
    const before = stage.source.read.length;
    await stage.run(60_000, 5000);
    const meanwhile = stage.source.read.length - before;
    expect(meanwhile).toBeGreaterThanOrEqual(4);
    expect(meanwhile).toBeLessThanOrEqual(11);
    await stage.run(90_000, 20);
    expect(stage.source.read.length).toBe(CHUNKS);
  });

  it('saves where it stands once a minute and when it ends, and goes on from there', async () => {
    const stage = new Stage({ bytesPerSecond: 20_000 });
    await stage.run(100_000);
    expect(stage.saved).toHaveLength(1);
    await stage.recheck.stop();
    expect(stage.recheck.deadline).toBe(Number.POSITIVE_INFINITY);
    const memory = stage.saved.at(-1) ?? {};
    const next = memory.a?.next ?? 0;
    expect(next).toBe(stage.source.read.length);
    expect(next).toBeLessThan(CHUNKS);
    const again = new Stage({ memory });
    await again.run(20_000);
    expect([...stage.source.read, ...again.source.read]).toEqual([...Bitfield.full(CHUNKS).held()]);
  });

  it('goes on although it cannot save, saves nothing that is saved, and nothing where it never began', async () => {
    const stage = new Stage({ bytesPerSecond: 20_000 });
    stage.saving = Promise.reject(new Error('no space'));
    stage.saving.catch(() => {});
    await stage.run(160_000);
    expect(stage.saved.length).toBeGreaterThanOrEqual(2);
    expect(stage.source.read.length).toBeGreaterThan(20);
    const unused = new Stage({ memory: { a: { doneAt: T, next: 0 } } });
    await unused.run(100_000);
    await unused.recheck.stop();
    expect([unused.source.read, unused.saved]).toEqual([[], []]);
  });

  it('a device that runs for a minute a day gets through all the same', async () => {
    let memory: RecheckMemory = { a: { doneAt: T - DAY, next: 0 } };
    const read: number[] = [];
    for (let day = 0; read.length < CHUNKS && day < 30; day++) {
      const stage = new Stage({ bytesPerSecond: 10_000, memory });
      await stage.run(60_000);
      read.push(...stage.source.read);
      await stage.recheck.stop();
      memory = stage.saved.at(-1) ?? memory;
    }
    expect(new Set(read).size).toBe(CHUNKS);
  });
});

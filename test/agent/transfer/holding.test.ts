import { describe, expect, it } from 'vitest';
import type { ChunkSource } from '../../../agent/io/store/chunk_source.js';
import type { StoredArtifact } from '../../../agent/io/store/stored_artifact.js';
import { ChunkBuffers } from '../../../agent/swarm/chunk_buffers.js';
import type { NamedRollout } from '../../../agent/transfer/hand_overs.js';
import { Holding, type HoldingOptions } from '../../../agent/transfer/holding.js';
import { type Link, Links } from '../../../agent/transfer/link.js';
import type { Serving } from '../../../agent/transfer/serving.js';
import type { Session } from '../../../agent/transport/session.js';
import { Bitfield } from '../../../shared/artifact/index.js';
import { ChunkmeshError } from '../../../shared/errors.js';
import { FakeHttp, NO_HTTP } from '../../support/fake_http.js';
import { FakeStored, fault } from '../../support/fake_stored.js';
import { NO_HOLD } from '../../support/no_hold.js';
import { Sample } from '../../support/store_fixture.js';
import { UNLIMITED_READS } from '../../support/unlimited_reads.js';

const RETRY_MS = 5_000;
const sample = await Sample.make('holding', 900_000);
const { index, all: chunks } = sample;

function named(name: string, version = '1'): NamedRollout {
  const { artifact, size, chunkCount } = index;
  const bytes = new Uint8Array(Buffer.from(artifact, 'hex'));
  return { rollout: { name, version, artifact: bytes, size, chunks: chunkCount, shards: 1 }, groups: ['a'] };
}

/** A holding of which every tick of the clock, every answer of the disk and every datagram is the test's. */
class Stage {
  now = 1000;
  readonly told: string[] = [];
  /** Chunks asked of the peer, and taken back. */
  readonly asked: number[] = [];
  readonly cancelled: number[] = [];
  readonly links = new Links();
  readonly stored: FakeStored;
  readonly holding: Holding;

  constructor(stored = new FakeStored(index), over: Partial<HoldingOptions> = {}) {
    this.stored = stored;
    const options: HoldingOptions = {
      artifact: index.artifact,
      rollouts: [named('one')],
      host: {
        // No two looks at a clock see the same.
        now: () => {
          this.now += 1e-6;
          return this.now;
        },
        random: () => 0,
        logger: { debug() {}, info() {}, warn() {}, error() {} },
        buffers: new ChunkBuffers(),
        ...{ reads: UNLIMITED_READS, http: new FakeHttp(), httpRules: NO_HTTP },
        reads: UNLIMITED_READS,
        ...{ self: 'self', site: 'site', worth: () => 1, learned() {}, misbehaved() {}, sentWrong() {} },
        metered: () => false,
        ...{ wake() {}, due() {}, changed() {} },
        completed: ({ name, version, path }) => this.told.push(`complete ${name} ${version} ${path}`),
        warning: ({ code }) => this.told.push(code),
      },
      isSeed: false,
      seeds: [],
      ownFiles: () => from(),
      openStored: async () => stored.real,
      hold: NO_HOLD,
      devices: () => 1,
      ...over,
    };
    this.holding = new Holding(options, this.links, {
      gained: () => this.told.push('gained'),
      complete: () => this.told.push('complete'),
      lost: () => this.told.push('lost'),
      heldBack: (known) => this.told.push(known ? 'known' : 'held back'),
      released: () => this.told.push('released'),
      failed: () => this.told.push('failed'),
      wrongBytes: () => this.told.push('wrong bytes'),
    });
  }

  /** All that it has at hand is taken and handed over. */
  async start(): Promise<void> {
    await this.holding.start();
    await settled();
  }

  get row() {
    const [row] = this.holding.progress();
    if (row === undefined) throw new Error('no row');
    return row;
  }

  /** A peer with every chunk, connected. */
  join(): Link {
    const session = {
      request: (chunk: number) => this.asked.push(chunk) > 0,
      cancel: (chunk: number) => this.cancelled.push(chunk) > 0,
      have() {},
    };
    const link: Link = {
      peer: { device: 'peer', site: 'site', seed: false },
      session: session as unknown as Session,
      serving: { close() {} } as unknown as Serving,
      ...{ assemblies: new Map(), since: this.now, open: true, received: 0, verified: 0, named: 0 },
    };
    this.links.add(link);
    const { fetch } = this.holding;
    fetch?.swarm.addPeer('peer', false);
    fetch?.swarm.onHave('peer', 0, Bitfield.full(chunks.length).toBytes());
    fetch?.schedule();
    return link;
  }

  /** The peer sends the first `bytes` of a chunk, or all of it. */
  async send(link: Link, chunk: number, bytes = index.chunkLength(chunk)): Promise<void> {
    this.holding.fetch?.onData(link, chunk, 0, sample.chunk(chunk).subarray(0, bytes));
    await settled();
    // As the session's driver does once a turn.
    this.holding.fetch?.pump();
  }

  async later(ms: number): Promise<void> {
    this.now += ms;
    const { now } = this;
    if (this.holding.nextDeadline() <= now) this.holding.tick();
    await settled();
  }
}

/** @returns what lets the hand-over that waits go on. */
function holdBack(stored: FakeStored): () => void {
  let go = (): void => {};
  const finish = stored.finish.bind(stored);
  stored.finish = async (as) => {
    await new Promise<void>((resolve) => {
      go = resolve;
    });
    return finish(as);
  };
  return () => go();
}

/** All that needs no clock has happened. */
async function settled(): Promise<void> {
  for (let i = 0; i < 200; i++) await Promise.resolve();
}

async function* from(...sources: ChunkSource[]): AsyncGenerator<ChunkSource, void, undefined> {
  yield* sources;
}

describe('a store whose disk failed', () => {
  it('is opened anew, until then no peer is asked, what comes is wasted, and what peers hold is not forgotten', async () => {
    const stage = new Stage();
    const { stored, asked, cancelled } = stage;
    await stage.start();
    const link = stage.join();
    const inFlight = [...asked];
    expect(inFlight.length).toBeGreaterThan(2);
    const [first = 0, second = 0, third = 0] = inFlight;
    await stage.send(link, second, 1000);
    stored.isBroken = true;
    await stage.send(link, first);
    expect(stage.row).toMatchObject({ state: 'blocked', error: 'E_STORE_IO' });
    expect(cancelled.sort()).toEqual(inFlight.filter((chunk) => chunk !== first).sort());
    const wasted = index.chunkLength(first) + 1000;
    expect(stage.row.wasted).toBe(wasted);
    // It crossed with the CANCEL.
    await stage.send(link, third);
    expect(stage.row.wasted).toBe(wasted + index.chunkLength(third));

    stored.faults.push(fault());
    asked.length = 0;
    await stage.later(RETRY_MS - 1);
    expect(stored.reopened).toBe(0);
    await stage.later(1);
    expect([stored.reopened, stage.row.state]).toEqual([1, 'blocked']);
    await stage.later(RETRY_MS - 1);
    expect([stored.reopened, asked]).toEqual([1, []]);
    await stage.later(1);
    expect([stored.reopened, stage.row.state, stage.row.error]).toEqual([2, 'fetching', '']);
    expect(asked.length).toBeGreaterThan(0);
    expect(stage.told).toEqual(['E_STORE_IO']);

    for (let at = 0; at < asked.length; at++) await stage.send(link, asked[at] ?? 0);
    expect(stage.told).toEqual(['E_STORE_IO', 'complete one 1 /ready/one/1', 'complete']);
    expect(stage.row).toMatchObject({ state: 'complete', fromPeers: sample.bytes.length });
  });

  it('has what it lost fetched again, and counts it as wasted, also where it failed as the last chunk was brought to the disk', async () => {
    const stage = new Stage(new FakeStored(index, chunks));
    const { stored, asked } = stage;
    stored.isBroken = true;
    stored.lost = [1];
    stored.faults.push(fault());
    await stage.start();
    expect(stage.row.state).toBe('blocked');
    await stage.later(RETRY_MS);
    const link = stage.join();
    expect(asked).toEqual([1]);
    expect(stage.row).toMatchObject({ state: 'fetching', wasted: index.chunkLength(1) });
    await stage.send(link, 1);
    expect(stage.told.at(-1)).toBe('complete');
  });

  it('is opened anew before the own files of the device are copied on', async () => {
    const own: ChunkSource = {
      index,
      held: Bitfield.full(chunks.length),
      readChunk: async () => true,
      close: async () => {},
    };
    let broken = true;
    const stage: Stage = new Stage(new FakeStored(index), {
      ownFiles: () => {
        stage.stored.isBroken = broken;
        return from(own);
      },
    });
    await stage.start();
    const link = stage.join();
    expect([stage.row.state, stage.asked]).toEqual(['blocked', []]);
    broken = false;
    await stage.later(RETRY_MS);
    expect(stage.row).toMatchObject({ state: 'complete', fromDisk: sample.bytes.length, fromPeers: 0 });
    expect([stage.stored.reopened, stage.asked, link.open]).toEqual([1, [], true]);
  });
});

describe('a disk that is full as the own files of the device are copied', () => {
  const own: ChunkSource = {
    index,
    held: Bitfield.full(chunks.length),
    readChunk: async () => true,
    close: async () => {},
  };

  it('blocks the transfer, and the rest is copied when there is room', async () => {
    const stage = new Stage(new FakeStored(index), { ownFiles: () => from(own) });
    const { stored } = stage;
    const full = (): ChunkmeshError => new ChunkmeshError('E_DISK_FULL', 'disk');
    stored.faults.push(full());
    await stage.start();
    stage.join();
    expect([stage.row.state, stage.row.error, stage.asked]).toEqual(['blocked', 'E_DISK_FULL', []]);
    stored.faults.push(full());
    await stage.later(RETRY_MS);
    expect([stage.row.state, stage.told, stage.asked]).toEqual(['blocked', ['E_DISK_FULL'], []]);
    await stage.later(RETRY_MS);
    expect(stage.row).toMatchObject({ state: 'complete', error: '', fromDisk: sample.bytes.length });
    expect([stored.reopened, stage.asked]).toEqual([0, []]);
  });

  it('blocks it no more than that: what no own file has is fetched', async () => {
    const part: ChunkSource = { ...own, readChunk: async (chunk) => chunk !== 1 };
    const stage = new Stage(new FakeStored(index), { ownFiles: () => from(part) });
    stage.stored.faults.push(new ChunkmeshError('E_DISK_FULL', 'disk'));
    await stage.start();
    await stage.later(RETRY_MS);
    // What a file does not have gives all else its turn.
    await new Promise(setImmediate);
    await settled();
    expect([stage.row.state, stage.row.error]).toEqual(['fetching', '']);
    stage.join();
    expect(stage.asked).toEqual([1]);
  });
});

describe('a transfer that failed', () => {
  const wrong = (): ChunkmeshError => new ChunkmeshError('E_INTERNAL', 'ours');

  it('stays so whatever the store says of what was under way', async () => {
    const stage = new Stage();
    await stage.start();
    const link = stage.join();
    const writes: ((error: ChunkmeshError) => void)[] = [];
    stage.stored.writeChunk = () => new Promise((_, reject) => void writes.push(reject));
    const [first = 0, second = 0] = stage.asked;
    await stage.send(link, first);
    await stage.send(link, second);
    writes[0]?.(wrong());
    await settled();
    writes[1]?.(fault());
    await settled();
    expect([stage.row.state, stage.row.error, stage.told]).toEqual(['failed', 'E_INTERNAL', ['E_INTERNAL', 'failed']]);
    await stage.later(RETRY_MS);
    expect(stage.row.state).toBe('failed');
  });

  it('stays so where what was handed over rots', async () => {
    const stage = new Stage(new FakeStored(index, chunks), { rollouts: [named('one'), named('two')] });
    const finish = stage.stored.finish.bind(stage.stored);
    stage.stored.finish = async (as) => {
      if (as.name === 'two') throw wrong();
      return finish(as);
    };
    await stage.start();
    stage.stored.held.set(2, false);
    expect(stage.holding.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
    stage.holding.tick();
    await settled();
    expect(stage.told).toEqual(['complete one 1 /ready/one/1', 'E_INTERNAL', 'failed']);
    expect(stage.holding.failed).toBe(true);
  });
});

describe('several rollouts of one artifact', () => {
  it('each get their file, those that come when it is complete too, without a peer', async () => {
    const stage = new Stage(new FakeStored(index, chunks), { rollouts: [named('one'), named('two')] });
    await stage.start();
    expect(stage.told).toEqual(['complete one 1 /ready/one/1', 'complete two 1 /ready/two/1', 'complete']);
    stage.holding.follow([named('two'), named('one', '2')]);
    expect(stage.holding.progress()).toMatchObject([
      { name: 'two', state: 'complete' },
      { name: 'one', version: '2', state: 'fetching' },
    ]);
    await settled();
    expect(stage.told.slice(3)).toEqual(['complete one 2 /ready/one/2', 'complete']);
    expect(stage.holding.progress()).toMatchObject([
      { state: 'complete' },
      { state: 'complete', fromDisk: index.size },
    ]);
    expect(stage.asked).toEqual([]);
  });

  it('that comes while another is handed over is not forgotten, and one that is gone by then is not told', async () => {
    const stored = new FakeStored(index, chunks);
    const go = holdBack(stored);
    const stage = new Stage(stored);
    void stage.holding.start();
    await settled();
    stage.holding.follow([named('two')]);
    go();
    await settled();
    go();
    await settled();
    expect(stage.told).toEqual(['complete two 1 /ready/two/1', 'complete']);
  });

  it('are complete for a seed as they come', async () => {
    const seed = { index, held: Bitfield.full(chunks.length) } as unknown as HoldingOptions['seeds'][number];
    const stage = new Stage(new FakeStored(index), { isSeed: true, seeds: [seed] });
    await stage.start();
    stage.holding.follow([named('one', '2')]);
    expect(stage.holding.progress()).toMatchObject([{ version: '2', state: 'complete', fromDisk: 0 }]);
    expect(stage.told).toEqual([]);
  });
});

describe('P-9.8: a chunk that rotted after it was handed over', () => {
  it('is fetched again and handed over anew, and the operator knows', async () => {
    const stage = new Stage(new FakeStored(index, chunks), { rollouts: [named('one'), named('two')] });
    await stage.start();
    stage.told.length = 0;
    stage.stored.held.set(2, false);
    await stage.later(1);
    expect(stage.told).toEqual(['E_STORE_ROT', 'lost']);
    expect(stage.holding.progress()).toMatchObject([{ state: 'fetching' }, { state: 'fetching' }]);
    const link = stage.join();
    expect(stage.asked).toEqual([2]);
    await stage.send(link, 2);
    expect(stage.told.slice(2)).toEqual(['complete one 1 /ready/one/1', 'complete two 1 /ready/two/1', 'complete']);
  });
});

describe('stopping', () => {
  it('waits for an opening that is tried again, and closes what it opened', async () => {
    const stored = new FakeStored(index);
    const openings: { resolve: (stored: StoredArtifact) => void; reject: (error: unknown) => void }[] = [];
    const openStored = (): Promise<StoredArtifact> =>
      new Promise((resolve, reject) => void openings.push({ resolve, reject }));
    const stage = new Stage(stored, { openStored });
    const started = stage.holding.start();
    openings[0]?.reject(new ChunkmeshError('E_DISK_FULL', 'disk'));
    await started;
    await stage.later(RETRY_MS);
    expect(openings.length).toBe(2);
    let stopped = false;
    const stopping = stage.holding.stop().then(() => {
      stopped = true;
    });
    await settled();
    expect(stopped).toBe(false);
    openings[1]?.resolve(stored.real);
    await stopping;
    expect([stored.closed, stage.holding.fetch]).toEqual([true, null]);
  });

  it('waits for a hand-over, for which the start did not', async () => {
    const stored = new FakeStored(index, chunks);
    const go = holdBack(stored);
    const stage = new Stage(stored);
    await stage.holding.start();
    await settled();
    expect([stage.row.state, stored.finished]).toEqual(['fetching', []]);
    const stopping = stage.holding.stop();
    await settled();
    expect(stored.closed).toBe(false);
    go();
    await stopping;
    expect([stored.closed, stored.finished]).toEqual([true, ['one 1']]);
  });

  it('ends the copying of the own files, for which the start did not wait', async () => {
    const stored = new FakeStored(index);
    const reads: (() => void)[] = [];
    const readChunk = (): Promise<boolean> => new Promise((resolve) => void reads.push(() => resolve(true)));
    const own: ChunkSource = { index, held: Bitfield.full(chunks.length), readChunk, close: async () => {} };
    const stage = new Stage(stored, { ownFiles: () => from(own) });
    await stage.holding.start();
    await settled();
    const stopping = stage.holding.stop();
    reads[0]?.();
    await stopping;
    expect([reads.length, stored.closed, stage.told]).toEqual([1, true, []]);
  });
});

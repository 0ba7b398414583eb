import { describe, expect, it } from 'vitest';
import type { ChunkSource } from '../../../agent/io/store/chunk_source.js';
import type { HoldOptions } from '../../../agent/transfer/held_back.js';
import { Bitfield, makeDigest } from '../../../shared/artifact/index.js';
import type { HaveMessage } from '../../../shared/control/messages.js';
import { ChunkmeshError } from '../../../shared/errors.js';
import { INDEX_CHUNK } from '../../../shared/limits.js';
import { CLOSE } from '../../../shared/wire/frames/close.js';
import { REJECT } from '../../../shared/wire/frames/reject.js';
import { ALWAYS } from '../../support/fake_http.js';
import type { FakeSession } from '../../support/fake_session.js';
import { type Sample, sampleOf } from '../../support/memory_artifact.js';
import { type StageOptions, TransferStage } from '../../support/transfer_stage.js';

const LENGTH = 2 ** 16;
/** Of six chunks of the new version the old one has four, elsewhere. */
const OLD = sampleOf([9, 3, 2, 1, 0]);
const NEW = sampleOf([0, 1, 2, 3, 4, 5]);
const SHARED = [0, 1, 2, 3];

class OldVersion implements ChunkSource {
  readonly index = OLD.index;
  readonly held = Bitfield.full(OLD.index.chunkCount);
  /** Chunks that were written over since. */
  readonly spoilt = new Set<number>();
  reads = 0;

  async readChunk(i: number, into: Buffer): Promise<boolean> {
    this.reads++;
    OLD.chunk(i).copy(into);
    return !this.spoilt.has(i);
  }

  async close(): Promise<void> {}
}

interface Hold extends HoldOptions {
  on: boolean;
}

function holding(old: readonly ChunkSource[], isSetAside = false): Hold {
  const hold: Hold = {
    on: true,
    covers: (name) => hold.on && name === 'firmware',
    isSetAside: async () => isSetAside,
    async *files() {
      yield* old;
    },
  };
  return hold;
}

interface Begun {
  readonly stage: TransferStage;
  readonly old: OldVersion;
  readonly hold: Hold;
}

async function begun(options: StageOptions = {}, sample: Sample = NEW): Promise<Begun> {
  const old = new OldVersion();
  const hold = holding([old], options.indexed);
  const stage = await TransferStage.start(sample, { indexed: false, hold, own: [old], ...options });
  return { stage, old, hold };
}

/** Each chunk that is found gives all else its turn. */
async function looked(stage: TransferStage): Promise<void> {
  for (let i = 0; i < 20; i++) await stage.settle();
}

/** It has the index, by a peer that has gone since, and knows what its files share. */
async function known(options: StageOptions = {}): Promise<Begun> {
  const all = await begun(options);
  const { stage } = all;
  const peer = stage.join('first', new Bitfield(6));
  await stage.send(peer, INDEX_CHUNK);
  await looked(stage);
  peer.end(CLOSE.done);
  stage.flush();
  return all;
}

const bits = (...chunks: number[]): Bitfield => {
  const field = new Bitfield(6);
  for (const chunk of chunks) field.set(chunk);
  return field;
};

function have(held: Bitfield, hold?: true): HaveMessage {
  return { t: 'have', at: 0, held: held.count, room: 5, digest: makeDigest(held), ...(hold && { hold }) };
}

const heldBy = ({ transfer }: TransferStage): number[] => [...(transfer.held?.held() ?? [])];

/** What the peer gets that asks for a chunk whole. */
async function ask(stage: TransferStage, session: FakeSession, chunk: number): Promise<Uint8Array | undefined> {
  const before = session.served.length;
  session.events.onRequest(chunk, 0, stage.bytesOf(chunk).length);
  await stage.settle();
  return session.served[before]?.bytes;
}

describe('P-10.10: a rollout that is held back', () => {
  it('has its index fetched and nothing else, and takes nothing of the store', async () => {
    const { stage, old } = await begun();
    const peer = stage.join('peer');
    expect([peer.requests, stage.row]).toMatchObject([[INDEX_CHUNK], { state: 'paused', hold: true, held: 0 }]);
    await stage.send(peer, INDEX_CHUNK);
    await looked(stage);
    expect([peer.requests, stage.opened, old.reads]).toEqual([[INDEX_CHUNK], 0, 4]);
    expect(heldBy(stage)).toEqual(SHARED);
    const nothing = { fromPeers: 0, fromSeed: 0, fromDisk: 0, wasted: 0, error: '' };
    expect(stage.row).toMatchObject({ state: 'paused', hold: true, held: 4, ...nothing });
    expect([stage.transfer.complete, stage.transfer.lonely, stage.warnings]).toEqual([false, false, []]);
  });

  it('is served as far as other files share it, with the index, and no further', async () => {
    const { stage } = await known();
    const peer = stage.join('peer', bits(4));
    expect(peer.haves).toBe(1);
    for (const chunk of [...SHARED, INDEX_CHUNK]) {
      expect(Buffer.compare((await ask(stage, peer, chunk)) ?? Buffer.alloc(0), stage.bytesOf(chunk))).toBe(0);
    }
    expect(await ask(stage, peer, 5)).toBeUndefined();
    expect([peer.rejects, [...peer.reasons]]).toEqual([[5], [REJECT.notHeld]]);
    expect(peer.requests).toEqual([]);
  });

  it('P-9.8: is not served where a file changed since, and no longer announced', async () => {
    const { stage, old } = await known();
    const peer = stage.join('peer', bits(4));
    old.spoilt.add(2);
    const [chunk = -1] = SHARED.filter((one) => NEW.chunk(one).equals(OLD.chunk(2)));
    expect(await ask(stage, peer, chunk)).toBeUndefined();
    expect([peer.rejects, [...peer.reasons]]).toEqual([[chunk], [REJECT.notHeld]]);
    expect(heldBy(stage)).toEqual(SHARED.filter((one) => one !== chunk));
    expect(stage.transfer.announcement(0)?.held).toBe(3);
    old.spoilt.clear();
    expect(await ask(stage, peer, chunk)).toBeUndefined();
  });

  it('is announced as what it is, and of interest to who lacks something of it', async () => {
    const { stage } = await known();
    const { transfer } = stage;
    expect(transfer.announcement(7)).toEqual({ ...have(bits(...SHARED), true), at: 7, room: 12 });
    expect(stage.news).toBe(1);
    expect(transfer.isOfInterest(have(bits()))).toBe(true);
    expect(transfer.isOfInterest(have(bits(1, 4, 5)))).toBe(true);
    expect(transfer.isOfInterest(have(bits(0, 1, 2, 3, 4, 5)))).toBe(false);
    expect(transfer.isOfInterest(have(bits(1), true))).toBe(false);
  });

  it('of others is of interest to who lacks what they hold, and to nobody else', async () => {
    const stage = await TransferStage.start(NEW, { held: 2 });
    expect(stage.transfer.isOfInterest(have(bits(0, 1, 2), true))).toBe(true);
    expect(stage.transfer.isOfInterest(have(bits(0), true))).toBe(false);
    expect(stage.transfer.isOfInterest(have(bits(0)))).toBe(true);
  });

  it('needs no session with seeds once it has its index, nor with who has all of it', async () => {
    const { stage } = await begun();
    const [seed, device, poor] = [stage.connect('seed', true), stage.join('device'), stage.join('poor', bits(1))];
    seed.events.onOpen(0);
    await stage.send(device, INDEX_CHUNK);
    await looked(stage);
    expect([seed.closed, device.closed, poor.closed]).toEqual([CLOSE.done, CLOSE.done, null]);
    expect(stage.transfer.hasPlaceFor({ device: 'seed', site: 'default', seed: true })).toBe(false);
    expect(stage.transfer.hasPlaceFor({ device: 'other', site: 'default', seed: false })).toBe(true);
    const late = stage.connect('late seed', true);
    late.events.onOpen(0);
    expect(late.closed).toBe(CLOSE.done);
    for (const chunk of [0, 2]) poor.events.onHave(chunk, Uint8Array.of(0x80));
    expect(poor.closed).toBeNull();
    poor.events.onHave(3, Uint8Array.of(0x80));
    expect(poor.closed).toBe(CLOSE.done);
  });

  it('of which nothing is shared takes no session', async () => {
    const { stage } = await begun({ hold: holding([]) });
    const peer = stage.join('peer', bits(1));
    await stage.send(peer, INDEX_CHUNK);
    await looked(stage);
    expect([peer.closed, stage.transfer.room]).toEqual([CLOSE.noRoom, 0]);
  });

  it('over a metered link is of no use to anybody: nothing is asked for, not even the index', async () => {
    const { stage } = await begun({ metered: true });
    expect([stage.transfer.room, stage.transfer.lonely]).toEqual([0, false]);
    stage.metered = false;
    stage.transfer.onMetered();
    expect([stage.transfer.room, stage.transfer.lonely]).toEqual([12, true]);
    const peer = stage.join('peer', bits());
    await stage.send(peer, INDEX_CHUNK);
    await looked(stage);
    stage.metered = true;
    stage.transfer.onMetered();
    expect([peer.closed, stage.transfer.room]).toEqual([CLOSE.noRoom, 0]);
  });

  it('outside of the hours of the device is served to nobody', async () => {
    const { stage } = await known();
    const peer = stage.join('peer', bits());
    stage.transfer.pause(true);
    expect([peer.closed, stage.transfer.room, stage.row]).toMatchObject([
      CLOSE.noRoom,
      0,
      { state: 'paused', hold: true },
    ]);
    stage.transfer.pause(false);
    expect([stage.transfer.room, heldBy(stage)]).toEqual([12, SHARED]);
  });

  it('is not held twice over one index, and ends while it is looked into', async () => {
    const { stage, old } = await begun();
    const peer = stage.join('peer');
    await stage.send(peer, INDEX_CHUNK);
    await stage.transfer.stop(CLOSE.superseded);
    const { reads } = old;
    expect([peer.closed, reads < 4]).toEqual([CLOSE.superseded, true]);
    await new Promise(setImmediate);
    expect(old.reads).toBe(reads);
  });
});

describe('P-10.10: when the hold is lifted', () => {
  it('the rest is fetched: the index is there, and what the own files share is taken', async () => {
    const { stage, hold } = await known();
    const peer = stage.join('peer', bits(4));
    hold.on = false;
    stage.transfer.onHold();
    await looked(stage);
    expect([peer.closed, stage.opened, stage.news]).toEqual([CLOSE.noRoom, 1, 2]);
    expect(stage.row).toMatchObject({ state: 'fetching', held: 4, fromDisk: 4 * LENGTH });
    expect(stage.row.hold).toBeUndefined();
    expect(stage.transfer.lonely).toBe(true);
    const again = stage.join('again');
    expect([...again.requests].sort()).toEqual([4, 5]);
    for (const chunk of [...again.requests]) await stage.send(again, chunk);
    await looked(stage);
    expect(stage.row).toMatchObject({ state: 'complete', fromDisk: 4 * LENGTH, fromPeers: 2 * LENGTH });
  });

  it('and the disk is full, it waits, and needs the index of nobody once there is room', async () => {
    const { stage, hold } = await known();
    const open = stage.stored.installIndex.bind(stage.stored);
    stage.stored.installIndex = async () => {
      throw new ChunkmeshError('E_DISK_FULL', 'disk');
    };
    hold.on = false;
    stage.transfer.onHold();
    await looked(stage);
    expect(stage.row).toMatchObject({ state: 'blocked', error: 'E_DISK_FULL' });
    stage.stored.installIndex = open;
    stage.now += 6_000;
    stage.tick();
    await looked(stage);
    // The index is not asked for again.
    expect(stage.row).toMatchObject({ state: 'fetching', error: '', held: 4 });
  });

  it.each(['E_STORE_QUOTA', 'E_DISK_FULL'] as const)(
    'and the store refuses it by %s, it still gives alone',
    async (code) => {
      const { stage, hold } = await known();
      const poor = stage.join('poor', bits());
      stage.openFailure = new ChunkmeshError(code, 'no room');
      hold.on = false;
      stage.transfer.onHold();
      await looked(stage);
      expect(stage.row).toMatchObject({ state: 'blocked', error: code });
      expect(stage.row.hold).toBeUndefined();
      const { transfer } = stage;
      expect([poor.closed, transfer.lonely, transfer.onlyGives]).toEqual([null, false, true]);
      expect(transfer.announcement(0)).toMatchObject({ held: 4, hold: true });
      expect([transfer.isOfInterest(have(Bitfield.full(6))), transfer.isOfInterest(have(bits()))]).toEqual([
        false,
        true,
      ]);
      expect(transfer.hasPlaceFor({ device: 'seed', site: 'default', seed: true })).toBe(false);
      const seed = stage.connect('seed', true);
      seed.events.onOpen(0);
      expect([seed.closed, seed.requests]).toEqual([CLOSE.done, []]);
      expect(NEW.chunk(1).equals((await ask(stage, poor, 1)) ?? Buffer.alloc(0))).toBe(true);
    },
  );

  it('and the store refused it for a while, it is fetched and announced anew once there is room', async () => {
    const { stage, hold } = await known();
    stage.openFailure = new ChunkmeshError('E_STORE_QUOTA', 'no room');
    hold.on = false;
    stage.transfer.onHold();
    await looked(stage);
    const { news } = stage;
    stage.openFailure = undefined;
    stage.now += 6_000;
    stage.tick();
    await looked(stage);
    expect([stage.news, stage.row.state, stage.transfer.lonely]).toEqual([news + 1, 'fetching', true]);
    expect(stage.transfer.announcement(0)).not.toHaveProperty('hold');
    expect([...stage.join('peer').requests].sort()).toEqual([4, 5]);
  });

  it('of what it rested from, sharing nothing, it rests no longer: HTTP servers are asked', async () => {
    const hold = holding([]);
    const { stage } = await known({ hold, own: [], urls: ['http://a.example/f'], rules: ALWAYS });
    const asked = (): boolean => stage.http.asked.some(({ wanted }) => wanted.url === 'http://a.example/f');
    const ticks = (): void => {
      for (let i = 0; i < 60; i++) {
        stage.now += 500;
        stage.tick();
      }
    };
    ticks();
    expect([stage.transfer.room, asked()]).toEqual([0, false]);
    hold.on = false;
    stage.transfer.onHold();
    await looked(stage);
    ticks();
    expect([stage.transfer.room, asked()]).toEqual([12, true]);
  });

  it('twice in a moment, what counts is how it stands in the end', async () => {
    const { stage, hold } = await known();
    for (const on of [false, true, false, true]) {
      hold.on = on;
      stage.transfer.onHold();
    }
    await looked(stage);
    expect(stage.row).toMatchObject({ state: 'paused', hold: true });
    hold.on = false;
    stage.transfer.onHold();
    await looked(stage);
    expect(stage.row).toMatchObject({ state: 'fetching', held: 4 });
  });
});

describe('P-10.10: a rollout that has begun', () => {
  it('is not asked for while it is held back, is served as far as it came, and goes on from there', async () => {
    const { stage, hold } = await begun({ indexed: true, own: [] });
    hold.on = false;
    stage.transfer.onHold();
    await looked(stage);
    const peer = stage.join('peer');
    const [first = -1] = peer.requests;
    await stage.send(peer, first);
    const others = peer.requests.filter((chunk) => chunk !== first);
    hold.on = true;
    stage.transfer.onHold();
    await looked(stage);
    expect([...peer.cancels].sort()).toEqual([...others].sort());
    expect(stage.row).toMatchObject({ state: 'paused', hold: true, held: 1 });
    await stage.send(stage.join('poor', bits()), INDEX_CHUNK);
    expect(Buffer.compare((await ask(stage, stage.session('poor'), first)) ?? Buffer.alloc(0), NEW.chunk(first))).toBe(
      0,
    );
    hold.on = false;
    stage.transfer.onHold();
    await looked(stage);
    const next = stage.join('next');
    expect(next.requests.length).toBeGreaterThan(0);
    expect(next.requests).not.toContain(first);
    expect(stage.opened).toBe(1);
  });

  it('before the agent started is opened, and complete where all of it is there', async () => {
    const { stage } = await begun({ indexed: true, held: 6 });
    await looked(stage);
    expect([stage.row.state, stage.row.hold, stage.opened]).toEqual(['complete', undefined, 1]);
  });

  it('and has no index yet gives back what it took of the store', async () => {
    const { stage, hold } = await begun();
    hold.on = false;
    stage.transfer.onHold();
    await looked(stage);
    const peer = stage.join('peer');
    expect([stage.opened, peer.requests]).toEqual([1, [INDEX_CHUNK]]);
    hold.on = true;
    stage.transfer.onHold();
    await looked(stage);
    expect([peer.closed, stage.row]).toMatchObject([CLOSE.noRoom, { state: 'paused', hold: true }]);
    const other = stage.join('other');
    await stage.send(other, INDEX_CHUNK);
    await looked(stage);
    expect([heldBy(stage), stage.opened]).toEqual([SHARED, 1]);
  });
});

import { describe, expect, it, vi } from 'vitest';
import type { HttpRules } from '../../../agent/http_rules.js';
import { MEET_MS, TURN_MS_PER_DEVICE } from '../../../agent/swarm/http_policy.js';
import { STALL_MS } from '../../../agent/swarm/limits.js';
import { FIRST_URL_REST_MS } from '../../../agent/swarm/url_book.js';
import { Bitfield } from '../../../shared/artifact/bitfield.js';
import { ChunkmeshError, type ErrorCode } from '../../../shared/errors.js';
import { INDEX_CHUNK } from '../../../shared/limits.js';
import { ALWAYS, NO_PEER } from '../../support/fake_http.js';
import type { FakeSession } from '../../support/fake_session.js';
import { sampleArtifact } from '../../support/memory_artifact.js';
import { type StageOptions, TransferStage } from '../../support/transfer_stage.js';

const SAMPLE = sampleArtifact(8);
const INDEX = SAMPLE.index.bytes;
const [A, B] = ['http://a.example/file.img', 'https://b.example/file.img?key=1'];
const CHUNK = SAMPLE.chunk(0).length;

/** A seed with which what is asked first is several chunks. */
const SEED = 2;
const LATER: HttpRules = { ...NO_PEER, afterMs: 100 };

async function begun(over: StageOptions = {}): Promise<TransferStage> {
  const stage = await TransferStage.start(SAMPLE, { urls: [A, B], rules: NO_PEER, seed: SEED, ...over });
  stage.tick();
  return stage;
}

/** Time passes, and the agent's timer with it. */
function later(stage: TransferStage, ms: number): void {
  for (const until = stage.now + ms; stage.now < until; ) {
    stage.now = Math.min(until, stage.now + 100);
    stage.tick();
  }
}

/** The peer sends all that it is asked for. */
async function feed(stage: TransferStage, peer: FakeSession): Promise<void> {
  for (let turn = 0; turn < 20 && !stage.transfer.complete; turn++) {
    for (const chunk of peer.requests.splice(0)) await stage.send(peer, chunk);
    later(stage, 100);
    await stage.settle();
  }
}

/** The server sends all that it is asked for, time and again, until nothing more is asked. */
async function serve(stage: TransferStage): Promise<void> {
  for (let answered = -1; answered !== stage.http.asked.length; ) {
    answered = stage.http.asked.length;
    const { last } = stage.http;
    last.send(last.wanted.url.includes('.cmix') ? INDEX : SAMPLE.bytes);
    await stage.settle();
    await stage.settle();
    stage.tick();
  }
}

const failure = (code: ErrorCode): ChunkmeshError => new ChunkmeshError(code, 'made by the test');
const codes = (stage: TransferStage): string[] => stage.warnings.map(({ code }) => code);
const urls = (stage: TransferStage): string[] => stage.http.asked.map(({ wanted }) => wanted.url);

describe('HTTP as the only source', () => {
  it('P-11.1: brings the index, then every chunk, and each byte counts once', async () => {
    const stage = await begun({ indexed: false });
    expect(stage.http.last.wanted).toEqual({
      ...{ url: `${A}.cmix`, first: 0, length: INDEX.length, size: INDEX.length },
    });
    await serve(stage);
    expect(stage.row).toMatchObject({ state: 'complete', fromHttp: SAMPLE.bytes.length, fromPeers: 0, wasted: 0 });
    expect(stage.warnings).toEqual([]);
    const asked = stage.http.asked.slice(1).map(({ wanted }) => wanted);
    expect(asked.reduce((sum, { length }) => sum + length, 0)).toBe(SAMPLE.bytes.length);
    for (const { url, size, first } of asked) expect([url, size, first % CHUNK]).toEqual([A, SAMPLE.bytes.length, 0]);
  });

  it('takes what comes in any pieces, and holds no more than the chunk at hand', async () => {
    const stage = await begun();
    for (let guard = 0; !stage.transfer.complete && guard < 10_000; guard++) {
      stage.http.last.send(SAMPLE.bytes, 9_999);
      await stage.settle();
      stage.tick();
    }
    expect(stage.row).toMatchObject({ state: 'complete', fromHttp: SAMPLE.bytes.length, wasted: 0 });
  });

  it('tells sessions of each chunk as it comes', async () => {
    const stage = await begun();
    const peer = stage.join('peer', new Bitfield(8));
    const before = peer.haves;
    stage.http.last.send(SAMPLE.bytes, CHUNK);
    await stage.settle();
    expect(peer.haves).toBe(before + 1);
  });
});

describe('P-11.3 no-peer', () => {
  it('asks the server for nothing that a peer holds and brings', async () => {
    const stage = await begun({ rules: LATER });
    await feed(stage, stage.join('peer'));
    expect(stage.row).toMatchObject({ state: 'complete', fromPeers: SAMPLE.bytes.length });
    expect([stage.http.asked, stage.row.fromHttp]).toEqual([[], undefined]);
  });

  it('asks for the index where no session is open, and ends that when a peer is quicker', async () => {
    const stage = await begun({ indexed: false });
    const { last } = stage.http;
    const peer = stage.join('peer');
    await stage.send(peer, INDEX_CHUNK);
    expect([last.signal.aborted, stage.row.state, stage.warnings]).toEqual([true, 'fetching', []]);
    await stage.settle();
    expect(stage.http.asked).toHaveLength(1);
  });

  it('asks for what peers say that they hold once none of it came for ten seconds', async () => {
    const stage = await begun({ rules: LATER });
    const liar = stage.join('liar');
    // A little now and then keeps it from stalling.
    const [first = 0] = liar.requests;
    for (let i = 0; stage.http.asked.length === 0 && i < 60; i++) {
      await stage.send(liar, first, SAMPLE.chunk(first).subarray(0, 1024), 0);
      later(stage, 1000);
    }
    expect(stage.now).toBeGreaterThanOrEqual(10_000);
    expect(stage.now).toBeLessThan(20_000);
    // Each waits for its turn: two devices are known.
    for (let i = 0; i < 20 && !stage.transfer.complete; i++) {
      await serve(stage);
      later(stage, 1000);
    }
    await stage.settle();
    expect(stage.row).toMatchObject({ state: 'complete', fromHttp: SAMPLE.bytes.length });
  });

  it('waits for the time that is set before it asks', async () => {
    const stage = await begun({ rules: { ...NO_PEER, afterMs: 10_000 } });
    expect(stage.http.asked).toEqual([]);
    stage.now = 9_999;
    stage.tick();
    expect(stage.http.asked).toEqual([]);
    stage.now = 20_000;
    stage.tick();
    expect(stage.http.asked).toHaveLength(1);
  });

  it('waits for its turn where it has heard of many others', async () => {
    const stage = await begun({ rules: LATER });
    for (let i = 0; i < 200; i++) stage.transfer.heard.heard(`cam-${i}`, 0);
    later(stage, 200);
    expect(stage.http.asked).toEqual([]);
    const due = stage.transfer.nextDeadline();
    expect(due).toBeGreaterThan(200);
    expect(due).toBeLessThanOrEqual(200 + 200 * TURN_MS_PER_DEVICE);
    later(stage, due - stage.now - 1);
    expect(stage.http.asked).toEqual([]);
    later(stage, 1);
    expect(stage.http.asked).toHaveLength(1);
  });
});

describe('P-11.4 who has the first chunk of all', () => {
  it('says so, and waits for others to come for it where there are any', async () => {
    const stage = await begun({ rules: LATER });
    stage.transfer.heard.heard('cam-2', 0);
    for (let i = 0; i < 5; i++) stage.transfer.announcer.announced(0);
    later(stage, 600);
    const before = stage.transfer.announcer.due;
    stage.http.last.send(SAMPLE.bytes);
    await stage.settle();
    await stage.settle();
    expect(stage.transfer.announcer.due).toBeLessThan(before);
    later(stage, MEET_MS - 1);
    expect(stage.http.asked).toHaveLength(1);
    stage.join('cam-2', new Bitfield(8));
    later(stage, 300);
    expect(stage.http.asked).toHaveLength(2);
  });

  it('waits no longer than that', async () => {
    const stage = await begun({ rules: LATER });
    stage.transfer.heard.heard('cam-2', 0);
    later(stage, 600);
    stage.http.last.send(SAMPLE.bytes);
    await stage.settle();
    await stage.settle();
    later(stage, MEET_MS + 300);
    expect(stage.http.asked).toHaveLength(2);
  });
});

describe('P-11.3 other rules', () => {
  it('never: nothing is asked', async () => {
    const stage = await begun({ rules: { ...NO_PEER, use: 'never' } });
    stage.now = 1e6;
    stage.tick();
    expect(stage.http.asked).toEqual([]);
  });

  it('always: the server is asked beside peers', async () => {
    const stage = await TransferStage.start(SAMPLE, { urls: [A], rules: ALWAYS });
    const peer = stage.join('peer');
    stage.tick();
    expect(peer.requests.length).toBeGreaterThan(0);
    expect(stage.http.asked).toHaveLength(1);
  });

  it('up to so many bytes: whole chunks, and not one more', async () => {
    const stage = await begun({ rules: { ...NO_PEER, maxBytes: 3.5 * CHUNK } });
    await serve(stage);
    stage.now = 1e6;
    stage.tick();
    expect(stage.row).toMatchObject({ state: 'fetching', fromHttp: 3 * CHUNK, held: 3 });
  });

  it('no URLs: nothing is asked, until a trust message names some', async () => {
    const stage = await begun({ urls: [] });
    expect([stage.http.asked, stage.transfer.nextDeadline()]).toEqual([[], Number.POSITIVE_INFINITY]);
    stage.transfer.follow([{ rollout: { ...SAMPLE.rollout, urls: [B] }, groups: ['cameras'] }]);
    expect(urls(stage)).toEqual([B]);
  });
});

describe('outside of its hours', () => {
  it('a device ends its request, counts nothing against the server, and waits anew when they begin', async () => {
    const stage = await begun({ rules: { ...NO_PEER, afterMs: 1000 } });
    stage.now = 2_000;
    stage.tick();
    stage.http.last.send(SAMPLE.bytes, CHUNK / 2);
    stage.transfer.pause(true);
    await stage.settle();
    expect([stage.http.last.signal.aborted, stage.warnings, stage.row.wasted]).toEqual([true, [], CHUNK / 2]);
    stage.now = 1e6;
    stage.tick();
    expect([stage.http.asked.length, stage.row.state]).toEqual([1, 'paused']);
    stage.transfer.pause(false);
    stage.tick();
    expect(stage.http.asked).toHaveLength(1);
    stage.now += 2_000;
    stage.tick();
    expect(urls(stage)).toEqual([A, A]);
    await serve(stage);
    expect(stage.row.state).toBe('complete');
  });

  it('a device that starts paused asks for nothing', async () => {
    const stage = await begun({ paused: true });
    stage.now = 1e6;
    stage.tick();
    expect(stage.http.asked).toEqual([]);
  });
});

describe('P-11.5 a server that fails', () => {
  it.each(['E_HTTP_NOT_FOUND', 'E_HTTP_TLS', 'E_HTTP_TRUNCATED', 'E_HTTP_NO_RANGE'] as const)(
    '%s: it is told of once, its URL rests, and the next takes over with what is missing',
    async (code) => {
      const stage = await begun();
      stage.http.last.send(SAMPLE.bytes, 1.5 * CHUNK);
      stage.http.last.fail(failure(code));
      await stage.settle();
      expect([codes(stage), urls(stage)]).toEqual([[code], [A, B]]);
      expect(stage.row.wasted).toBe(CHUNK / 2);
      await serve(stage);
      expect(stage.row).toMatchObject({ state: 'complete', fromHttp: SAMPLE.bytes.length, wasted: CHUNK / 2 });
    },
  );

  it('is asked again after a rest where it is the only one, and its failure is in the status until then', async () => {
    const stage = await begun({ urls: [A] });
    stage.http.last.fail(failure('E_HTTP_UNREACHABLE'));
    await stage.settle();
    expect([stage.row.error, stage.http.asked.length]).toEqual(['E_HTTP_UNREACHABLE', 1]);
    stage.now = FIRST_URL_REST_MS;
    stage.tick();
    expect(stage.http.asked).toHaveLength(2);
    await serve(stage);
    expect(stage.row).toMatchObject({ state: 'complete', error: '' });
    expect(codes(stage)).toEqual(['E_HTTP_UNREACHABLE']);
  });

  it('P-11.2: is left its own patience, longer than that with peers', async () => {
    const stage = await begun({ urls: [A] });
    stage.now = STALL_MS;
    stage.tick();
    await stage.settle();
    expect([codes(stage), stage.http.last.signal.aborted]).toEqual([[], false]);
  });

  it('that lies is told of once and not asked again, however long', async () => {
    const stage = await begun({ urls: [A] });
    stage.http.last.send(Buffer.alloc(SAMPLE.bytes.length));
    await vi.waitFor(() => expect(codes(stage)).toEqual(['E_HTTP_WRONG_BYTES']));
    await stage.settle();
    for (stage.now = 0; stage.now < 1e7; stage.now += 1e5) stage.tick();
    expect([stage.http.asked.length, stage.row.error, stage.row.fromHttp]).toEqual([
      1,
      'E_HTTP_WRONG_BYTES',
      undefined,
    ]);
    expect(stage.row.wasted).toBeGreaterThan(0);
  });

  it('that lies in the middle of a request is cut off there, and the next takes over', async () => {
    const stage = await begun();
    const wrong = Buffer.from(SAMPLE.bytes);
    const { first } = stage.http.last.wanted;
    wrong.fill(0, first, first + CHUNK);
    stage.http.last.send(wrong, CHUNK);
    await stage.settle();
    await stage.settle();
    expect([stage.http.asked[0]?.signal.aborted, urls(stage)]).toEqual([true, [A, B]]);
    await serve(stage);
    expect(stage.row).toMatchObject({ state: 'complete', wasted: CHUNK });
    expect(codes(stage)).toEqual(['E_HTTP_WRONG_BYTES']);
  });

  it('that has another index is not asked for it again, and the next is', async () => {
    const stage = await begun({ indexed: false });
    stage.http.last.send(Buffer.alloc(INDEX.length));
    await stage.settle();
    await stage.settle();
    expect(urls(stage)).toEqual([`${A}.cmix`, 'https://b.example/file.img.cmix?key=1']);
    await serve(stage);
    expect(stage.row).toMatchObject({ state: 'complete', wasted: INDEX.length });
  });
});

describe('beside peers', () => {
  it('a request ends where others have brought all of it, and the server is not to blame', async () => {
    const stage = await begun({ rules: ALWAYS });
    const { last } = stage.http;
    last.send(SAMPLE.bytes, 1000);
    const peer = stage.join('peer');
    for (stage.now = 0; !stage.transfer.complete && stage.now < 60_000; stage.now += 500) {
      last.signal.aborted || last.send(SAMPLE.bytes, 300);
      for (const chunk of peer.requests.splice(0)) await stage.send(peer, chunk);
      stage.tick();
      await stage.settle();
    }
    expect(stage.row).toMatchObject({ state: 'complete', fromPeers: SAMPLE.bytes.length });
    expect([last.signal.aborted, stage.warnings]).toEqual([true, []]);
    expect(stage.row.wasted).toBeGreaterThanOrEqual(1000);
  });

  it('a store that failed ends what is under way, and it is asked for again later', async () => {
    const stage = await begun();
    stage.stored.failure = failure('E_DISK_FULL');
    stage.http.last.send(SAMPLE.bytes, CHUNK);
    await stage.settle();
    expect([codes(stage), stage.row.state]).toEqual([['E_DISK_FULL'], 'blocked']);
    stage.stored.failure = undefined;
    stage.http.last.send(SAMPLE.bytes);
    await stage.settle();
    for (stage.now = 0; !stage.transfer.complete && stage.now < 60_000; stage.now += 1000) {
      stage.tick();
      if (!stage.transfer.complete) stage.http.last.send(SAMPLE.bytes);
      await stage.settle();
    }
    expect(stage.row).toMatchObject({ state: 'complete', fromHttp: SAMPLE.bytes.length });
    expect(codes(stage)).toEqual(['E_DISK_FULL']);
  });

  it('nothing is left under way when the transfer ends', async () => {
    const stage = await begun();
    await stage.transfer.stop(1);
    expect(stage.http.last.signal.aborted).toBe(true);
    stage.now = 1e6;
    stage.tick();
    expect(stage.http.asked).toHaveLength(1);
  });
});

import { describe, expect, it } from 'vitest';
import { STARVED_MS, UNUSED_MS } from '../../../agent/swarm/limits.js';
import { INDEX_CHUNK } from '../../../shared/limits.js';
import { ALWAYS, NO_PEER } from '../../support/fake_http.js';
import { sampleArtifact } from '../../support/memory_artifact.js';
import { type StageOptions, TransferStage } from '../../support/transfer_stage.js';

const SAMPLE = sampleArtifact(8);
const URL = 'http://a.example/file.img';
const ALL = Number.POSITIVE_INFINITY;

const yielding = (over: StageOptions = {}): Promise<TransferStage> =>
  TransferStage.start(SAMPLE, { allowance: 0, ...over });

/** Time passes, and the agent's timer with it. */
function later(stage: TransferStage, ms: number): void {
  for (const until = stage.now + ms; stage.now < until; ) {
    stage.now = Math.min(until, stage.now + 500);
    stage.transfer.tick();
    stage.flush();
  }
}

describe('P-10.12: a transfer that another one comes before', () => {
  it('asks its peers for the index and for nothing else, and for all that it may once it may', async () => {
    const stage = await yielding({ indexed: false });
    const peer = stage.join('peer');
    await stage.send(peer, INDEX_CHUNK);
    later(stage, 1_000);
    expect(peer.requests).toEqual([INDEX_CHUNK]);
    stage.allowance = 1;
    later(stage, 500);
    expect(peer.requests).toHaveLength(2);
    stage.allowance = ALL;
    later(stage, 500);
    expect(peer.requests.length).toBeGreaterThan(2);
  });

  it('asks no HTTP server for chunks, though it may be asked always', async () => {
    const stage = await yielding({ urls: [URL], rules: ALWAYS });
    later(stage, 30_000);
    expect(stage.http.asked).toEqual([]);
    stage.allowance = ALL;
    later(stage, 500);
    expect(stage.http.asked).toHaveLength(1);
  });

  it('lets what it asked for come in, of peers and of servers', async () => {
    const stage = await TransferStage.start(SAMPLE, { urls: [URL], rules: ALWAYS });
    const peer = stage.join('peer');
    stage.transfer.tick();
    stage.allowance = 0;
    later(stage, 500);
    expect([stage.http.last.signal.aborted, peer.cancels]).toEqual([false, []]);
    for (const chunk of peer.requests.splice(0)) await stage.send(peer, chunk);
    stage.http.last.send(SAMPLE.bytes);
    await stage.settle();
    const { fromPeers, fromHttp } = stage.row;
    expect(Math.min(fromPeers, fromHttp ?? 0)).toBeGreaterThan(0);
    expect(stage.transfer.contender).toMatchObject({ received: fromPeers + (fromHttp ?? 0), outstanding: 0 });
  });

  it('is fed as far as others need to know: it looks for no other peers, and takes to no server when its turn comes', async () => {
    const stage = await yielding({ urls: [URL], rules: NO_PEER });
    const peer = stage.join('peer');
    later(stage, 3 * STARVED_MS);
    expect([stage.transfer.lonely, stage.row.error]).toEqual([false, '']);
    stage.allowance = ALL;
    later(stage, UNUSED_MS - 1_000);
    expect([stage.transfer.lonely, stage.http.asked.length]).toEqual([false, 0]);
    expect(peer.requests.length).toBeGreaterThan(0);
    // It had time to bring something since it is asked (P-10.3).
    later(stage, 2_000);
    expect(stage.transfer.lonely).toBe(true);
  });

  it('looks for no peer while it may ask for nothing, with no session either, and for one that has its index while it has none', async () => {
    const stage = await yielding();
    expect(stage.transfer.lonely).toBe(false);
    for (const allowance of [1, ALL]) {
      stage.allowance = allowance;
      expect(stage.transfer.lonely).toBe(true);
    }
    const ignorant = await yielding({ indexed: false });
    expect(ignorant.transfer.lonely).toBe(true);
  });

  it.each([[[]], [[URL]]])('has its 10 s although nothing was due while it yielded (URLs: %j)', async (urls) => {
    const stage = await yielding({ urls, rules: NO_PEER });
    const peers = Array.from({ length: 12 }, (_, i) => stage.join(`p${i}`));
    for (; stage.now < 6 * STARVED_MS; stage.now += 500) stage.tick();
    stage.allowance = ALL;
    stage.transfer.tick();
    stage.transfer.makeRoom();
    expect([stage.transfer.lonely, stage.http.asked.length]).toEqual([false, 0]);
    expect(peers.filter(({ closed }) => closed !== null)).toEqual([]);
  });

  it('P-11.4: waits for a turn anew once it may ask: in a fleet many do at the same moment', async () => {
    let asked = 0;
    for (let seed = 1; seed <= 20; seed++) {
      const stage = await yielding({ urls: [URL], rules: NO_PEER, seed });
      // Turns of 100 s.
      for (let i = 0; i < 400; i++) stage.transfer.heard.heard(`d${i}`, 0);
      later(stage, 300_000);
      expect(stage.http.asked).toEqual([]);
      stage.allowance = ALL;
      later(stage, 1_000);
      asked += stage.http.asked.length;
      later(stage, 100_000);
      expect(stage.http.asked.length).toBeGreaterThan(0);
    }
    expect(asked).toBeLessThan(5);
  });

  it('contends for nothing while it has no index, or outside of its hours, or once it is complete', async () => {
    const stage = await TransferStage.start(SAMPLE, { indexed: false });
    const wants = (): boolean => stage.transfer.contender.wants;
    expect(wants()).toBe(false);
    const peer = stage.join('peer');
    await stage.send(peer, INDEX_CHUNK);
    expect(wants()).toBe(true);
    stage.transfer.pause(true);
    expect(wants()).toBe(false);
    stage.transfer.pause(false);
    const again = stage.join('again');
    while (!stage.transfer.complete) for (const chunk of again.requests.splice(0)) await stage.send(again, chunk);
    expect(stage.transfer.contender).toMatchObject({ rank: 5, wants: false, outstanding: 0 });
  });
});

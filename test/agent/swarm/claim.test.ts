import { describe, expect, it } from 'vitest';
import { ENDGAME_AGE_MS, MAX_OUTSTANDING_BYTES, MIN_PIPELINE_BYTES, STALL_MS } from '../../../agent/swarm/limits.js';
import { Swarm, type SwarmAction } from '../../../agent/swarm/swarm.js';
import { Bitfield } from '../../../shared/artifact/bitfield.js';
import { SeededRandom } from '../../sim/random.js';

const CHUNK = 64 * 1024;
const HTTP = 'http:';
const ALL = Number.POSITIVE_INFINITY;

function make(chunks: number, { length = CHUNK, seed = 1 } = {}) {
  const held = new Bitfield(chunks);
  const verifying = new Set<number>();
  const random = new SeededRandom(seed);
  const swarm = new Swarm({
    ...{ held, verifying, chunkLength: () => length },
    ...{ random: () => random.next(), frugal: () => false, self: 'self' },
  });
  swarm.addSource(HTTP);
  return { swarm, held, verifying };
}

function join(swarm: Swarm, id: string, ...chunks: number[]): void {
  swarm.addPeer(id, false);
  for (const chunk of chunks) swarm.onHave(id, chunk, Uint8Array.of(0x80));
}

const requests = (actions: SwarmAction[], peer: string): number[] =>
  actions.filter((one) => one.kind === 'request' && one.peer === peer).map(({ chunk }) => chunk);

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

describe('Swarm.claim', () => {
  it('gives neighbours, in order, up to so many bytes, that nobody was asked for', () => {
    const { swarm } = make(256);
    const run = swarm.claim(HTTP, 0, 3 * CHUNK + 1, true);
    expect(run).toEqual(range(run[0] ?? -1, (run[0] ?? -1) + 3));
    const next = swarm.claim(HTTP, 0, 3 * CHUNK, true);
    expect(next.filter((chunk) => run.includes(chunk))).toEqual([]);
  });

  it('gives one chunk however long, and ends at the end of the artifact, whatever its number of chunks', () => {
    for (const chunks of [1, 7, 8, 9, 13]) {
      expect(make(chunks).swarm.claim(HTTP, 0, 1, true)).toHaveLength(1);
      const { swarm, held } = make(chunks);
      const claimed = new Set<number>();
      for (let run = swarm.claim(HTTP, 0, ALL, true); run.length > 0; run = swarm.claim(HTTP, 0, ALL, true)) {
        for (const chunk of run) claimed.add(chunk);
      }
      expect([...claimed].sort((a, b) => a - b)).toEqual(range(0, held.length));
    }
  });

  it('begins elsewhere on another device', () => {
    const first = new Set(range(1, 21).map((seed) => make(1024, { seed }).swarm.claim(HTTP, 0, 1, true)[0]));
    expect(first.size).toBeGreaterThan(15);
  });

  it('leaves out what is held, being verified, or asked of a peer', () => {
    const { swarm, held, verifying } = make(8);
    held.set(0);
    verifying.add(1);
    join(swarm, 'a', 2, 3);
    expect(requests(swarm.schedule(0), 'a').sort()).toEqual([2, 3]);
    const claimed = [swarm.claim(HTTP, 0, ALL, false), swarm.claim(HTTP, 0, ALL, false)].flat();
    expect(claimed.sort()).toEqual([4, 5, 6, 7]);
  });

  it('P-11.3: leaves to peers what they hold, though they were not asked for it yet', () => {
    const { swarm } = make(16);
    join(swarm, 'a', ...range(0, 12));
    swarm.schedule(0);
    expect(swarm.hasClaimable(true)).toBe(true);
    const claimed = [swarm.claim(HTTP, 0, ALL, true), swarm.claim(HTTP, 0, ALL, true)].flat();
    expect(claimed.sort((a, b) => a - b)).toEqual([12, 13, 14, 15]);
    expect(swarm.hasClaimable(true)).toBe(false);
    expect(swarm.claim(HTTP, 0, ALL, false).length).toBeGreaterThan(0);
  });

  it('counts a peer that rests as one that holds nothing', () => {
    const { swarm } = make(4);
    join(swarm, 'a', 0, 1, 2, 3);
    swarm.schedule(0);
    expect(swarm.hasClaimable(true)).toBe(false);
    expect(swarm.schedule(STALL_MS).filter(({ kind }) => kind === 'cancel')).toHaveLength(4);
    expect(swarm.claim(HTTP, STALL_MS, ALL, true).length).toBeGreaterThan(0);
  });

  it('P-10.4: gives in the end what others owe for too long, one at a time, where more than the unheld may be asked', () => {
    const { swarm, held } = make(2);
    held.set(1);
    join(swarm, 'a', 0);
    swarm.schedule(0);
    expect(swarm.claim(HTTP, ENDGAME_AGE_MS - 1, ALL, false)).toEqual([]);
    expect(swarm.claim(HTTP, ENDGAME_AGE_MS, ALL, true)).toEqual([]);
    expect(swarm.claim(HTTP, ENDGAME_AGE_MS, ALL, false)).toEqual([0]);
    expect(swarm.claim(HTTP, 10 * ENDGAME_AGE_MS, ALL, false)).toEqual([]);
  });

  it('bounds what is outstanding with the requests of peers', () => {
    const length = 8 * 2 ** 20;
    const { swarm } = make(100, { length });
    for (let bytes = 0; bytes < MAX_OUTSTANDING_BYTES; bytes += length) {
      expect(swarm.claim(HTTP, 0, 1, true)).toHaveLength(1);
    }
    expect(swarm.claim(HTTP, 0, 1, true)).toEqual([]);
    join(swarm, 'a', ...range(0, 100));
    expect(requests(swarm.schedule(0), 'a')).toEqual([]);
  });

  it('gives nothing to who is not there, nor when all is held', () => {
    const { swarm, held } = make(1);
    expect(swarm.claim('stranger', 0, ALL, true)).toEqual([]);
    held.set(0);
    expect([swarm.claim(HTTP, 0, ALL, true), swarm.claim(HTTP, 0, ALL, false)]).toEqual([[], []]);
    expect([swarm.hasClaimable(true), swarm.hasClaimable(false)]).toEqual([false, false]);
  });
});

describe('what was claimed', () => {
  it('is asked of no peer, and P-11.2: left to the patience of who asks the server', () => {
    const { swarm } = make(4);
    const run = swarm.claim(HTTP, 0, ALL, true);
    expect(swarm.nextDeadline()).toBe(ALL);
    expect(swarm.schedule(2 * STALL_MS)).toEqual([]);
    for (const chunk of run) expect(swarm.isAsked(HTTP, chunk)).toBe(true);
    join(swarm, 'a', 0, 1, 2, 3);
    const free = range(0, 4).filter((chunk) => !run.includes(chunk));
    if (free.length > 0) expect(requests(swarm.schedule(2 * STALL_MS), 'a').sort()).toEqual(free);
  });

  it('does not stall while bytes come', () => {
    const { swarm } = make(64);
    swarm.claim(HTTP, 0, ALL, true);
    for (let now = 0; now < 4 * STALL_MS; now += 1000) {
      swarm.onBytes(HTTP, 0, 2048, now);
      expect(swarm.schedule(now)).toEqual([]);
    }
  });

  it('P-10.4: is asked of an idle peer that holds it, once it is old; who is first has the other told', () => {
    const { swarm, held } = make(1);
    expect(swarm.claim(HTTP, 0, ALL, true)).toEqual([0]);
    join(swarm, 'a', 0);
    expect(swarm.schedule(ENDGAME_AGE_MS - 1)).toEqual([]);
    expect(requests(swarm.schedule(ENDGAME_AGE_MS), 'a')).toEqual([0]);
    held.set(0);
    expect(swarm.onVerified('a', 0, ENDGAME_AGE_MS + 1)).toEqual([{ kind: 'cancel', peer: HTTP, chunk: 0 }]);
  });

  it('is measured as what peers bring: a run is as long as what comes in a second', () => {
    const { swarm, held } = make(1024);
    expect(swarm.peers.get(HTTP)?.pipelineBytes).toBe(MIN_PIPELINE_BYTES);
    for (let now = 0; now < 2000; now += 50) {
      for (const chunk of swarm.claim(HTTP, now, 1, true)) {
        held.set(chunk);
        swarm.onVerified(HTTP, chunk, now + 50);
      }
    }
    const { pipelineBytes = 0 } = swarm.peers.get(HTTP) ?? {};
    expect(pipelineBytes).toBeGreaterThan(CHUNK * 15);
    expect(pipelineBytes).toBeLessThan(CHUNK * 25);
  });
});

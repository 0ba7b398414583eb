import { describe, expect, it } from 'vitest';
import {
  ENDGAME_AGE_MS,
  LATE_FACTOR,
  MAX_LATE_MS,
  MAX_OUTSTANDING_BYTES,
  MIN_LATE_MS,
  MIN_PIPELINE_BYTES,
  REST_MS,
  STALL_BYTES,
  STALL_MS,
} from '../../../agent/swarm/limits.js';
import { Swarm, type SwarmAction } from '../../../agent/swarm/swarm.js';
import { Bitfield } from '../../../shared/artifact/bitfield.js';
import { SeededRandom } from '../../sim/random.js';

function seededRandom(seed: number): () => number {
  const generator = new SeededRandom(seed);
  return () => generator.next();
}

const CHUNK = 64 * 1024;

function make(
  chunks: number,
  length = CHUNK,
  frugal = false,
): { swarm: Swarm; held: Bitfield; verifying: Set<number> } {
  const held = new Bitfield(chunks);
  const verifying = new Set<number>();
  return {
    held,
    verifying,
    swarm: new Swarm({
      held,
      verifying,
      chunkLength: () => length,
      random: seededRandom(1),
      frugal: () => frugal,
      self: 'self',
    }),
  };
}

function join(swarm: Swarm, id: string, have: Bitfield): void {
  swarm.addPeer(id, false);
  swarm.onHave(id, 0, have.toBytes());
}

const requests = (actions: SwarmAction[], peer?: string): number[] =>
  actions.filter((a) => a.kind === 'request' && (peer === undefined || a.peer === peer)).map((a) => a.chunk);

function verify(swarm: Swarm, held: Bitfield, peer: string, chunk: number, now: number): SwarmAction[] {
  held.set(chunk);
  return swarm.onVerified(peer, chunk, now);
}

describe('Swarm', () => {
  it('P-10.4: asks each chunk of one peer, and fills each pipeline', () => {
    const { swarm } = make(100);
    join(swarm, 'a', Bitfield.full(100));
    join(swarm, 'b', Bitfield.full(100));
    const asked = requests(swarm.schedule(0));
    expect(new Set(asked).size).toBe(asked.length);
    expect(asked.length).toBe((2 * MIN_PIPELINE_BYTES) / CHUNK);
    expect(swarm.schedule(1)).toEqual([]);
  });

  it('asks only for what a peer holds and this device lacks', () => {
    const { swarm, held } = make(8);
    held.set(1);
    const have = new Bitfield(8);
    for (const chunk of [1, 2, 5]) have.set(chunk);
    join(swarm, 'a', have);
    expect(requests(swarm.schedule(0)).sort()).toEqual([2, 5]);
  });

  it('P-7.6: adds the bits of every HAVE', () => {
    const { swarm } = make(16);
    swarm.addPeer('a', false);
    swarm.onHave('a', 8, Uint8Array.of(0x80));
    swarm.onHave('a', 3, Uint8Array.of(0x80));
    swarm.onHave('nobody', 0, Uint8Array.of(0xff));
    expect(requests(swarm.schedule(0)).sort()).toEqual([3, 8]);
  });

  it('bounds what is outstanding over all peers, whatever the size of a chunk', () => {
    const { swarm } = make(64, MAX_OUTSTANDING_BYTES);
    join(swarm, 'a', Bitfield.full(64));
    join(swarm, 'b', Bitfield.full(64));
    expect(requests(swarm.schedule(0))).toHaveLength(1);
  });

  it('gives what a stalled peer owes to another, and lets it rest', () => {
    const { swarm } = make(4);
    join(swarm, 'a', Bitfield.full(4));
    expect(requests(swarm.schedule(0))).toHaveLength(4);
    swarm.onBytes('a', 0, STALL_BYTES - 1, 50);
    swarm.onBytes('a', 0, 1, 100);
    expect(swarm.nextDeadline()).toBe(100 + STALL_MS);
    expect(swarm.schedule(99 + STALL_MS)).toEqual([]);
    join(swarm, 'b', Bitfield.full(4));
    const actions = swarm.schedule(100 + STALL_MS);
    expect(actions.filter((a) => a.kind === 'cancel' && a.peer === 'a')).toHaveLength(4);
    expect(requests(actions, 'b')).toHaveLength(4);
    expect(requests(actions, 'a')).toEqual([]);
    swarm.removePeer('b');
    // Past or not, it stays due until it was scheduled: who wakes late must still find it.
    expect(swarm.nextDeadline()).toBe(100 + STALL_MS + REST_MS);
    expect(requests(swarm.schedule(100 + STALL_MS + REST_MS), 'a')).toHaveLength(1);
    expect(swarm.nextDeadline()).toBe(100 + STALL_MS + REST_MS + STALL_MS);
  });

  it('P-10.4: lets a peer rest twice as long each time that it stalls again, until it brings a chunk', () => {
    const { swarm, held } = make(9);
    join(swarm, 'a', Bitfield.full(9));
    const rests: number[] = [];
    let now = 0;
    for (let i = 0; i < 6; i++) {
      swarm.schedule(now);
      now += STALL_MS;
      swarm.schedule(now);
      rests.push(swarm.nextDeadline() - now);
      now = swarm.nextDeadline();
    }
    expect(rests).toEqual([1, 2, 4, 8, 16, 16].map((times) => times * REST_MS));
    const [chunk = -1] = requests(swarm.schedule(now), 'a');
    verify(swarm, held, 'a', chunk, now + 1);
    swarm.schedule(now + 1);
    swarm.schedule(now + 1 + STALL_MS);
    expect(swarm.nextDeadline()).toBe(now + 1 + STALL_MS + REST_MS);
  });

  it('tells who stalls, who is late, and who does not hold what it claimed', () => {
    const told: string[] = [];
    const held = new Bitfield(2);
    const swarm = new Swarm({
      ...{ held, verifying: new Set(), chunkLength: () => CHUNK, random: () => 0, frugal: () => false, self: 'self' },
      misbehaved: (peer, how) => told.push(`${peer} ${how}`),
    });
    join(swarm, 'a', Bitfield.full(2));
    const [first = -1] = requests(swarm.schedule(0));
    swarm.onReject('a', first, true, 1);
    swarm.onReject('a', first, true, 1);
    swarm.schedule(STALL_MS);
    expect(told).toEqual(['a false-have', 'a stalled']);
    // A source that is no peer is nobody to name.
    swarm.addSource('http:');
    swarm.schedule(2 * STALL_MS);
    const [chunk = -1] = swarm.claim('http:', 2 * STALL_MS, CHUNK, false);
    join(swarm, 'b', Bitfield.full(2));
    swarm.schedule(4 * STALL_MS);
    verify(swarm, held, 'b', chunk, 5 * STALL_MS);
    expect(told.filter((line) => line.startsWith('http:'))).toEqual([]);
  });

  it('is not fooled by a byte now and then', () => {
    const { swarm } = make(4);
    join(swarm, 'a', Bitfield.full(4));
    swarm.schedule(0);
    for (let now = 1000; now < STALL_MS; now += 1000) swarm.onBytes('a', 0, 1, now);
    expect(swarm.schedule(STALL_MS).filter((a) => a.kind === 'cancel')).toHaveLength(4);
  });

  it('frees the chunks of a peer that left', () => {
    const { swarm } = make(4);
    join(swarm, 'a', Bitfield.full(4));
    swarm.schedule(0);
    swarm.removePeer('a');
    join(swarm, 'b', Bitfield.full(4));
    expect(requests(swarm.schedule(1), 'b')).toHaveLength(4);
  });

  it('P-7.8: a busy peer rests, and one that does not hold the chunk is not asked for it again', () => {
    const { swarm } = make(2);
    join(swarm, 'a', Bitfield.full(2));
    swarm.schedule(0);
    swarm.onReject('a', 0, true, 1);
    swarm.onReject('a', 1, false, 1);
    expect(swarm.schedule(2)).toEqual([]);
    expect(requests(swarm.schedule(1 + REST_MS))).toEqual([1]);
  });

  it('doubles a request in the endgame only, only when it is old, and cancels the loser', () => {
    const { swarm, held } = make(1);
    join(swarm, 'a', Bitfield.full(1));
    swarm.schedule(0);
    swarm.onBytes('a', 0, 1, 10);
    join(swarm, 'b', Bitfield.full(1));
    join(swarm, 'c', Bitfield.full(1));
    expect(swarm.schedule(ENDGAME_AGE_MS - 1)).toEqual([]);
    expect(swarm.schedule(ENDGAME_AGE_MS + 1)).toEqual([{ kind: 'request', peer: 'b', chunk: 0 }]);
    expect(swarm.schedule(ENDGAME_AGE_MS * 2 + 3)).toEqual([]);
    expect(verify(swarm, held, 'b', 0, 2000)).toEqual([{ kind: 'cancel', peer: 'a', chunk: 0 }]);
    expect(swarm.complete).toBe(true);
    expect(swarm.schedule(9000)).toEqual([]);
  });

  it('P-10.4: asks a further peer when every request for a chunk is late: each of those that trickle costs MAX_LATE_MS at most', () => {
    const { swarm } = make(1);
    const peers = Array.from({ length: 12 }, (_, i) => `p${i}`);
    for (const peer of peers) join(swarm, peer, Bitfield.full(1));
    const askedAt: number[] = [];
    for (let now = 0; now < 20 * MAX_LATE_MS; now += 500) {
      for (const peer of peers) if (swarm.isAsked(peer, 0)) swarm.onBytes(peer, 0, 1000, now);
      for (const { kind } of swarm.schedule(now)) if (kind === 'request') askedAt.push(now);
    }
    expect(askedAt.slice(0, 3)).toEqual([0, ENDGAME_AGE_MS, ENDGAME_AGE_MS + MAX_LATE_MS]);
    expect(askedAt).toHaveLength(12);
    expect(askedAt.at(-1)).toBe(ENDGAME_AGE_MS + 10 * MAX_LATE_MS);
  });

  it.each([
    ['much faster than the least wait', 1, MIN_LATE_MS],
    ['in between', 1000, LATE_FACTOR * 1000],
    ['much slower than the most', 60_000, MAX_LATE_MS],
  ])('knows what is late by what the best peer delivers: %s', (_what, perChunkMs, late) => {
    const { swarm, held } = make(3);
    join(swarm, 'a', Bitfield.full(3));
    const [first = -1, second = -1, third = -1] = requests(swarm.schedule(0));
    verify(swarm, held, 'a', first, perChunkMs);
    verify(swarm, held, 'a', second, 2 * perChunkMs);
    const now = 2 * perChunkMs;
    const only = new Bitfield(3);
    only.set(third);
    for (const peer of ['b', 'c']) join(swarm, peer, only);
    const asked: number[] = [];
    for (let at = now; asked.length < 2 && at < 3_600_000; at = swarm.nextDeadline()) {
      for (const peer of ['a', 'b', 'c']) if (swarm.isAsked(peer, third)) swarm.onBytes(peer, third, STALL_BYTES, at);
      if (requests(swarm.schedule(at)).length > 0) asked.push(at);
    }
    expect((asked[1] ?? 0) - (asked[0] ?? 0)).toBe(late);
  });

  it('P-10.4: over a metered link asks for nothing twice of who brings chunk after chunk, however deep its pipeline', () => {
    const { swarm, held } = make(4, CHUNK, true);
    join(swarm, 'a', Bitfield.full(4));
    const asked = requests(swarm.schedule(0), 'a');
    expect(asked).toHaveLength(4);
    join(swarm, 'b', Bitfield.full(4));
    for (const [i, chunk] of asked.entries()) {
      const now = (i + 1) * (MAX_LATE_MS - 1);
      for (let at = now - MAX_LATE_MS; at <= now; at += 1000) {
        swarm.onBytes('a', 0, STALL_BYTES, at);
        expect(swarm.schedule(at)).toEqual([]);
      }
      expect(verify(swarm, held, 'a', chunk, now)).toEqual([]);
    }
    expect(swarm.complete).toBe(true);
  });

  it('P-10.4: over a metered link asks one more each time that nobody who was asked brought a chunk in MAX_LATE_MS', () => {
    const { swarm } = make(1, CHUNK, true);
    const peers = ['a', 'b', 'c'];
    for (const peer of peers) join(swarm, peer, Bitfield.full(1));
    const askedAt: number[] = [];
    for (let now = 0; now < 10 * MAX_LATE_MS; now += 500) {
      for (const peer of peers) if (swarm.isAsked(peer, 0)) swarm.onBytes(peer, 0, 1000, now);
      for (const { kind } of swarm.schedule(now)) if (kind === 'request') askedAt.push(now);
      if (askedAt.length < 3) expect(swarm.nextDeadline()).toBeLessThanOrEqual(now + MAX_LATE_MS);
    }
    expect(askedAt).toEqual([0, MAX_LATE_MS, 2 * MAX_LATE_MS]);
  });

  it('is due when a request is old enough to be asked of an idle peer, without another event', () => {
    const { swarm } = make(1);
    join(swarm, 'a', Bitfield.full(1));
    swarm.schedule(0);
    join(swarm, 'b', Bitfield.full(1));
    swarm.schedule(10);
    expect(swarm.nextDeadline()).toBe(ENDGAME_AGE_MS);
    expect(requests(swarm.schedule(ENDGAME_AGE_MS), 'b')).toEqual([0]);
  });

  it('asks a peer whose request another answered first after the others, and for one chunk, until it delivers', () => {
    const { swarm, held } = make(9);
    const mine = new Bitfield(9);
    mine.set(0);
    join(swarm, 'slow', mine);
    swarm.schedule(0);
    join(swarm, 'good', mine);
    expect(requests(swarm.schedule(2 * ENDGAME_AGE_MS), 'good')).toEqual([0]);
    verify(swarm, held, 'good', 0, 3 * ENDGAME_AGE_MS);
    for (const peer of ['slow', 'good']) swarm.onHave(peer, 0, Bitfield.full(9).toBytes());
    const actions = swarm.schedule(4 * ENDGAME_AGE_MS);
    expect(actions[0]?.peer).toBe('good');
    const [chunk = -1, ...more] = requests(actions, 'slow');
    expect(more).toEqual([]);
    verify(swarm, held, 'slow', chunk, 4 * ENDGAME_AGE_MS + 1);
    expect(requests(swarm.schedule(4 * ENDGAME_AGE_MS + 2), 'slow').length).toBeGreaterThan(1);
  });

  it('does not hold it against a peer that it was asked later and lost', () => {
    const { swarm, held } = make(9);
    const mine = new Bitfield(9);
    mine.set(0);
    for (const peer of ['a', 'b']) join(swarm, peer, mine);
    swarm.schedule(0);
    swarm.onBytes('a', 0, 1, 10);
    expect(requests(swarm.schedule(ENDGAME_AGE_MS))).toEqual([0]);
    verify(swarm, held, 'a', 0, ENDGAME_AGE_MS + 1);
    for (const peer of ['a', 'b']) swarm.onHave(peer, 0, Bitfield.full(9).toBytes());
    expect(requests(swarm.schedule(ENDGAME_AGE_MS + 2), 'b').length).toBeGreaterThan(1);
  });

  it('a peer that rejects and claims anew keeps no chunk from the others', () => {
    const { swarm } = make(1);
    for (const peer of ['a', 'b', 'evil', 'good']) join(swarm, peer, Bitfield.full(1));
    const asked: string[] = [];
    for (let now = 0; now < 4 * MAX_LATE_MS && !asked.includes('good'); now += 100) {
      for (const peer of ['a', 'b']) swarm.onBytes(peer, 0, STALL_BYTES, now);
      for (const { kind, peer } of swarm.schedule(now)) if (kind === 'request') asked.push(peer);
      if (!swarm.isAsked('evil', 0)) continue;
      swarm.onReject('evil', 0, true, now);
      swarm.onHave('evil', 0, Uint8Array.of(0x80));
    }
    expect(asked).toEqual(['a', 'b', 'evil', 'good']);
  });

  it('what is late takes nothing from the bytes that may be outstanding', () => {
    const { swarm } = make(8, MAX_OUTSTANDING_BYTES / 2);
    const claimed = new Bitfield(8);
    for (const chunk of [0, 1]) claimed.set(chunk);
    for (const peer of ['evil', 'worse']) join(swarm, peer, claimed);
    expect(requests(swarm.schedule(0))).toHaveLength(2);
    join(swarm, 'good', Bitfield.full(8));
    for (const peer of ['evil', 'worse']) swarm.onBytes(peer, 0, STALL_BYTES, MAX_LATE_MS - 1);
    expect(swarm.schedule(MAX_LATE_MS - 1)).toEqual([]);
    expect(swarm.nextDeadline()).toBe(MAX_LATE_MS);
    expect(requests(swarm.schedule(MAX_LATE_MS), 'good')).toHaveLength(1);
  });

  it('asks nothing again that came and is being verified', () => {
    const { swarm, verifying } = make(1);
    for (const peer of ['a', 'b']) join(swarm, peer, Bitfield.full(1));
    swarm.schedule(0);
    verifying.add(0);
    expect(requests(swarm.schedule(ENDGAME_AGE_MS))).toEqual([]);
    verifying.delete(0);
    expect(requests(swarm.schedule(ENDGAME_AGE_MS + 1))).toEqual([0]);
  });

  it.each([
    ['left', true],
    ['stalled', false],
  ])('asks nothing again that is being verified where the peer that sent it %s', (_what, left) => {
    const { swarm, verifying } = make(2);
    join(swarm, 'a', Bitfield.full(2));
    swarm.schedule(0);
    verifying.add(0);
    const now = left ? 1 : STALL_MS;
    if (left) swarm.removePeer('a');
    join(swarm, 'b', Bitfield.full(2));
    expect(requests(swarm.schedule(now))).toEqual([1]);
    verifying.delete(0);
    expect(requests(swarm.schedule(now + 1))).toEqual([0]);
  });

  it('P-7.6: says whether a HAVE told of a chunk that is missing', () => {
    const { swarm, held } = make(16);
    held.set(9);
    swarm.addPeer('a', false);
    expect(swarm.onHave('a', 8, Uint8Array.of(0x80))).toBe(true);
    expect(swarm.onHave('a', 8, Uint8Array.of(0x80))).toBe(false);
    expect(swarm.onHave('a', 0, Uint8Array.of(0, 0xc0))).toBe(false);
    expect(swarm.onHave('nobody', 0, Uint8Array.of(0xff))).toBe(false);
  });

  it('is at the same place after a peer joins twice', () => {
    const { swarm } = make(4);
    join(swarm, 'a', Bitfield.full(4));
    swarm.schedule(0);
    join(swarm, 'a', Bitfield.full(4));
    expect(requests(swarm.schedule(1))).toHaveLength(4);
  });
});

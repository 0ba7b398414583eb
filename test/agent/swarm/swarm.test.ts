import { describe, expect, it } from 'vitest';
import {
  ENDGAME_AGE_MS,
  MAX_OUTSTANDING_BYTES,
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

function make(chunks: number, length = CHUNK): { swarm: Swarm; held: Bitfield } {
  const held = new Bitfield(chunks);
  return { held, swarm: new Swarm({ held, chunkLength: () => length, random: seededRandom(1) }) };
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
    swarm.onBytes('a', STALL_BYTES - 1, 50);
    swarm.onBytes('a', 1, 100);
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
    expect(requests(swarm.schedule(100 + STALL_MS + REST_MS), 'a')).toHaveLength(4);
    expect(swarm.nextDeadline()).toBe(100 + STALL_MS + REST_MS + STALL_MS);
  });

  it('is not fooled by a byte now and then', () => {
    const { swarm } = make(4);
    join(swarm, 'a', Bitfield.full(4));
    swarm.schedule(0);
    for (let now = 1000; now < STALL_MS; now += 1000) swarm.onBytes('a', 1, now);
    expect(swarm.schedule(STALL_MS).filter((a) => a.kind === 'cancel')).toHaveLength(4);
  });

  it('knows which peer has nothing more to give', () => {
    const { swarm, held } = make(4);
    const have = new Bitfield(4);
    have.set(2);
    join(swarm, 'a', have);
    expect(swarm.offersAny('a')).toBe(true);
    held.set(2);
    expect(swarm.offersAny('a')).toBe(false);
    expect(swarm.offersAny('nobody')).toBe(false);
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
    join(swarm, 'b', Bitfield.full(1));
    join(swarm, 'c', Bitfield.full(1));
    expect(swarm.schedule(ENDGAME_AGE_MS - 1)).toEqual([]);
    expect(swarm.schedule(ENDGAME_AGE_MS + 1)).toEqual([{ kind: 'request', peer: 'b', chunk: 0 }]);
    expect(swarm.schedule(ENDGAME_AGE_MS * 2 + 3)).toEqual([]);
    expect(verify(swarm, held, 'b', 0, 2000)).toEqual([{ kind: 'cancel', peer: 'a', chunk: 0 }]);
    expect(swarm.complete).toBe(true);
    expect(swarm.schedule(9000)).toEqual([]);
  });

  it('is at the same place after a peer joins twice', () => {
    const { swarm } = make(4);
    join(swarm, 'a', Bitfield.full(4));
    swarm.schedule(0);
    join(swarm, 'a', Bitfield.full(4));
    expect(requests(swarm.schedule(1))).toHaveLength(4);
  });
});

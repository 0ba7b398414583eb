import { describe, expect, it } from 'vitest';
import { MIN_PIPELINE_BYTES } from '../../../agent/swarm/limits.js';
import { Swarm, type SwarmAction } from '../../../agent/swarm/swarm.js';
import { Bitfield } from '../../../shared/artifact/bitfield.js';
import { SeededRandom } from '../../sim/random.js';

const CHUNK = 64 * 1024;
const HTTP = 'http:';

/** A swarm of two peers that hold everything, and a server. */
function make(chunks = 100) {
  const held = new Bitfield(chunks);
  const limit = { bytes: Number.POSITIVE_INFINITY };
  const random = new SeededRandom(1);
  const swarm = new Swarm({
    ...{ held, verifying: new Set<number>(), chunkLength: () => CHUNK, allowance: () => limit.bytes },
    ...{ random: () => random.next(), frugal: () => false, self: 'self' },
  });
  for (const id of ['a', 'b']) {
    swarm.addPeer(id, false);
    swarm.onHave(id, 0, Bitfield.full(chunks).toBytes());
  }
  swarm.addSource(HTTP);
  const verify = (peer: string, chunk: number, now: number): void => {
    swarm.onBytes(peer, chunk, CHUNK, now);
    held.set(chunk);
    swarm.onVerified(peer, chunk, now);
  };
  return { swarm, held, limit, verify };
}

const requests = (actions: SwarmAction[]): SwarmAction[] => actions.filter(({ kind }) => kind === 'request');

describe('P-10.12: a swarm with an allowance', () => {
  it('of nothing asks for nothing, of peers and of servers', () => {
    const { swarm, limit } = make();
    limit.bytes = 0;
    expect(swarm.schedule(0)).toEqual([]);
    expect(swarm.claim(HTTP, 0, 10 * CHUNK, false)).toEqual([]);
    expect(swarm.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
  });

  it('asks for one chunk however long, and for no more until it is here', () => {
    const { swarm, limit, verify } = make();
    limit.bytes = 1;
    const [first, ...rest] = requests(swarm.schedule(0));
    expect([first?.kind, rest]).toEqual(['request', []]);
    expect(swarm.outstandingBytes).toBe(CHUNK);
    expect(requests(swarm.schedule(500))).toEqual([]);
    verify(first?.peer ?? '', first?.chunk ?? 0, 600);
    expect([swarm.outstandingBytes, swarm.receivedBytes]).toEqual([0, CHUNK]);
    expect(requests(swarm.schedule(600))).toHaveLength(1);
  });

  it('asks for as much as it may over all peers, and fills pipelines once it may again', () => {
    const { swarm, limit } = make();
    limit.bytes = 3 * CHUNK;
    expect(requests(swarm.schedule(0))).toHaveLength(3);
    limit.bytes = Number.POSITIVE_INFINITY;
    expect(requests(swarm.schedule(1))).toHaveLength((2 * MIN_PIPELINE_BYTES) / CHUNK - 3);
  });

  it('takes back nothing of what was asked for before', () => {
    const { swarm, limit } = make();
    const asked = requests(swarm.schedule(0));
    limit.bytes = 0;
    expect(swarm.schedule(1)).toEqual([]);
    expect(asked.every(({ peer, chunk }) => swarm.isAsked(peer, chunk))).toBe(true);
  });

  it('asks a server for a run no longer than it may, one chunk at least', () => {
    const { swarm, limit } = make();
    limit.bytes = 2 * CHUNK;
    expect(swarm.claim(HTTP, 0, 10 * CHUNK, false)).toHaveLength(2);
    expect(swarm.claim(HTTP, 0, 10 * CHUNK, false)).toEqual([]);
    limit.bytes = 2 * CHUNK + 1;
    expect(swarm.claim(HTTP, 0, 10 * CHUNK, false)).toHaveLength(1);
  });
});

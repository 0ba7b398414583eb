import { describe, expect, it } from 'vitest';
import { Deadline } from '../../../agent/swarm/deadline.js';
import { Intake } from '../../../agent/swarm/intake.js';
import { MAX_LATE_MS, MAX_OUTSTANDING_BYTES, MIN_FAR_PIPELINE_BYTES } from '../../../agent/swarm/limits.js';
import type { Misbehaviour } from '../../../agent/swarm/misbehaviour.js';
import { Peer } from '../../../agent/swarm/peer.js';
import { Requests } from '../../../agent/swarm/requests.js';

const CHUNK = 64 * 1024;
const FAR_CHUNKS = MIN_FAR_PIPELINE_BYTES / CHUNK;

function make({ allowance = Number.POSITIVE_INFINITY } = {}) {
  const due = new Deadline();
  const named: [string, Misbehaviour][] = [];
  const peers = new Map<string, Peer>();
  const add = (id: string, near: boolean, isSource = false): Peer => {
    const peer = new Peer(id, isSource, near, 1, 1024, isSource);
    peers.set(id, peer);
    return peer;
  };
  const requests = new Requests({
    ...{ peers, due, far: new Intake(), chunkLength: () => CHUNK },
    ...{ allowance: () => allowance, misbehaved: (peer: string, how: Misbehaviour) => named.push([peer, how]) },
  });
  return { requests, due, named, add };
}

describe('what was asked of whom', () => {
  it('is kept once for each that was asked, the latest last, until none owes it', () => {
    const { requests, add } = make();
    const [a, b] = [add('a', true), add('b', true)];
    requests.asked(a, 7, 10);
    requests.asked(b, 7, 20);
    expect([requests.askedAt.get(7), requests.outstandingBytes]).toEqual([[10, 20], 2 * CHUNK]);
    requests.settle(a, 7);
    expect([requests.askedAt.get(7), requests.outstandingBytes]).toEqual([[20], CHUNK]);
    requests.settle(b, 7);
    expect([requests.askedAt.size, requests.outstandingBytes]).toEqual([0, 0]);
  });

  it('is settled once, and not at all where it was not asked', () => {
    const { requests, add } = make();
    const [a, b] = [add('a', true), add('b', true)];
    requests.asked(a, 7, 10);
    requests.settle(b, 7);
    requests.settle(a, 8);
    expect([requests.askedAt.get(7), requests.outstandingBytes, b.outstandingBytes]).toEqual([[10], CHUNK, 0]);
    requests.settle(a, 7);
    requests.settle(a, 7);
    expect([requests.outstandingBytes, a.outstandingBytes]).toEqual([0, 0]);
  });

  it('leaves room for other sites by what was asked there, not of HTTP servers or the own site', () => {
    const { requests, add } = make();
    const [far, near, http] = [add('far', false), add('near', true), add('http:', false, true)];
    for (let chunk = 0; chunk < 2 * FAR_CHUNKS; chunk++) requests.asked(chunk % 2 === 0 ? near : http, chunk, 0);
    for (let chunk = 0; chunk < FAR_CHUNKS; chunk++) {
      expect(requests.hasRoom(far, 0)).toBe(true);
      requests.asked(far, 100 + chunk, 0);
    }
    expect([requests.hasRoom(far, 0), requests.hasRoom(near, 0)]).toEqual([false, true]);
    requests.settle(far, 100);
    expect(requests.hasRoom(far, 0)).toBe(true);
  });

  it('gives its room back once it is late, at the time told, and only where all is taken', () => {
    const { requests, due, add } = make({ allowance: 3 * CHUNK });
    const near = add('near', true);
    requests.asked(near, 0, 0);
    requests.asked(near, 1, 500);
    requests.measure(MAX_LATE_MS);
    expect([requests.roomBytes, due.at]).toEqual([CHUNK, Number.POSITIVE_INFINITY]);
    requests.asked(near, 2, 600);
    requests.measureLate(MAX_LATE_MS - 1);
    expect([requests.roomBytes, due.at]).toEqual([0, MAX_LATE_MS]);
    due.clear();
    requests.measureLate(MAX_LATE_MS);
    expect([requests.roomBytes, due.at]).toEqual([CHUNK, MAX_LATE_MS + 500]);
  });

  it('is never more than the most, whatever the allowance', () => {
    const { requests } = make();
    requests.limit();
    expect(requests.roomBytes).toBe(MAX_OUTSTANDING_BYTES);
  });

  it('P-10.4: names who is too slow, and not an HTTP server', () => {
    const { requests, named, add } = make();
    const [peer, http] = [add('peer', true), add('http:', false, true)];
    requests.failed(peer);
    requests.failed(http);
    expect([named, peer.failures, http.failures]).toEqual([[['peer', 'slow']], 1, 1]);
  });
});

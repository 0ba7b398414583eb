import { describe, expect, it } from 'vitest';
import { IndexFetch } from '../../../agent/swarm/index_fetch.js';
import { INDEX_SILENT_MS, MAX_INDEX_COPIES, MAX_INDEX_PATIENCE_MS, STALL_MS } from '../../../agent/swarm/limits.js';
import { INDEX_CHUNK } from '../../../shared/limits.js';

/** What `schedule` would do, in short: `+a` asks a, `-a` lets a go. */
function scheduled(fetch: IndexFetch, peers: readonly string[], now: number): string {
  const actions = fetch.schedule(peers, now);
  for (const { chunk } of actions) expect(chunk).toBe(INDEX_CHUNK);
  return actions.map(({ kind, peer }) => `${kind === 'request' ? '+' : '-'}${peer}`).join(' ');
}

const name = (i: number): string => `p${i}`;

describe('IndexFetch', () => {
  it('P-10.4: asks one peer, and one more each time that it takes long, whatever trickles in', () => {
    const fetch = new IndexFetch();
    const peers = ['a', 'b', 'c', 'd'];
    const asked: [number, string][] = [];
    for (let now = 0; now <= 2 * STALL_MS; now += 100) {
      const actions = scheduled(fetch, peers, now);
      if (actions !== '') asked.push([now, actions]);
      fetch.onBytes('a', 1_000, now);
    }
    expect(asked).toEqual([
      [0, '+a'],
      [STALL_MS, '+b'],
      [2 * STALL_MS, '+c'],
    ]);
    expect(['a', 'b', 'c', 'd'].filter((id) => fetch.isAsked(id))).toEqual(['a', 'b', 'c']);
  });

  it(`asks ${MAX_INDEX_COPIES} at once at most: the one that sent least gives way`, () => {
    const fetch = new IndexFetch();
    const peers = ['a', 'b', 'c', 'd', 'e'];
    for (let i = 0; i < MAX_INDEX_COPIES; i++) scheduled(fetch, peers, i * STALL_MS);
    for (const [peer, bytes] of Object.entries({ a: 30, b: 10, c: 20 })) fetch.onBytes(peer, bytes, 3 * STALL_MS - 1);
    expect(scheduled(fetch, peers, 3 * STALL_MS)).toBe('-b +d');
    for (const [peer, bytes] of Object.entries({ a: 1, b: 1000, c: 1, d: 100 })) {
      fetch.onBytes(peer, bytes, 4 * STALL_MS - 1);
    }
    expect(scheduled(fetch, peers, 4 * STALL_MS)).toBe('-c +e');
  });

  it('P-10.4: asks the next one sooner where nothing comes, and who stalled with most of it sent gives way first', () => {
    const fetch = new IndexFetch();
    const peers = ['a', 'b', 'c', 'd'];
    scheduled(fetch, peers, 0);
    fetch.onBytes('a', 100_000, 300);
    expect(fetch.deadline).toBe(300 + INDEX_SILENT_MS);
    expect(scheduled(fetch, peers, 299 + INDEX_SILENT_MS)).toBe('');
    expect(scheduled(fetch, peers, 300 + INDEX_SILENT_MS)).toBe('+b');
    expect(scheduled(fetch, peers, 300 + 2 * INDEX_SILENT_MS)).toBe('+c');
    fetch.onBytes('b', 1, 300 + 2 * INDEX_SILENT_MS);
    expect(scheduled(fetch, peers, 300 + 3 * INDEX_SILENT_MS)).toBe('-a +d');
  });

  it('P-10.4: eleven of twelve peers that hold it back cost INDEX_SILENT_MS each, and the rest of them is let go when it comes', () => {
    const fetch = new IndexFetch();
    const peers = Array.from({ length: 12 }, (_, i) => name(i));
    let now = 0;
    for (; !fetch.isAsked(name(11)) && now < 3_600_000; now = fetch.deadline) {
      scheduled(fetch, peers, now);
      for (const peer of peers) fetch.onBytes(peer, 1_000, now);
    }
    expect(now).toBe(12 * INDEX_SILENT_MS);
    const others = fetch.onVerified(name(11));
    expect(others.map(({ kind }) => kind)).toEqual(['cancel', 'cancel']);
    expect(others.some(({ peer }) => peer === name(11))).toBe(false);
  });

  it('gives slow peers twice the time in each round, so that one of them finishes', () => {
    const fetch = new IndexFetch();
    const peers = Array.from({ length: 8 }, (_, i) => name(i));
    const asked = new Map<string, number>();
    let longest = 0;
    for (let now = 0; now < 600_000; now = fetch.deadline) {
      for (const { kind, peer } of fetch.schedule(peers, now)) {
        if (kind === 'request') asked.set(peer, now);
        else longest = Math.max(longest, now - (asked.get(peer) ?? now));
      }
    }
    expect(longest).toBeGreaterThanOrEqual(MAX_INDEX_PATIENCE_MS);
    expect(fetch.deadline - Math.max(...asked.values())).toBe(MAX_INDEX_PATIENCE_MS);
  });

  it('goes to the next peer at once where one rejects, and comes back when all have', () => {
    const fetch = new IndexFetch();
    expect(scheduled(fetch, ['a', 'b'], 0)).toBe('+a');
    fetch.failed('a');
    expect(scheduled(fetch, ['a', 'b'], 1)).toBe('+b');
    fetch.failed('b');
    expect(scheduled(fetch, ['a', 'b'], 2)).toBe('');
    expect(fetch.deadline).toBe(1 + STALL_MS);
    expect(scheduled(fetch, ['a', 'b'], 1 + STALL_MS)).toBe('+a');
    fetch.failed('a');
    expect(scheduled(fetch, ['a', 'b', 'c'], 2 + STALL_MS)).toBe('+b');
  });

  it('does not mind the failure of a peer that is not being asked', () => {
    const fetch = new IndexFetch();
    scheduled(fetch, ['a', 'b'], 0);
    fetch.failed('b');
    expect(fetch.isAsked('a')).toBe(true);
    expect(scheduled(fetch, ['a', 'b'], STALL_MS)).toBe('+b');
  });

  it('is due at no time where nobody else can be asked', () => {
    const fetch = new IndexFetch();
    expect(scheduled(fetch, [], 0)).toBe('');
    expect(fetch.deadline).toBe(Number.POSITIVE_INFINITY);
    expect(scheduled(fetch, ['a'], 1)).toBe('+a');
    expect(fetch.deadline).toBe(Number.POSITIVE_INFINITY);
    expect(scheduled(fetch, ['a', 'b'], 2)).toBe('');
    expect(fetch.deadline).toBe(1 + INDEX_SILENT_MS);
  });

  it('P-10.4: over a metered link asks another only after MAX_INDEX_PATIENCE_MS, or once the first said no', () => {
    const fetch = new IndexFetch();
    fetch.schedule(['a', 'b', 'c'], 0, true);
    expect(fetch.deadline).toBe(MAX_INDEX_PATIENCE_MS);
    expect(fetch.schedule(['a', 'b', 'c'], MAX_INDEX_PATIENCE_MS - 1, true)).toEqual([]);
    expect(fetch.schedule(['a', 'b', 'c'], MAX_INDEX_PATIENCE_MS, true)).toHaveLength(1);
    for (const peer of ['a', 'b']) fetch.failed(peer);
    expect(fetch.schedule(['a', 'b', 'c'], MAX_INDEX_PATIENCE_MS + 1, true)).toHaveLength(1);
    // What was asked sparingly is asked as ever once the link is another.
    expect(fetch.schedule(['a', 'b', 'c'], MAX_INDEX_PATIENCE_MS + INDEX_SILENT_MS, false)).toEqual([]);
    expect(fetch.schedule(['a', 'b', 'c'], MAX_INDEX_PATIENCE_MS + INDEX_SILENT_MS + 1, false)).toHaveLength(1);
  });
});

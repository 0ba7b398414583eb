import { describe, expect, it } from 'vitest';
import { IndexFetch } from '../../../agent/swarm/index_fetch.js';
import { STALL_BYTES, STALL_MS } from '../../../agent/swarm/limits.js';

describe('IndexFetch', () => {
  it('P-10.4: asks one peer at a time', () => {
    const fetch = new IndexFetch();
    expect(fetch.next(['a', 'b'], 0)).toBe('a');
    expect(fetch.next(['a', 'b'], 1)).toBeNull();
    expect(fetch.peer).toBe('a');
  });

  it('goes to the next peer where one rejects, and comes back when all have', () => {
    const fetch = new IndexFetch();
    fetch.next(['a', 'b'], 0);
    fetch.failed('a');
    expect(fetch.next(['a', 'b'], 1)).toBe('b');
    fetch.failed('b');
    expect(fetch.next(['a', 'b'], 2)).toBeNull();
    expect(fetch.deadline).toBe(1 + STALL_MS);
    expect(fetch.next(['a', 'b'], 1 + STALL_MS)).toBe('a');
  });

  it('passes over a peer that sends nothing for too long, and counts from its last bytes', () => {
    const fetch = new IndexFetch();
    fetch.next(['a', 'b'], 0);
    fetch.onBytes('a', STALL_BYTES, 100);
    expect(fetch.stalled(STALL_MS + 99)).toBeNull();
    expect(fetch.stalled(STALL_MS + 100)).toBe('a');
    expect(fetch.next(['a', 'b'], STALL_MS + 101)).toBe('b');
  });

  it('does not mind the failure of a peer that is not being asked', () => {
    const fetch = new IndexFetch();
    fetch.next(['a'], 0);
    fetch.failed('b');
    expect(fetch.peer).toBe('a');
  });
});

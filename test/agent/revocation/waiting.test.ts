import { describe, expect, it } from 'vitest';
import { MAX_WAITING, MAX_WAITING_BYTES, WAITING_MS, Waiting } from '../../../agent/revocation/waiting.js';

const message = (topic: string, bytes = 10) => ({ topic, payload: new Uint8Array(bytes), retained: false });

describe('P-14.3 messages that wait for the list', () => {
  it('are given back once, in their order', () => {
    const waiting = new Waiting();
    for (const topic of ['a', 'b']) expect(waiting.keep(message(topic), 0)).toBe(true);
    expect(waiting.take(1).map(({ topic }) => topic)).toEqual(['a', 'b']);
    expect(waiting.take(1)).toEqual([]);
  });

  it('are 64 at most, of 8,192 bytes at most', () => {
    const waiting = new Waiting();
    expect(waiting.keep(message('large', MAX_WAITING_BYTES), 0)).toBe(true);
    expect(waiting.keep(message('larger', MAX_WAITING_BYTES + 1), 0)).toBe(false);
    for (let i = 1; i < MAX_WAITING; i++) expect(waiting.keep(message('x'), 0)).toBe(true);
    expect(waiting.keep(message('x'), 0)).toBe(false);
    expect(waiting.size).toBe(MAX_WAITING);
  });

  it('wait for 10 s, and their places are free then', () => {
    const waiting = new Waiting();
    waiting.keep(message('early'), 0);
    waiting.keep(message('late'), 1);
    expect(waiting.expire(WAITING_MS)).toBe(1);
    expect(waiting.take(WAITING_MS).map(({ topic }) => topic)).toEqual(['late']);
  });
});

import { describe, expect, it } from 'vitest';
import { ChunkBuffers, MAX_SPARE_BUFFER_BYTES, MAX_SPARE_BYTES } from '../../../agent/swarm/chunk_buffers.js';

const KIB = 1024;

describe('ChunkBuffers', () => {
  it('gives the memory of one chunk to the next that fits it', () => {
    const buffers = new ChunkBuffers();
    const first = buffers.take(60 * KIB);
    buffers.give(first);
    const second = buffers.take(50 * KIB + 1);
    expect(second.length).toBe(50 * KIB + 1);
    expect(second.buffer).toBe(first.buffer);
    expect(buffers.spareBytes).toBe(0);
  });

  it('gives a larger one where none of the size is left', () => {
    const buffers = new ChunkBuffers();
    const large = buffers.take(500 * KIB);
    buffers.give(large);
    const small = buffers.take(20 * KIB);
    expect([small.length, small.buffer]).toEqual([20 * KIB, large.buffer]);
    expect(buffers.take(20 * KIB).buffer).not.toBe(large.buffer);
  });

  it('never gives the same memory to two', () => {
    const buffers = new ChunkBuffers();
    const taken = Array.from({ length: 100 }, (_, i) => buffers.take(1 + i * 997));
    for (const one of taken.splice(0, 50)) buffers.give(one);
    for (let i = 0; i < 100; i++) taken.push(buffers.take(1 + i * 499));
    expect(new Set(taken.map(({ buffer }) => buffer)).size).toBe(taken.length);
  });

  it('keeps no more than its limit, and no larger buffer', () => {
    const buffers = new ChunkBuffers();
    const size = MAX_SPARE_BUFFER_BYTES;
    const taken = Array.from({ length: MAX_SPARE_BYTES / size + 1 }, () => buffers.take(size));
    for (const one of taken) buffers.give(one);
    expect(buffers.spareBytes).toBe(MAX_SPARE_BYTES);
    const others = new ChunkBuffers();
    others.give(others.take(size + 1));
    expect(others.spareBytes).toBe(0);
  });

  it('keeps none once told that nobody needs any', () => {
    const buffers = new ChunkBuffers();
    const kept = buffers.take(60 * KIB);
    buffers.give(kept);
    buffers.clear();
    expect(buffers.spareBytes).toBe(0);
    expect(buffers.take(60 * KIB).buffer).not.toBe(kept.buffer);
  });
});

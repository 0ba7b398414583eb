import { describe, expect, it } from 'vitest';
import { SeedPeer } from '../../../agent/swarm/seed_peer.js';

const KIB = 1024;
const LENGTH = 64 * KIB;
const LEAST = 256 * KIB;
const LATE_MS = 2_000;
const SILENT_MS = 30_000;

/** Told of so many chunks, from 0 on. */
function peer(told: number, now = 0): SeedPeer {
  const peer = new SeedPeer(1_000, () => LENGTH, now);
  for (let chunk = 0; chunk < told; chunk++) peer.give(chunk, now);
  return peer;
}

describe('SeedPeer', () => {
  it('is full once it owes the least that it may, and two chunks', () => {
    expect(peer(3).isFull(LEAST)).toBe(false);
    expect(peer(4).isFull(LEAST)).toBe(true);
    expect(peer(1).isFull(1)).toBe(false);
    expect(peer(2).isFull(1)).toBe(true);
  });

  it('holds a chunk once', () => {
    const one = peer(1);
    expect([one.holds(0, 1), one.holds(0, 2)]).toEqual([true, false]);
    expect(one.have.count).toBe(1);
  });

  it('may owe what it takes in 0.75 s', () => {
    const fast = peer(16);
    for (let chunk = 0; chunk < 15; chunk++) fast.holds(chunk, 200);
    fast.holds(15, 1_000);
    for (let chunk = 16; chunk < 27; chunk++) fast.give(chunk, 1_000);
    expect(fast.isFull(1)).toBe(false);
    fast.give(27, 1_000);
    expect(fast.isFull(1)).toBe(true);
  });
});

describe('P-10.6 a peer of which nothing comes', () => {
  it('that never said what it holds owes nothing once what it was told of is late', () => {
    const mute = peer(4, 100);
    expect(mute.expiresAt(LATE_MS)).toBe(100 + LATE_MS);
    mute.expire(99 + LATE_MS, LATE_MS);
    expect(mute.isFull(LEAST)).toBe(true);
    mute.expire(100 + LATE_MS, LATE_MS);
    expect(mute.isFull(LEAST)).toBe(false);
    expect(mute.expiresAt(LATE_MS)).toBe(Number.POSITIVE_INFINITY);
  });

  it('is not told again of what it owed', () => {
    const mute = peer(4);
    mute.expire(LATE_MS, LATE_MS);
    expect([...mute.told.held()]).toEqual([0, 1, 2, 3]);
  });

  it('that said what it holds has longer: it may be slow', () => {
    const slow = peer(4);
    slow.holds(500, 0);
    expect(slow.expiresAt(LATE_MS)).toBe(SILENT_MS);
    slow.expire(SILENT_MS - 1, LATE_MS);
    expect(slow.isFull(LEAST)).toBe(true);
    slow.expire(SILENT_MS, LATE_MS);
    expect(slow.isFull(LEAST)).toBe(false);
  });

  it('has its time anew with each chunk that comes, whether it says so or it was sent it', () => {
    const taking = peer(4);
    taking.served(1, 1_500);
    expect(taking.expiresAt(LATE_MS)).toBe(1_500 + LATE_MS);
    taking.holds(2, 3_000);
    expect(taking.expiresAt(LATE_MS)).toBe(3_000 + SILENT_MS);
  });

  it('has it from when it is told of something after nothing was owed', () => {
    const late = peer(0);
    late.give(0, 50_000);
    expect(late.expiresAt(LATE_MS)).toBe(50_000 + LATE_MS);
  });

  it('owes 8 MiB from then on where it takes chunks and says nothing, and no more than before where it takes none', () => {
    const [taking, idle] = [peer(4), peer(4)];
    taking.served(0, 1);
    for (const one of [taking, idle]) one.expire(1 + LATE_MS, LATE_MS);
    for (let chunk = 100; chunk < 104; chunk++) for (const one of [taking, idle]) one.give(chunk, 3_000);
    expect([taking.isFull(LEAST), idle.isFull(LEAST)]).toEqual([false, true]);
    for (let chunk = 104; chunk < 227; chunk++) taking.give(chunk, 3_000);
    expect(taking.isFull(LEAST)).toBe(false);
    taking.give(227, 3_000);
    expect(taking.isFull(LEAST)).toBe(true);
  });

  it('that fell silent is as one that never said anything, until it says something', () => {
    const silent = peer(4);
    silent.holds(0, 0);
    silent.expire(SILENT_MS, LATE_MS);
    silent.give(100, SILENT_MS);
    expect(silent.expiresAt(LATE_MS)).toBe(SILENT_MS + LATE_MS);
    silent.holds(101, SILENT_MS);
    expect(silent.expiresAt(LATE_MS)).toBe(2 * SILENT_MS);
  });

  it('owes no 8 MiB once it says what it holds', () => {
    const spoke = peer(4);
    spoke.served(0, 1);
    spoke.holds(0, 2);
    spoke.expire(2 + SILENT_MS, LATE_MS);
    for (let chunk = 100; chunk < 104; chunk++) spoke.give(chunk, 40_000);
    expect(spoke.isFull(LEAST)).toBe(true);
  });
});

import { describe, expect, it } from 'vitest';
import { MAX_WAIT_MS } from '../../agent/swarm/yielding.js';
import { SimDevice, type SimTransfer } from './priorities.js';

const MB = 1e6;
const fast = (): number => 100 * MB;
/** 16.8 MB: 16.8 s over 1 MB/s. */
const CHUNKS = 256;
const ALONE_S = 16.8;
const at = (device: SimDevice, i: number): SimTransfer => {
  const transfer = device.transfers[i];
  if (transfer === undefined) throw new Error(`no transfer ${i}`);
  return transfer;
};

describe('P-10.12: two transfers of one device', () => {
  it('the higher one is first, although the lower one began before it, and then the lower one has all', () => {
    const device = new SimDevice(MB, [
      { rank: 5, chunks: CHUNKS, peers: [fast, fast, fast] },
      { rank: 6, chunks: CHUNKS, peers: [fast, fast], from: 3_000 },
    ]);
    const [low, high] = [at(device, 0), at(device, 1)];
    expect(device.runUntil(() => high.held.isFull, 60)).toBe(true);
    // What it had before, what was on its way then, and a try.
    expect(low.part).toBeLessThan(0.35);
    expect(high.completeAt / 1000 - 3).toBeLessThan(1.25 * ALONE_S);
    expect(device.runUntil(() => low.held.isFull, 60)).toBe(true);
    expect(low.completeAt / 1000).toBeLessThan(1.05 * 2 * ALONE_S);
  });

  it('that begin together: the lower one has little when the higher one is complete', () => {
    const peers = [fast, fast];
    const device = new SimDevice(MB, [
      { rank: 1, chunks: CHUNKS, peers },
      { rank: 2, chunks: CHUNKS, peers },
    ]);
    const [low, high] = [at(device, 0), at(device, 1)];
    expect(device.runUntil(() => high.held.isFull, 60)).toBe(true);
    expect(low.part).toBeLessThan(0.15);
    expect(high.completeAt / 1000).toBeLessThan(1.15 * ALONE_S);
  });

  it('of one rank share as they did', () => {
    const peers = [fast, fast];
    const device = new SimDevice(MB, [
      { rank: 5, chunks: CHUNKS, peers },
      { rank: 5, chunks: CHUNKS, peers },
    ]);
    expect(device.runUntil(() => device.transfers.some(({ held }) => held.isFull), 60)).toBe(true);
    expect(Math.min(at(device, 0).part, at(device, 1).part)).toBeGreaterThan(0.9);
  });

  it('a higher one that stalls holds the lower one up for five seconds', () => {
    const stops = (now: number): number => (now < 4_000 ? MB : 0);
    const device = new SimDevice(MB, [
      { rank: 5, chunks: CHUNKS, peers: [fast] },
      { rank: 9, chunks: CHUNKS, peers: [stops] },
    ]);
    expect(device.runUntil(() => at(device, 0).held.isFull, 60)).toBe(true);
    expect(at(device, 0).completeAt / 1000).toBeLessThan(ALONE_S + 4 + 6);
    expect(at(device, 1).held.isFull).toBe(false);
  });

  it('a higher one whose peers are slow leaves the rest of the link to the lower one', () => {
    const device = new SimDevice(MB, [
      { rank: 5, chunks: CHUNKS, peers: [fast] },
      { rank: 9, chunks: CHUNKS, peers: [() => 50_000] },
    ]);
    expect(device.runUntil(() => at(device, 0).held.isFull, 120)).toBe(true);
    expect(at(device, 0).completeAt / 1000).toBeLessThan(2 * ALONE_S);
    // It has lost nothing.
    expect(at(device, 1).part).toBeGreaterThan((0.85 * 50_000 * at(device, 0).completeAt) / 1000 / (CHUNKS * 65_536));
  });

  it.each([150, 300, 3_000])(
    'one that is brought %d bytes a second for ever does not keep the lower one from anything',
    (drip) => {
      const device = new SimDevice(MB, [
        { rank: 5, chunks: CHUNKS, peers: [fast] },
        { rank: 9, chunks: CHUNKS, peers: [() => drip] },
      ]);
      expect(device.runUntil(() => at(device, 0).held.isFull, 120)).toBe(true);
      expect(at(device, 0).completeAt / 1000).toBeLessThan(1.6 * ALONE_S);
    },
  );

  it.each([
    [1_200, 4_000],
    [1_024, 4_500],
    [16_384, 3_000],
    [65_536, 2_000],
    [65_536, 4_000],
    // Not fed for a second of each six.
    [65_536, 6_000],
  ])('nor does one that is brought %d bytes at once each %d ms', (bytes, everyMs) => {
    for (const seed of [1, 2, 3]) {
      const lastsMs = bytes > 4_096 ? 200 : 10;
      const bursts = (now: number): number => (now % everyMs < lastsMs ? (bytes * 1000) / lastsMs : 0);
      const device = new SimDevice(
        MB,
        [
          { rank: 5, chunks: CHUNKS, peers: [fast] },
          { rank: 9, chunks: CHUNKS, peers: [bursts] },
        ],
        seed,
      );
      expect(
        device.runUntil(() => at(device, 0).held.isFull, 120),
        `seed ${seed}`,
      ).toBe(true);
      expect(at(device, 0).completeAt / 1000, `seed ${seed}`).toBeLessThan(1.6 * ALONE_S);
    }
  });

  it('one whose peers send as fast as the link is, a second of each four, is still first', () => {
    const device = new SimDevice(MB, [
      { rank: 5, chunks: CHUNKS, peers: [fast] },
      { rank: 9, chunks: CHUNKS, peers: [(now) => (now % 4_000 < 1_000 ? MB : 0)] },
    ]);
    const [low, high] = [at(device, 0), at(device, 1)];
    expect(device.runUntil(() => low.held.isFull && high.held.isFull, 120)).toBe(true);
    // Alone 65 s, and 17 s of the link are the other one's.
    expect(high.completeAt / 1000).toBeLessThan(65 + ALONE_S);
    expect(low.completeAt / 1000).toBeLessThan(2 * ALONE_S);
  });

  it('over a thin link the lower one gets a tenth of it, and never waits for longer than it may', () => {
    const device = new SimDevice(3_000, [
      { rank: 5, chunks: 40, peers: [fast] },
      { rank: 6, chunks: 40, peers: [fast] },
    ]);
    const [low, high] = [at(device, 0), at(device, 1)];
    expect(device.runUntil(() => high.held.isFull, 3_600)).toBe(true);
    expect(low.part).toBeGreaterThan(0);
    expect(low.part).toBeLessThan(0.3);
    // A try, and what was asked for in it.
    expect(low.longestWaitMs).toBeLessThan(MAX_WAIT_MS + 120_000);
  });

  it('three ranks end in their order', () => {
    const peers = [fast, fast];
    const ranks = [4, 15, 7];
    const device = new SimDevice(
      MB,
      ranks.map((rank) => ({ rank, chunks: CHUNKS, peers })),
    );
    expect(device.runUntil(() => device.transfers.every(({ held }) => held.isFull), 120)).toBe(true);
    const order = [...device.transfers].sort((a, b) => a.completeAt - b.completeAt).map(({ rank }) => rank);
    expect(order).toEqual([15, 7, 4]);
    expect(Math.max(...device.transfers.map(({ completeAt }) => completeAt)) / 1000).toBeLessThan(1.05 * 3 * ALONE_S);
  });
});

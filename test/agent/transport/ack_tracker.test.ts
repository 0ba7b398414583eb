import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ACK_DELAY_MS, ACK_EVERY_PACKETS, ACK_SPACING_MS, AckTracker } from '../../../agent/transport/ack_tracker.js';
import { AckFrame, MAX_ACK_INTERVALS } from '../../../shared/wire/frames/ack.js';

const NEVER = Number.POSITIVE_INFINITY;

function intervals(tracker: AckTracker, now = 0): [number, number][] {
  const ack = new AckFrame();
  if (!tracker.fill(now, ack)) return [];
  return Array.from({ length: ack.count }, (_, i) => [ack.high[i] ?? -1, ack.low[i] ?? -1]);
}

describe('P-7.3 what is acknowledged', () => {
  it('names intervals from the highest down', () => {
    const tracker = new AckTracker();
    for (const packet of [0, 1, 2, 5, 9, 8, 4]) tracker.onPacket(0, packet, true);
    expect(intervals(tracker)).toEqual([
      [9, 8],
      [5, 4],
      [2, 0],
    ]);
  });

  it('agrees with a set, in any order, up to its cap, and forgets the lowest first', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(150), { maxLength: 120 }), (packets) => {
        const tracker = new AckTracker();
        for (const packet of packets) tracker.onPacket(0, packet, true);
        const seen = new Set(packets);
        const named = new Set<number>();
        const all = intervals(tracker);
        for (const [high, low] of all) for (let packet = low; packet <= high; packet++) named.add(packet);
        for (const packet of named) expect(seen.has(packet)).toBe(true);
        if (all.length < MAX_ACK_INTERVALS) expect(named.size).toBe(seen.size);
        for (let i = 1; i < all.length; i++) expect(all[i]?.[0]).toBeLessThan((all[i - 1]?.[1] ?? 0) - 1);
      }),
    );
  });

  it('holds 32 intervals and forgets the lowest at the 33rd', () => {
    const tracker = new AckTracker();
    for (let i = 0; i < MAX_ACK_INTERVALS; i++) tracker.onPacket(0, i * 2, true);
    expect(intervals(tracker).at(-1)).toEqual([0, 0]);
    tracker.onPacket(0, 1000, true);
    expect(intervals(tracker).length).toBe(MAX_ACK_INTERVALS);
    expect(intervals(tracker).at(-1)).toEqual([2, 2]);
  });

  it('RFC 9000 §13.2.4 forgets what the peer knows to be acknowledged, and never the newest', () => {
    const tracker = new AckTracker();
    for (const packet of [0, 1, 5, 6, 7, 20]) tracker.onPacket(0, packet, true);
    tracker.forgetUpTo(6);
    expect(intervals(tracker)).toEqual([
      [20, 20],
      [7, 7],
    ]);
    tracker.forgetUpTo(100);
    expect(intervals(tracker)).toEqual([[20, 20]]);
  });

  it('tells how long the largest was held, in microseconds', () => {
    const tracker = new AckTracker();
    tracker.onPacket(10, 3, true);
    tracker.onPacket(15, 2, true);
    const ack = new AckFrame();
    tracker.fill(12.5 + 10, ack);
    expect(ack.delayMicros).toBe(12_500);
  });

  it('P-7.3 tells when the largest came by a clock that begins with the first packet and turns over', () => {
    const tracker = new AckTracker();
    const ack = new AckFrame();
    const arrivals = [5000, 5000.25, 5000 + 2 ** 32 / 1000 + 1].map((at, packet) => {
      tracker.onPacket(at, packet, true);
      tracker.fill(at + 3, ack);
      return ack.arrivalMicros;
    });
    expect(arrivals).toEqual([0, 250, 1000]);
    tracker.onPacket(9e6, 1, true);
    tracker.fill(9e6, ack);
    expect(ack.arrivalMicros).toBe(1000);
  });
});

describe('P-8.3 when', () => {
  it('is never, with nothing to acknowledge', () => {
    const tracker = new AckTracker();
    expect(tracker.deadline).toBe(NEVER);
    tracker.onPacket(0, 0, false);
    expect([tracker.deadline, tracker.waiting]).toEqual([NEVER, 0]);
  });

  it('is 20 ms after a packet that is alone', () => {
    const tracker = new AckTracker();
    tracker.onPacket(100, 0, true);
    expect(tracker.deadline).toBe(100 + ACK_DELAY_MS);
    tracker.onPacket(101, 1, false);
    expect(tracker.deadline).toBe(100 + ACK_DELAY_MS);
  });

  it('is at once with the second, 4 ms after the ACK before and not sooner', () => {
    const tracker = new AckTracker();
    for (const packet of [0, 1]) tracker.onPacket(100, packet, true);
    expect(tracker.deadline).toBe(100);
    tracker.onAckSent(100);
    for (const packet of [2, 3, 4]) tracker.onPacket(101, packet, true);
    expect(tracker.deadline).toBe(100 + ACK_SPACING_MS);
    tracker.onAckSent(104);
    tracker.onPacket(105, 5, true);
    tracker.onPacket(120, 6, true);
    expect(tracker.deadline).toBe(120);
  });

  it('is not sooner for a second where ACKs take from a ceiling', () => {
    const tracker = new AckTracker();
    for (const packet of [0, 1, 2]) tracker.onPacket(100, packet, true, true);
    expect(tracker.deadline).toBe(100 + ACK_DELAY_MS);
  });

  it('is at once with the 8th', () => {
    const tracker = new AckTracker();
    tracker.onAckSent(100);
    for (let i = 0; i < ACK_EVERY_PACKETS; i++) tracker.onPacket(100 + i / 8, i, true);
    expect(tracker.deadline).toBe(100 + 7 / 8);
    tracker.onAckSent(101);
    expect([tracker.deadline, tracker.waiting]).toEqual([NEVER, 0]);
  });

  it('is at once when a gap shows, and when one is filled', () => {
    const tracker = new AckTracker();
    tracker.onPacket(0, 0, true);
    tracker.onAckSent(0);
    tracker.onPacket(5, 2, true);
    expect(tracker.deadline).toBe(5);
    tracker.onAckSent(5);
    tracker.onPacket(6, 1, true);
    expect(tracker.deadline).toBe(6);
  });
});

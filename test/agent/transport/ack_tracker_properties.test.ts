import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ACK_DELAY_MS, ACK_EVERY_PACKETS, ACK_SPACING_MS, AckTracker } from '../../../agent/transport/ack_tracker.js';
import { MAX_PACKET_NUMBER } from '../../../shared/limits.js';
import {
  AckFrame,
  ackByteLength,
  checkAck,
  decodeAck,
  encodeAck,
  MAX_ACK_BYTES,
  MAX_ACK_INTERVALS,
} from '../../../shared/wire/frames/ack.js';
import { runs } from '../../support/runs.js';

type Interval = [high: number, low: number];

/** What AckTracker is to be, by a plain set of numbers. */
class Model {
  #named = new Set<number>();
  deadline = Number.POSITIVE_INFINITY;
  waiting = 0;
  largestAt = 0;
  sentAt = Number.NEGATIVE_INFINITY;

  get intervals(): Interval[] {
    const all: Interval[] = [];
    for (const packet of [...this.#named].toSorted((a, b) => b - a)) {
      const last = all.at(-1);
      if (last !== undefined && last[1] === packet + 1) last[1] = packet;
      else all.push([packet, packet]);
    }
    return all;
  }

  has(packet: number): boolean {
    return this.#named.has(packet);
  }

  onPacket(now: number, packet: number, eliciting: boolean): void {
    const largest = Math.max(-1, ...this.#named);
    this.#named.add(packet);
    let all = this.intervals.slice(0, MAX_ACK_INTERVALS);
    // P-7.3: a gap is a u32.
    all = all.filter(([, low], i) => i === 0 || (all[0]?.[0] ?? 0) - low <= 0xffff_ffff);
    const lowest = all.at(-1)?.[1] ?? 0;
    this.#named = new Set([...this.#named].filter((one) => one >= lowest));
    if (packet > largest) this.largestAt = now;
    if (!eliciting) return;
    this.waiting++;
    const atOnce = packet !== largest + 1 || this.waiting >= ACK_EVERY_PACKETS;
    const later = this.waiting === 1 ? now + ACK_DELAY_MS : Math.max(now, this.sentAt + ACK_SPACING_MS);
    this.deadline = Math.min(this.deadline, atOnce ? now : later);
  }

  onAckSent(now: number): void {
    this.sentAt = now;
    this.waiting = 0;
    this.deadline = Number.POSITIVE_INFINITY;
  }

  forgetUpTo(packet: number): void {
    const largest = Math.max(...this.#named);
    this.#named = new Set([...this.#named].filter((one) => one > packet || one === largest));
  }
}

const steps = fc.array(
  fc.record({
    // Mostly the next number; holes, and what comes late; now and then a leap.
    leap: fc.oneof(
      { weight: 6, arbitrary: fc.constant(1) },
      { weight: 6, arbitrary: fc.integer({ min: -70, max: 6 }) },
      { weight: 1, arbitrary: fc.constantFrom(5000, 0xffff_ffff, 2 ** 32, 2 ** 33) },
    ),
    wait: fc.constantFrom(0, 0, 0, 0.5, 4, 19, 30),
    eliciting: fc.boolean(),
    after: fc.constantFrom('nothing', 'nothing', 'nothing', 'ack', 'forget'),
    back: fc.nat(40),
  }),
  { maxLength: 150 },
);

const into = Buffer.alloc(MAX_ACK_BYTES);

/** Through the bytes of the frame and back, as the peer sees it. */
function seenByPeer(ack: AckFrame): Interval[] {
  const end = encodeAck(into, 0, ack);
  expect(end).toBe(ackByteLength(ack));
  expect(checkAck(into, 0, end)).toBe(end);
  const read = decodeAck(into, 0, new AckFrame());
  return Array.from({ length: read.count }, (_, i) => [read.high[i] ?? -1, read.low[i] ?? -1]);
}

describe('AckTracker', () => {
  it('P-7.3 P-8.3 names what a set of numbers does, when the rule says, for all numbers there are', () => {
    fc.assert(
      fc.property(fc.constantFrom(0, 2 ** 32 - 60, MAX_PACKET_NUMBER - 2 ** 36), steps, (base, all) => {
        const tracker = new AckTracker();
        const model = new Model();
        const ack = new AckFrame();
        let now = 0;
        let packet = base - 1;
        for (const { leap, wait, eliciting, after, back } of all) {
          now += wait;
          packet = Math.min(Math.max(0, packet + leap), MAX_PACKET_NUMBER);
          // P-6.5 hands no number on twice.
          if (!model.has(packet)) {
            tracker.onPacket(now, packet, eliciting);
            model.onPacket(now, packet, eliciting);
          }
          expect([tracker.deadline, tracker.waiting]).toEqual([model.deadline, model.waiting]);
          expect(tracker.fill(now, ack)).toBe(true);
          expect(seenByPeer(ack)).toEqual(model.intervals);
          expect(ack.delayMicros).toBe(Math.round((now - model.largestAt) * 1000));
          if (after === 'ack') for (const one of [tracker, model]) one.onAckSent(now);
          if (after === 'forget') for (const one of [tracker, model]) one.forgetUpTo(packet - back);
        }
      }),
      runs(150),
    );
  });
});

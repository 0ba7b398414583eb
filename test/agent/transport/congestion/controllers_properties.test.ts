import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Foreground } from '../../../../agent/transport/congestion/foreground.js';
import { Scavenger } from '../../../../agent/transport/congestion/scavenger.js';
import type { CongestionController, MakeController } from '../../../../agent/transport/congestion.js';
import { RttEstimator } from '../../../../agent/transport/rtt.js';
import { runs } from '../../../support/runs.js';
import { DATAGRAM, sampleOf } from './samples.js';

const MAX_BYTES = 3072 * DATAGRAM;

interface Ack {
  readonly what: 'ack';
  readonly wait: number;
  readonly bytes: number;
  readonly rttMs: number;
  readonly rate: number;
  readonly limited: boolean;
  readonly round: boolean;
}

type Event =
  | Ack
  | { readonly what: 'sent' | 'lost' | 'found' | 'outage' | 'size'; readonly wait: number; readonly bytes: number };

const waits = fc.constantFrom(0, 0, 0.001, 1, 25, 50, 300, 11_000);
const bytes = fc.integer({ min: 32, max: 30 * DATAGRAM });
const ack = fc.record({
  what: fc.constant('ack' as const),
  wait: waits,
  bytes,
  rttMs: fc.oneof(
    fc.constant(0),
    fc.constantFrom(0.01, 50, 51, 60, 200),
    fc.double({ min: 0, max: 60_000, noNaN: true }),
  ),
  rate: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1e9, noNaN: true })),
  limited: fc.boolean(),
  round: fc.boolean(),
});
const other = fc.record({
  what: fc.constantFrom(
    'sent' as const,
    'lost' as const,
    'lost' as const,
    'found' as const,
    'outage' as const,
    'size' as const,
  ),
  wait: waits,
  bytes,
});
const events: fc.Arbitrary<Event[]> = fc.array(fc.oneof(ack, ack, other), { maxLength: 250 });

class Feed {
  readonly controller: CongestionController;
  readonly rtt = new RttEstimator();
  #now = 0;
  #delivered = 0;
  #datagramBytes = DATAGRAM;

  constructor(make: MakeController) {
    this.controller = make(DATAGRAM, MAX_BYTES);
  }

  play(event: Event): void {
    const { controller } = this;
    this.#now += event.wait;
    const now = this.#now;
    if (event.what === 'ack') this.#ack(event);
    else if (event.what === 'sent') controller.onPacketSent(now, event.bytes, event.bytes);
    else if (event.what === 'lost') controller.onLost(now, now, event.bytes, event.bytes);
    else if (event.what === 'found') controller.onSpuriousLoss(now, now, event.bytes);
    else if (event.what === 'outage') controller.onPersistentCongestion(now);
    else {
      this.#datagramBytes = event.bytes > 15 * DATAGRAM ? 8952 : DATAGRAM;
      controller.onDatagramBytes(this.#datagramBytes);
    }
    this.check();
  }

  check(): void {
    const { controller } = this;
    expect(controller.windowBytes).toBeLessThanOrEqual(Math.max(MAX_BYTES, 4 * this.#datagramBytes));
    expect(controller.windowBytes).toBeGreaterThanOrEqual(DATAGRAM);
    expect(controller.pacingRate(this.rtt)).toBeGreaterThan(0);
  }

  #ack(event: Ack): void {
    const now = this.#now;
    const prior = this.#delivered;
    this.#delivered += event.bytes;
    if (event.rttMs > 0) this.rtt.onSample(now, event.rttMs, 0);
    this.controller.onAcked(now, now - event.rttMs, event.bytes, event.limited);
    const sample = sampleOf({
      now,
      ackedBytes: event.bytes,
      priorInFlight: event.bytes,
      delivered: this.#delivered,
      priorDelivered: event.round ? prior : 0,
      deliveryRate: event.rate,
      appLimited: !event.limited,
      rttMs: event.rttMs,
    });
    this.controller.onAckDone(sample, this.rtt);
  }
}

const controllers: [name: string, make: () => MakeController][] = [
  ['foreground', () => (bytes, most) => new Foreground(bytes, most)],
  ['background', () => new Scavenger().controller],
];

describe.each(controllers)('the %s controller, whatever it is told', (_name, make) => {
  it('keeps its window between one datagram and the most, and a pace above nothing', () => {
    fc.assert(
      fc.property(events, (all) => {
        const feed = new Feed(make());
        feed.check();
        for (const event of all) feed.play(event);
      }),
      runs(300),
    );
  });
});

describe('the members of a scavenger, whatever they are told', () => {
  it('keep their windows within bounds, however many there are and whichever is silent', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 12 }),
        fc.array(fc.tuple(fc.nat(11), fc.oneof(ack, other)), { maxLength: 250 }),
        (count, all) => {
          const { controller } = new Scavenger();
          const feeds = Array.from({ length: count }, () => new Feed(controller));
          for (const [who, event] of all) feeds[who % count]?.play(event);
        },
      ),
      runs(150),
    );
  });
});

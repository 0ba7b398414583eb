import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Foreground } from '../../../agent/transport/congestion/foreground.js';
import { Scavenger } from '../../../agent/transport/congestion/scavenger.js';
import type { MakeController } from '../../../agent/transport/congestion.js';
import { PathMtu } from '../../../agent/transport/path_mtu.js';
import { type ContentSink, Recovery } from '../../../agent/transport/recovery.js';
import { MAX_SPAN_PACKETS, SENT, type SentPackets } from '../../../agent/transport/sent_packets.js';
import { MAX_DATAGRAM_BYTES, MAX_PACKET_NUMBER } from '../../../shared/limits.js';
import { AckFrame, MAX_ACK_INTERVALS } from '../../../shared/wire/frames/ack.js';
import { runs } from '../../support/runs.js';

const MAX_WINDOW_BYTES = MAX_SPAN_PACKETS * MAX_DATAGRAM_BYTES;
/** What a window must still let through: one datagram of the least size. */
const LEAST_WINDOW_BYTES = 1200;

type Op =
  | { readonly op: 'send'; readonly count: number; readonly bytes: number; readonly eliciting: boolean }
  | { readonly op: 'skip' }
  | { readonly op: 'wait'; readonly ms: number }
  /** `top` below the next number, then runs of numbers downwards: how many are named, how many are left out. */
  | {
      readonly op: 'ack';
      readonly top: number;
      readonly runs: readonly [named: number, gap: number][];
      readonly delay: number;
    }
  | { readonly op: 'timer'; readonly late: number }
  | { readonly op: 'move'; readonly rebound: boolean }
  | { readonly op: 'size'; readonly bytes: number };

const waits = fc.constantFrom(0, 0, 0.1, 1, 7, 25, 60, 400, 5000);
const ack = (least: number) =>
  fc.record({
    op: fc.constant('ack' as const),
    top: fc.integer({ min: least, max: 60 }),
    runs: fc.array(fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 12 })), {
      minLength: 1,
      maxLength: 32,
    }),
    delay: fc.constantFrom(0, 5000, 25_000, 0xffff_ffff),
  });

const ops = (leastTop: number): fc.Arbitrary<Op[]> =>
  fc.array(
    fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          op: fc.constant('send' as const),
          count: fc.integer({ min: 1, max: 40 }),
          bytes: fc.integer({ min: 32, max: MAX_DATAGRAM_BYTES }),
          eliciting: fc.constant(true),
        }),
      },
      // ACKs alone take numbers too, and enough of them take the records of what is in flight.
      {
        weight: 1,
        arbitrary: fc.record({
          op: fc.constant('send' as const),
          count: fc.constantFrom(1, 10, 1000, 4090),
          bytes: fc.constant(60),
          eliciting: fc.constant(false),
        }),
      },
      { weight: 1, arbitrary: fc.record({ op: fc.constant('skip' as const) }) },
      { weight: 4, arbitrary: fc.record({ op: fc.constant('wait' as const), ms: waits }) },
      { weight: 6, arbitrary: ack(leastTop) },
      {
        weight: 3,
        arbitrary: fc.record({ op: fc.constant('timer' as const), late: fc.constantFrom(0, 0, 1, 21, 500) }),
      },
      { weight: 1, arbitrary: fc.record({ op: fc.constant('move' as const), rebound: fc.boolean() }) },
      {
        weight: 1,
        arbitrary: fc.record({ op: fc.constant('size' as const), bytes: fc.constantFrom(1372, 1452, 8952) }),
      },
    ),
    { maxLength: 60 },
  );

const bases = fc.constantFrom(0, 2 ** 32 - 20, 2 ** 32 + 5000, MAX_PACKET_NUMBER - 300_000);

/** The recovery, and beside it what is true of the packets by plain sets. */
class Model implements ContentSink {
  readonly recovery: Recovery;
  now = 1000;
  /** By number, what was sent and has neither come nor been given up: its bytes. */
  readonly #flying = new Map<number, number>();
  readonly #skipped = new Set<number>();
  /** What became of what packets carried, by an id of its own: `null` for nothing yet. */
  readonly told: (null | 'acked' | 'lost')[] = [];
  readonly #mtu = new PathMtu(MAX_DATAGRAM_BYTES, true);

  readonly #honest: boolean;

  /** @param honest whether the peer names nothing that was skipped. */
  constructor(base: number, congestion: MakeController, honest: boolean) {
    this.#honest = honest;
    this.recovery = new Recovery(this.now, this.#mtu, () => congestion(this.#mtu.bytes, MAX_WINDOW_BYTES), this);
    this.recovery.sent.next = base;
    this.recovery.sent.oldest = base;
  }

  onContentAcked(sent: SentPackets, slot: number): void {
    this.#tell(sent, slot, 'acked');
  }

  onContentLost(sent: SentPackets, slot: number): void {
    this.#tell(sent, slot, 'lost');
  }

  /** @returns false once the recovery has called the peer a liar: a session closes then. */
  play(op: Op): boolean {
    const { recovery } = this;
    const named = op.op === 'ack' ? this.#named(op.top, op.runs) : null;
    let believed = true;
    if (op.op === 'send') for (let i = 0; i < op.count; i++) this.#send(op.bytes, op.eliciting);
    else if (op.op === 'skip') this.#skip();
    else if (op.op === 'wait') this.now += op.ms;
    else if (op.op === 'timer') this.#timer(op.late);
    else if (op.op === 'move') recovery.onMoved(this.now, op.rebound);
    else if (op.op === 'size') this.#size(op.bytes);
    else if (named !== null && named.size > 0) believed = this.#ack(named, op.delay);
    this.check(named ?? new Set());
    return believed;
  }

  /** Everything that still flies comes. */
  drain(): void {
    for (const packet of [...this.#flying.keys()]) {
      if (this.recovery.sent.stateOf(packet) !== SENT.outstanding) continue;
      this.#ack(new Set([packet]), 0);
    }
    for (const packet of this.#flying.keys()) expect(this.recovery.sent.stateOf(packet)).not.toBe(SENT.outstanding);
    expect(this.recovery.bytesInFlight).toBe(0);
    expect(this.told).not.toContain(null);
  }

  check(named: ReadonlySet<number>): void {
    const { recovery } = this;
    const { sent } = recovery;
    let bytesInFlight = 0;
    let sound = true;
    for (const [packet, bytes] of this.#flying) {
      const state = sent.isKept(packet) ? sent.stateOf(packet) : SENT.lost;
      if (state === SENT.outstanding) {
        bytesInFlight += bytes;
        sound &&= packet >= sent.oldest;
        continue;
      }
      this.#flying.delete(packet);
      sound &&= state === SENT.lost || (state === SENT.acked && named.has(packet));
    }
    expect(sound).toBe(true);
    expect(recovery.bytesInFlight).toBe(bytesInFlight);
    expect(recovery.packetsLost).toBeGreaterThanOrEqual(0);
    expect(Number.isFinite(recovery.deadline)).toBe(bytesInFlight > 0);
    this.#checkWindow();
  }

  #checkWindow(): void {
    const { congestion, rtt } = this.recovery;
    expect(congestion.windowBytes).toBeGreaterThanOrEqual(LEAST_WINDOW_BYTES);
    expect(congestion.windowBytes).toBeLessThanOrEqual(MAX_WINDOW_BYTES);
    expect(congestion.pacingRate(rtt)).toBeGreaterThan(0);
    expect(this.recovery.paceDeadline).not.toBeNaN();
  }

  #tell(sent: SentPackets, slot: number, what: 'acked' | 'lost'): void {
    for (const item of sent.controls[slot] ?? []) {
      if (item.kind !== 'cancel') continue;
      if (this.told[item.chunk] !== null) throw new Error(`told twice: ${what}, of what was ${this.told[item.chunk]}`);
      this.told[item.chunk] = what;
    }
    sent.controls[slot] = null;
  }

  #send(bytes: number, eliciting: boolean): void {
    const { sent } = this.recovery;
    const packet = sent.next;
    const slot = this.recovery.onSent(this.now, bytes, eliciting);
    if (!eliciting) return;
    this.#flying.set(packet, bytes);
    sent.controls[slot] = [{ kind: 'cancel', chunk: this.told.push(null) - 1 }];
  }

  #skip(): void {
    this.#skipped.add(this.recovery.sent.next);
    this.recovery.skip(this.now);
  }

  #size(bytes: number): void {
    this.#mtu.onProbeSent(this.now, bytes, 100);
    this.#mtu.onProbeAnswered(bytes);
    this.recovery.onDatagramBytes();
  }

  /** A driver's timer: never early, and it ends: no deadline stays where it is. */
  #timer(late: number): void {
    const { recovery } = this;
    if (!Number.isFinite(recovery.deadline)) return;
    this.now = Math.max(this.now, recovery.deadline + late);
    for (let i = 0; recovery.deadline <= this.now; i++) {
      expect(i).toBeLessThan(100);
      recovery.onTimer(this.now);
    }
  }

  #ack(named: ReadonlySet<number>, delayMicros: number): boolean {
    const { sent } = this.recovery;
    const frame = new AckFrame();
    const falling = [...named].toSorted((a, b) => b - a);
    frame.delayMicros = delayMicros;
    frame.count = 0;
    for (const packet of falling) {
      if (frame.count > 0 && frame.low[frame.count - 1] === packet + 1) frame.low[frame.count - 1] = packet;
      else if (frame.count < MAX_ACK_INTERVALS) {
        frame.low[frame.count] = packet;
        frame.high[frame.count++] = packet;
      }
    }
    const unsent = frame.largest >= sent.next;
    const skipped = falling.some((packet) => this.#skipped.has(packet));
    const believed = this.recovery.onAck(this.now, frame);
    if (unsent) expect(believed).toBe(false);
    if (!unsent && !skipped) expect(believed).toBe(true);
    return believed;
  }

  #named(top: number, parts: readonly [named: number, gap: number][]): Set<number> {
    const named = new Set<number>();
    let at = this.recovery.sent.next - 1 - top;
    for (const [count, gap] of parts) {
      for (let i = 0; i < count; i++) if (at >= i && !(this.#honest && this.#skipped.has(at - i))) named.add(at - i);
      at -= count + gap;
    }
    return named;
  }
}

const controllers: [name: string, make: () => MakeController][] = [
  ['foreground', () => (bytes, most) => new Foreground(bytes, most)],
  ['background', () => new Scavenger().controller],
];

describe.each(controllers)('P-8.1 whatever is sent, acknowledged, lost or late, in the %s', (_name, make) => {
  it('what is in flight adds up, and each thing sent is told of once', () => {
    fc.assert(
      fc.property(bases, ops(0), (base, all) => {
        const model = new Model(base, make(), true);
        for (const op of all) expect(model.play(op)).toBe(true);
        model.drain();
      }),
      runs(150),
    );
  });

  it('a liar is found out or gains nothing: no ACK breaks the sums', () => {
    fc.assert(
      fc.property(bases, ops(-3), (base, all) => {
        const model = new Model(base, make(), false);
        for (const op of all) if (!model.play(op)) return;
        model.drain();
      }),
      runs(150),
    );
  });
});

import { describe, expect, it } from 'vitest';
import type { AckSample, CongestionController } from '../../../agent/transport/congestion.js';
import { PathMtu } from '../../../agent/transport/path_mtu.js';
import { RateCap } from '../../../agent/transport/rate_cap.js';
import { type ContentSink, Recovery } from '../../../agent/transport/recovery.js';
import { SENT_RECORDS, type SentPackets } from '../../../agent/transport/sent_packets.js';
import { BASE_DATAGRAM_BYTES, MAX_PACKET_NUMBER } from '../../../shared/limits.js';
import { AckFrame } from '../../../shared/wire/frames/ack.js';

class Sink implements ContentSink {
  readonly acked: number[] = [];
  readonly lost: number[] = [];
  onContentAcked(_sent: SentPackets, slot: number) {
    this.acked.push(slot);
  }
  onContentLost(_sent: SentPackets, slot: number) {
    this.lost.push(slot);
  }
}

function ackOf(...intervals: [high: number, low: number][]): AckFrame {
  const ack = new AckFrame();
  ack.count = intervals.length;
  intervals.forEach(([high, low], i) => {
    ack.high[i] = high;
    ack.low[i] = low;
  });
  return ack;
}

/** A window that stays, and what it was told. */
class Controller implements CongestionController {
  windowBytes = 12_000;
  lost = 0;
  found = 0;
  persistent = 0;
  readonly samples: AckSample[] = [];
  readonly inFlightAtSend: number[] = [];
  pacingRate(): number {
    return 1e6;
  }
  onPacketSent(): void {}
  onAcked(): void {}
  onLost(_now: number, _sentAt: number, _bytes: number, inFlightAtSend: number): void {
    this.lost++;
    this.inFlightAtSend.push(inFlightAtSend);
  }
  onSpuriousLoss(): void {
    this.found++;
  }
  onPersistentCongestion(): void {
    this.persistent++;
  }
  onAckDone(sample: AckSample): void {
    this.samples.push({ ...sample });
  }
  onDatagramBytes(): void {}
}

function setUp() {
  const sink = new Sink();
  const controller = new Controller();
  return { sink, controller, recovery: new Recovery(0, new PathMtu(1200, false), () => controller, sink) };
}

function sendMany(recovery: Recovery, count: number, at: (i: number) => number): void {
  for (let i = 0; i < count; i++) recovery.onSent(at(i), 1200, true);
}

describe('P-8.1 recovery', () => {
  it('P-6.4 is exhausted while there are still numbers for three CLOSEs', () => {
    const { recovery } = setUp();
    recovery.sent.next = MAX_PACKET_NUMBER - 17;
    expect(recovery.isExhausted).toBe(false);
    recovery.sent.next++;
    expect(recovery.isExhausted).toBe(true);
  });

  it('takes acknowledged packets out of flight, once', () => {
    const { recovery, sink } = setUp();
    sendMany(recovery, 5, () => 0);
    expect(recovery.bytesInFlight).toBe(6000);
    recovery.onAck(10, ackOf([4, 4], [1, 0]));
    recovery.onAck(11, ackOf([4, 4], [1, 0]));
    expect(sink.acked).toEqual([4, 1, 0]);
    expect(recovery.rtt.smoothedMs).toBe(10);
  });

  it('RFC 9002 §6.1.1 gives up what three later ones overtook, and tells the controller of each', () => {
    const { recovery, sink, controller } = setUp();
    sendMany(recovery, 8, (i) => i * 0.01);
    recovery.onAck(10, ackOf([7, 5]));
    expect(sink.lost).toEqual([0, 1, 2, 3, 4]);
    expect(controller.lost).toBe(5);
    expect(controller.inFlightAtSend).toEqual([1200, 2400, 3600, 4800, 6000]);
    expect(recovery.bytesInFlight).toBe(0);
  });

  it('RFC 9002 §6.1.2 gives up an overtaken one by time', () => {
    const { recovery, sink } = setUp();
    sendMany(recovery, 2, () => 0);
    recovery.onAck(80, ackOf([1, 1]));
    expect([sink.lost, recovery.deadline]).toEqual([[], 90]);
    recovery.onTimer(89);
    expect(sink.lost).toEqual([]);
    recovery.onTimer(90);
    expect(sink.lost).toEqual([0]);
  });

  it('RFC 9002 §7.5 probes at a timeout and calls nothing lost', () => {
    const { recovery, controller } = setUp();
    sendMany(recovery, 2, () => 0);
    const due = recovery.deadline;
    recovery.onTimer(due);
    expect([recovery.probesOwed, controller.lost, recovery.packetsLost]).toEqual([2, 0, 0]);
    expect(recovery.deadline).toBeGreaterThan(due);
  });

  it('lets what has arrived be read first when the timer comes late', () => {
    const { recovery, sink } = setUp();
    sendMany(recovery, 2, () => 0);
    recovery.onAck(80, ackOf([1, 1]));
    recovery.onTimer(300);
    expect([sink.lost, recovery.deadline]).toEqual([[], 301]);
    recovery.onAck(300.5, ackOf([1, 0]));
    recovery.onTimer(301);
    expect([sink.lost, recovery.probesOwed]).toEqual([[], 0]);
  });

  it('does not put a late timer off twice', () => {
    const { recovery, sink } = setUp();
    sendMany(recovery, 2, () => 0);
    recovery.onAck(80, ackOf([1, 1]));
    recovery.onTimer(300);
    recovery.onTimer(400);
    expect(sink.lost).toEqual([0]);
  });

  it('RFC 9002 §7.6 calls it persistent when all was lost for three probe timeouts', () => {
    const { recovery, controller } = setUp();
    recovery.onSent(0, 1200, true);
    recovery.onAck(10, ackOf([0, 0]));
    sendMany(recovery, 10, (i) => 20 + i * 50);
    recovery.onAck(480, ackOf([10, 10]));
    expect(controller.persistent).toBe(1);
  });

  it('RFC 9002 §7.6.2 does not, for packets of before the first sample', () => {
    const { recovery, controller } = setUp();
    sendMany(recovery, 10, (i) => i * 500);
    recovery.onAck(5000, ackOf([9, 9]));
    expect(controller.persistent).toBe(0);
  });

  it('RFC 9002 §6.1 mends its thresholds and tells the controller when a loss was none', () => {
    const { recovery, controller } = setUp();
    sendMany(recovery, 8, (i) => i * 0.01);
    recovery.onAck(10, ackOf([7, 1]));
    recovery.onAck(11, ackOf([7, 0]));
    expect(recovery.loss.packetThreshold).toBe(8);
    expect([controller.lost, controller.found]).toEqual([1, 1]);
    expect(recovery.packetsLost).toBe(0);
  });

  it('P-7.3 tells an ACK of a packet never sent, or skipped, from a good one', () => {
    const { recovery } = setUp();
    sendMany(recovery, 2, () => 0);
    recovery.skip(0);
    sendMany(recovery, 1, () => 0);
    expect(recovery.onAck(1, ackOf([4, 4]))).toBe(false);
    expect(recovery.onAck(1, ackOf([3, 3], [1, 0]))).toBe(true);
    const other = setUp().recovery;
    sendMany(other, 2, () => 0);
    other.skip(0);
    sendMany(other, 1, () => 0);
    expect(other.onAck(1, ackOf([3, 0]))).toBe(false);
  });

  it('keeps packets that ask for nothing out of flight', () => {
    const { recovery } = setUp();
    recovery.onSent(0, 100, false);
    expect([recovery.bytesInFlight, recovery.deadline]).toEqual([0, Number.POSITIVE_INFINITY]);
    expect(recovery.onAck(5, ackOf([0, 0]))).toBe(true);
  });

  it('gives up a packet whose record is needed for another', () => {
    const { recovery, sink } = setUp();
    recovery.onSent(0, 1200, true);
    for (let i = 0; i < SENT_RECORDS - 1; i++) recovery.onSent(1, 100, false);
    expect(sink.lost).toEqual([]);
    recovery.onSent(1, 100, false);
    expect([sink.lost, recovery.bytesInFlight]).toEqual([[0], 0]);
  });

  it('tells the controller the rate at which bytes arrived', () => {
    const { recovery, controller } = setUp();
    sendMany(recovery, 10, () => 0);
    recovery.onAck(20, ackOf([9, 0]));
    sendMany(recovery, 10, (i) => 20 + i);
    recovery.onAck(50, ackOf([19, 0]));
    const { samples } = controller;
    expect(samples.map(({ deliveryRate }) => deliveryRate)).toEqual([12_000 / 20, 12_000 / 30]);
    expect(samples[1]?.priorInFlight).toBe(12_000);
    expect(samples.map(({ delivered, priorDelivered }) => [delivered, priorDelivered])).toEqual([
      [12_000, 0],
      [24_000, 12_000],
    ]);
  });

  it('draft-ietf-ccwg-bbr-06 §4.1 believes no rate above that at which the bytes were sent, however ACKs come bunched', () => {
    const { recovery, controller } = setUp();
    recovery.appLimited = false;
    for (let i = 0; i < 20; i++) recovery.onSent(i * 10, 1200, true);
    recovery.onAck(200, ackOf([9, 0]));
    recovery.onAck(200.1, ackOf([19, 0]));
    for (const { deliveryRate } of controller.samples)
      expect(deliveryRate).toBeLessThanOrEqual((1200 / 10) * (20 / 19));
  });

  it('calls a sample limited by the application until all is acknowledged that was in flight when there was no more', () => {
    const { recovery, controller } = setUp();
    recovery.appLimited = false;
    sendMany(recovery, 2, () => 0);
    recovery.appLimited = true;
    sendMany(recovery, 1, () => 1);
    recovery.appLimited = false;
    sendMany(recovery, 1, () => 2);
    recovery.onAck(10, ackOf([2, 0]));
    sendMany(recovery, 1, () => 11);
    recovery.onAck(15, ackOf([3, 3]));
    recovery.onAck(25, ackOf([4, 4]));
    expect(controller.samples.map(({ appLimited }) => appLimited)).toEqual([true, true, false]);
  });

  it('tells the round trip less the delay that the peer names, and believes no more than the longest', () => {
    const { recovery, controller } = setUp();
    sendMany(recovery, 2, () => 0);
    const ack = ackOf([0, 0]);
    ack.delayMicros = 10_000;
    recovery.onAck(60, ack);
    const other = ackOf([1, 1]);
    other.delayMicros = 900_000;
    recovery.onAck(100, other);
    expect(controller.samples.map(({ rttMs }) => rttMs)).toEqual([50, 75]);
  });

  it('tells how long the newest was on its way, by two clocks that have nothing in common, over a turn of the other', () => {
    const { recovery, controller } = setUp();
    sendMany(recovery, 3, (packet) => 10 * packet);
    for (const [packet, arrivalMicros] of [2 ** 32 - 1000, 14_000, 19_000].entries()) {
      const ack = ackOf([packet, packet]);
      ack.arrivalMicros = arrivalMicros;
      recovery.onAck(50 + packet, ack);
    }
    // 5 ms more of queue than the first met, then as little as that.
    const [first = 0, ...others] = controller.samples.map(({ forwardMs }) => forwardMs);
    expect(others.map((forwardMs) => Math.round((forwardMs - first) * 1000) / 1000)).toEqual([5, 0]);
  });

  it('knows nothing of the way there from an ACK whose largest it has heard of', () => {
    const { recovery, controller } = setUp();
    sendMany(recovery, 2, () => 0);
    recovery.onAck(10, ackOf([1, 1]));
    recovery.onAck(12, ackOf([1, 0]));
    expect(controller.samples.map(({ forwardMs }) => Number.isNaN(forwardMs))).toEqual([false, true]);
  });
});

describe('the largest datagram under ceilings', () => {
  it('is a tenth of a second of the lowest, a whole number, and never below the base size', () => {
    const caps = [new RateCap(), new RateCap()];
    const [all, one] = caps;
    const recovery = new Recovery(0, new PathMtu(8952, true), () => new Controller(), new Sink(), caps);
    expect(recovery.cappedDatagramBytes).toBe(Number.POSITIVE_INFINITY);
    all?.set(0, 100_000);
    one?.set(0, 14_567.89);
    expect(recovery.cappedDatagramBytes).toBe(1456);
    recovery.peerCap.set(0, 5);
    expect(recovery.cappedDatagramBytes).toBe(BASE_DATAGRAM_BYTES);
  });
});

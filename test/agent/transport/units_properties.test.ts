import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LossDetector, MAX_PACKET_THRESHOLD, MAX_TIME_THRESHOLD } from '../../../agent/transport/loss.js';
import { MAX_BURST_BYTES, Pacer } from '../../../agent/transport/pacer.js';
import { PathMtu } from '../../../agent/transport/path_mtu.js';
import { RttEstimator } from '../../../agent/transport/rtt.js';
import { BASE_DATAGRAM_BYTES, MAX_DATAGRAM_BYTES } from '../../../shared/limits.js';
import { runs } from '../../support/runs.js';

const sizes = fc.constantFrom(1200, 1372, 1452, 1472, 4052, 8952);
const times = fc.constantFrom(0, 0, 0.01, 1, 3.7, 20, 400, 700_000);

describe('Pacer, whatever rates and times', () => {
  const rates = fc.double({ min: 0.01, max: 250_000, noNaN: true });
  const looks = fc.array(fc.tuple(times, fc.boolean()), { minLength: 1, maxLength: 60 });

  it('P-8.4 lets no more through than one burst and what the rate gives', () => {
    fc.assert(
      fc.property(rates, sizes, looks, (rate, bytes, all) => {
        const pacer = new Pacer(0, bytes);
        let now = 0;
        let sent = 0;
        for (const [wait] of all) {
          now += wait;
          for (; pacer.maySend(now, rate); sent += bytes) pacer.onSent(bytes);
        }
        expect(sent).toBeLessThanOrEqual(MAX_BURST_BYTES + rate * now + bytes);
      }),
      runs(200),
    );
  });

  it('P-8.4 names a time at which it does let through, and lets through nothing while time stands still', () => {
    fc.assert(
      fc.property(rates, sizes, looks, fc.constantFrom(0, 1e6, 1e9), (rate, bytes, all, start) => {
        const pacer = new Pacer(start, bytes);
        let now: number = start;
        for (const [wait, rest] of all) {
          now += wait;
          while (pacer.maySend(now, rate)) pacer.onSent(bytes);
          expect(pacer.maySend(now, rate)).toBe(false);
          if (rest) continue;
          now = Math.max(now, pacer.nextSendAt(rate));
          expect(pacer.maySend(now, rate)).toBe(true);
        }
      }),
      runs(200),
    );
  });
});

describe('LossDetector, whatever it learns', () => {
  it('RFC 9002 §6.1 keeps its thresholds within their bounds, and gives up no packet before the ones that it follows', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 2 ** 40 })), fc.nat(300), fc.nat(300), (distances, one, other) => {
        const loss = new LossDetector();
        for (const distance of distances) loss.onSpuriousLoss(distance);
        expect(loss.packetThreshold).toBeLessThanOrEqual(MAX_PACKET_THRESHOLD);
        expect(loss.timeThreshold).toBeLessThanOrEqual(MAX_TIME_THRESHOLD);
        const [older, newer] = [Math.min(one, other), Math.max(one, other)];
        const lost = (packet: number) => loss.isLost(packet, 300, packet, 400, loss.lossDelayMs(new RttEstimator()));
        if (lost(newer)) expect(lost(older)).toBe(true);
      }),
      runs(200),
    );
  });
});

describe('RttEstimator, whatever it is told', () => {
  it('RFC 9002 §5 stays within what was measured, and its probe timeout finite', () => {
    const sample = fc.tuple(times, fc.double({ min: 0, max: 60_000, noNaN: true }), fc.constantFrom(0, 25, 4_294_967));
    fc.assert(
      fc.property(fc.array(sample, { minLength: 1 }), (samples) => {
        const rtt = new RttEstimator();
        let now = 0;
        for (const [wait, ms, delay] of samples) {
          now += wait;
          rtt.onSample(now, ms, delay);
        }
        const measured = samples.map(([, ms]) => ms);
        expect(rtt.minMs).toBe(Math.min(...measured));
        expect(rtt.smoothedMs).toBeGreaterThanOrEqual(rtt.minMs * (1 - 1e-9));
        expect(rtt.smoothedMs).toBeLessThanOrEqual(Math.max(...measured) * (1 + 1e-9));
        expect(rtt.variationMs).toBeGreaterThanOrEqual(0);
        expect(Number.isFinite(rtt.probeTimeoutMs)).toBe(true);
      }),
      runs(200),
    );
  });
});

describe('PathMtu, whatever answers, is lost or is cut up', () => {
  const steps = fc.array(
    fc.tuple(
      fc.constantFrom('probe', 'probe', 'answer', 'answer', 'lie', 'cut', 'timer', 'acked', 'lost', 'reset'),
      times,
      sizes,
    ),
    { maxLength: 120 },
  );

  it('P-6.7 sends no larger than what was answered, tries no smaller than it sends, and one at a time', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: BASE_DATAGRAM_BYTES, max: MAX_DATAGRAM_BYTES }),
        fc.boolean(),
        steps,
        (most, seen, all) => {
          const mtu = new PathMtu(most, seen);
          const answered = new Set([BASE_DATAGRAM_BYTES]);
          let now = 0;
          let trying = 0;
          for (const [what, wait, bytes] of all) {
            now += wait;
            const due = mtu.due(now);
            if (due > 0) {
              expect(due).toBeGreaterThan(mtu.bytes);
              expect(due).toBeLessThanOrEqual(most);
              expect(mtu.deadline).toBe(Number.POSITIVE_INFINITY);
            }
            if (what === 'probe' && due > 0) {
              mtu.onProbeSent(now, due, 100);
              trying = due;
            } else if (what === 'answer' && trying > 0) {
              mtu.onProbeAnswered(trying);
              answered.add(trying);
            } else if (what === 'lie' && bytes !== trying) mtu.onProbeAnswered(bytes);
            else if (what === 'cut') mtu.onFragmented(now);
            else if (what === 'timer') mtu.onTimer(Math.max(now, Number.isFinite(mtu.deadline) ? mtu.deadline : 0));
            else if (what === 'acked') mtu.onAcked(now, Math.min(bytes, mtu.bytes));
            else if (what === 'lost') mtu.onLost(now, Math.min(bytes, mtu.bytes));
            else if (what === 'reset') mtu.reset();
            expect(answered.has(mtu.bytes)).toBe(true);
            expect(mtu.bytes).toBeLessThanOrEqual(most);
          }
        },
      ),
      runs(300),
    );
  });
});

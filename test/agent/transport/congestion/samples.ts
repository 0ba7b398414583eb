import type { AckSample } from '../../../../agent/transport/congestion.js';
import { RttEstimator } from '../../../../agent/transport/rtt.js';

export const DATAGRAM = 1200;

export function sampleOf(more: Partial<AckSample>): AckSample {
  return {
    now: 0,
    ackedBytes: DATAGRAM,
    lostBytes: 0,
    priorInFlight: 0,
    inFlight: 0,
    delivered: 0,
    priorDelivered: 0,
    inFlightAtSend: 0,
    deliveryRate: 0,
    appLimited: false,
    rttMs: 0,
    forwardMs: Number.NaN,
    ...more,
  };
}

export function rttOf(ms: number): RttEstimator {
  const rtt = new RttEstimator();
  for (let i = 0; i < 50; i++) rtt.onSample(i, ms, 0);
  return rtt;
}

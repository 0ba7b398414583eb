import type { RttEstimator } from './rtt.js';

/**
 * What one ACK told, for controllers that model the path. One is used over and over: copy what must last. Bytes, and
 * milliseconds. "The packet" is the newest that the ACK acknowledged.
 */
export interface AckSample {
  now: number;
  ackedBytes: number;
  lostBytes: number;
  /** In flight before this ACK. */
  priorInFlight: number;
  /** In flight after it. */
  inFlight: number;
  /** Acknowledged in all, this ACK included. */
  delivered: number;
  /** Acknowledged in all when the packet left. */
  priorDelivered: number;
  /** In flight when the packet had left, itself included. */
  inFlightAtSend: number;
  /**
   * Bytes acknowledged per millisecond over the packet's flight, 0 where unknown: the slower of how fast they were sent and
   * how fast they were acknowledged (draft-ietf-ccwg-bbr-06 §4.1), so that ACKs that come bunched tell no more than was sent.
   */
  deliveryRate: number;
  /** Whether the packet was sent while there was less to send than the window let. */
  appLimited: boolean;
  /** The round trip less the delay that the peer names; 0 where the ACK gives none. */
  rttMs: number;
  /**
   * When the packet arrived by the peer's clock, less when it left by ours: only how it changes means something, for the clocks
   * have nothing in common. NaN where the ACK gives none.
   */
  forwardMs: number;
}

/** How much may be in flight and how fast it leaves. Windows in bytes, times in milliseconds, rates in bytes per millisecond. */
export interface CongestionController {
  readonly windowBytes: number;
  /** Bytes per millisecond for the pacer (P-8.4). */
  pacingRate(rtt: RttEstimator): number;
  /** @param inFlight with this packet. */
  onPacketSent(now: number, bytes: number, inFlight: number): void;
  /** Each packet newly acknowledged. @param limited whether the window was what held sending back (RFC 9002 §7.8). */
  onAcked(now: number, sentAt: number, bytes: number, limited: boolean): void;
  /** Each packet given up for lost. @param inFlightAtSend what was in flight when it had left. */
  onLost(now: number, sentAt: number, bytes: number, inFlightAtSend: number): void;
  /** Each packet given up for lost that came after all. */
  onSpuriousLoss(now: number, sentAt: number, bytes: number): void;
  /** RFC 9002 §7.6 */
  onPersistentCongestion(now: number): void;
  /** Once for each ACK, after its packets. */
  onAckDone(sample: AckSample, rtt: RttEstimator): void;
  /** The size of a full datagram changed. */
  onDatagramBytes(datagramBytes: number): void;
}

/** @param maxWindowBytes what the sender can keep records of. */
export type MakeController = (datagramBytes: number, maxWindowBytes: number) => CongestionController;

/** RFC 9002 §7.2 */
const INITIAL_WINDOW_DATAGRAMS = 10;
const INITIAL_WINDOW_BYTES = 14_720;

/** RFC 9002 §7.2: what may leave before anything is known of the path. */
export function initialWindow(datagramBytes: number): number {
  return Math.min(INITIAL_WINDOW_DATAGRAMS * datagramBytes, Math.max(INITIAL_WINDOW_BYTES, 2 * datagramBytes));
}

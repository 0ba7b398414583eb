import type { ControlItem } from './control.js';
import type { ServePart } from './send_queue.js';

/** Packets that records are kept of, a power of two: no more than a receiver's replay window takes (P-6.5). */
export const SENT_RECORDS = 4096;
/** Packet numbers between the oldest in flight and the next: leaves records for ACKs, which are not in flight. */
export const MAX_SPAN_PACKETS = 3072;

/** What became of a packet. */
export const SENT = {
  /** The number was never used, or its record is of another packet. */
  none: 0,
  /** In flight: asks for acknowledgement and counts against the window. */
  outstanding: 1,
  /** Sent, and nothing waits for it: an ACK alone, a path check. */
  untracked: 2,
  acked: 3,
  lost: 4,
  /** The number was skipped on purpose: only a liar acknowledges it (RFC 9000 §21.4). */
  skipped: 5,
} as const;

/**
 * What is remembered of sent packets, in a ring by packet number: columns, not objects, so that a packet costs no
 * allocation.
 */
export class SentPackets {
  readonly state = new Uint8Array(SENT_RECORDS);
  readonly bytes = new Uint16Array(SENT_RECORDS);
  readonly sentAt = new Float64Array(SENT_RECORDS);
  /** Bytes acknowledged in all when the packet left, and when the last of those was: what a delivery rate is made from. */
  readonly delivered = new Float64Array(SENT_RECORDS);
  readonly deliveredAt = new Float64Array(SENT_RECORDS);
  /** When the packet left that was the newest acknowledged when this one left. */
  readonly firstSentAt = new Float64Array(SENT_RECORDS);
  /** Bytes in flight once the packet had left. */
  readonly inFlight = new Uint32Array(SENT_RECORDS);
  readonly appLimited = new Uint8Array(SENT_RECORDS);
  /** The largest packet number of the peer's that an ACK in this packet named, or -1. */
  readonly ackLargest = new Float64Array(SENT_RECORDS);
  readonly part: (ServePart | null)[] = new Array<ServePart | null>(SENT_RECORDS).fill(null);
  readonly partOffset = new Uint32Array(SENT_RECORDS);
  readonly partLength = new Uint16Array(SENT_RECORDS);
  readonly controls: (ControlItem[] | null)[] = new Array<ControlItem[] | null>(SENT_RECORDS).fill(null);
  /** The number that the next packet takes. */
  next = 0;
  /** No packet below is in flight. */
  oldest = 0;

  slot(packet: number): number {
    return packet % SENT_RECORDS;
  }

  /** Whether the record of this packet is still there. */
  isKept(packet: number): boolean {
    return packet >= 0 && packet < this.next && packet >= this.next - SENT_RECORDS;
  }

  stateOf(packet: number): number {
    return this.isKept(packet) ? (this.state[this.slot(packet)] ?? SENT.none) : SENT.none;
  }

  sentAtOf(packet: number): number {
    return this.sentAt[this.slot(packet)] ?? 0;
  }

  bytesOf(packet: number): number {
    return this.bytes[this.slot(packet)] ?? 0;
  }

  get span(): number {
    return this.next - this.oldest;
  }

  /** Takes the next number. What was recorded in its place is gone. */
  record(state: number, now: number, bytes: number): number {
    const slot = this.slot(this.next);
    this.state[slot] = state;
    this.bytes[slot] = bytes;
    this.sentAt[slot] = now;
    this.ackLargest[slot] = -1;
    this.part[slot] = null;
    this.controls[slot] = null;
    this.next++;
    return slot;
  }

  advanceOldest(): void {
    while (this.oldest < this.next && this.state[this.slot(this.oldest)] !== SENT.outstanding) this.oldest++;
  }
}

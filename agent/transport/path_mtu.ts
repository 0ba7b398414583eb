import { BASE_DATAGRAM_BYTES } from '../../shared/limits.js';

/**
 * Finds how large a datagram the path carries, and notices when it no longer does (RFC 8899, P-6.7). Sizes are those of
 * UDP payloads. A probe is a PING filled up to the size; its PONG confirms it, and its loss says nothing of congestion.
 *
 * Sizes are tried upwards only, and a size that is given up bounds the search: once the kernel has heard of a smaller path
 * MTU it cuts larger datagrams into fragments itself, and what arrives then proves nothing.
 */

/** What common paths carry: tunnels over Ethernet, Ethernet under IPv6 and IPv4, frames of 4 KiB, jumbo frames (P-6.6). */
const SIZES_BYTES = [1372, 1452, 1472, 4052, 8952] as const;
/** RFC 8899 §5.1.2, MAX_PROBES: a probe may be lost to chance. */
const MAX_PROBES = 3;
/** RFC 8899 §5.1.1, PMTU_RAISE_TIMER. The kernel forgets what it heard of a path in that time too. */
const RAISE_MS = 600_000;
/** RFC 8899 §4.3: so many large datagrams lost in a row, and a smaller one arrived after them, are no accident. */
const BLACK_HOLE_LOSSES = 4;
/** A PONG may wait behind a burst: so much longer than a probe timeout. */
const PATIENCE = 2;

export class PathMtu {
  /** What may be sent in one datagram now: PLPMTU of RFC 8899. */
  bytes = BASE_DATAGRAM_BYTES;
  readonly #sizes: readonly number[];
  readonly #maxTries: number;
  /** No size from here on is tried before #raiseAt. */
  #ceiling = Number.POSITIVE_INFINITY;
  #raiseAt = Number.POSITIVE_INFINITY;
  /** The size being tried; 0 for none. */
  #trying = 0;
  #tries = 0;
  #timeoutAt = Number.POSITIVE_INFINITY;
  /** When the newest packets left that were acknowledged, above the base size and not above it. */
  #largeArrivedSentAt = Number.NEGATIVE_INFINITY;
  #smallArrivedSentAt = Number.NEGATIVE_INFINITY;
  /** Lost above the base size since one of that kind arrived, and when the last of them left. */
  #largeLost = 0;
  #largeLostSentAt = Number.NEGATIVE_INFINITY;

  /**
   * @param maxBytes no size above is tried.
   * @param fragmentsAreSeen whether the driver tells of fragments (`onFragmented`): without that only a size's first probe can
   *   be believed.
   */
  constructor(maxBytes: number, fragmentsAreSeen: boolean) {
    const below = SIZES_BYTES.filter((size) => size < maxBytes);
    this.#sizes = maxBytes > BASE_DATAGRAM_BYTES ? [...below, maxBytes] : [];
    this.#maxTries = fragmentsAreSeen ? MAX_PROBES : 1;
  }

  /** The size of the probe to send now, 0 for none. Ask while there are bytes to send: an idle session needs no more. */
  due(now: number): number {
    if (now >= this.#raiseAt) {
      this.#ceiling = Number.POSITIVE_INFINITY;
      this.#raiseAt = Number.POSITIVE_INFINITY;
    }
    if (this.#timeoutAt !== Number.POSITIVE_INFINITY) return 0;
    const next = this.#sizes.find((size) => size > this.bytes) ?? this.#ceiling;
    return next < this.#ceiling ? next : 0;
  }

  /** When `onTimer` is due. */
  get deadline(): number {
    return this.#timeoutAt;
  }

  onProbeSent(now: number, bytes: number, probeTimeoutMs: number): void {
    if (bytes !== this.#trying) this.#tries = 0;
    this.#trying = bytes;
    this.#tries++;
    this.#timeoutAt = now + PATIENCE * probeTimeoutMs;
  }

  /** A probe of this size arrived. */
  onProbeAnswered(bytes: number): void {
    if (bytes !== this.#trying || bytes >= this.#ceiling) return;
    this.bytes = Math.max(this.bytes, bytes);
    this.#endTrying();
  }

  /** The kernel cut the last probe up: the path, or the interface, takes less. */
  onFragmented(now: number): void {
    if (this.#trying > 0) this.#giveUp(now, this.#trying);
  }

  onTimer(now: number): void {
    if (now < this.#timeoutAt) return;
    this.#timeoutAt = Number.POSITIVE_INFINITY;
    if (this.#tries >= this.#maxTries) this.#giveUp(now, this.#trying);
  }

  onAcked(sentAt: number, bytes: number): void {
    if (bytes > BASE_DATAGRAM_BYTES) {
      this.#largeArrivedSentAt = Math.max(this.#largeArrivedSentAt, sentAt);
      if (sentAt >= this.#largeLostSentAt) this.#largeLost = 0;
    } else {
      this.#smallArrivedSentAt = Math.max(this.#smallArrivedSentAt, sentAt);
      this.#checkBlackHole();
    }
  }

  onLost(sentAt: number, bytes: number): void {
    if (bytes <= BASE_DATAGRAM_BYTES || sentAt <= this.#largeArrivedSentAt) return;
    this.#largeLost++;
    this.#largeLostSentAt = Math.max(this.#largeLostSentAt, sentAt);
    this.#checkBlackHole();
  }

  /** Another path: nothing is known of it. */
  reset(): void {
    this.#ceiling = Number.POSITIVE_INFINITY;
    this.#raiseAt = Number.POSITIVE_INFINITY;
    this.#fallBack();
  }

  #checkBlackHole(): void {
    if (this.#largeLost >= BLACK_HOLE_LOSSES && this.#smallArrivedSentAt > this.#largeLostSentAt) this.#fallBack();
  }

  /** The search begins anew at once: what looked like a black hole may have been an outage. */
  #fallBack(): void {
    this.bytes = BASE_DATAGRAM_BYTES;
    this.#largeLost = 0;
    this.#largeArrivedSentAt = Number.NEGATIVE_INFINITY;
    this.#smallArrivedSentAt = Number.NEGATIVE_INFINITY;
    this.#largeLostSentAt = Number.NEGATIVE_INFINITY;
    this.#endTrying();
  }

  #giveUp(now: number, bytes: number): void {
    this.#ceiling = bytes;
    this.#raiseAt = now + RAISE_MS;
    this.#endTrying();
  }

  #endTrying(): void {
    this.#trying = 0;
    this.#tries = 0;
    this.#timeoutAt = Number.POSITIVE_INFINITY;
  }
}

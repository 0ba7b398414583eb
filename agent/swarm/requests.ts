import type { Deadline } from './deadline.js';
import { lateAfterMs, type Pace } from './endgame.js';
import type { Intake } from './intake.js';
import { FAR_PIPELINE_SECONDS, MAX_OUTSTANDING_BYTES, MIN_FAR_PIPELINE_BYTES } from './limits.js';
import { bestRateOf } from './merit.js';
import type { Misbehaviour } from './misbehaviour.js';
import type { Peer } from './peer.js';
import type { SwarmOptions } from './swarm_types.js';

/** What was asked of whom and is not verified yet: since when, how many bytes, how many of them late, and so how much more may be asked for. Pure. */

export interface RequestsOptions extends Pick<SwarmOptions, 'chunkLength' | 'allowance' | 'misbehaved'> {
  /** By id: all, those that rest too. */
  readonly peers: ReadonlyMap<string, Peer>;
  /** What comes from other sites. */
  readonly far: Intake;
  /** Told when a request becomes late. */
  readonly due: Deadline;
}

export class Requests {
  readonly #peers: ReadonlyMap<string, Peer>;
  readonly #far: Intake;
  readonly #due: Deadline;
  readonly #chunkLength: (chunk: number) => number;
  readonly #allowance: () => number;
  readonly #misbehaved: (peer: string, how: Misbehaviour) => void;
  readonly #askedAt = new Map<number, number[]>();
  readonly #pace: { readonly chunkLength: (chunk: number) => number; bestRate: number };
  #outstandingBytes = 0;
  #farOutstandingBytes = 0;
  /** Bytes that may be outstanding, as of the last look. */
  #most = MAX_OUTSTANDING_BYTES;
  /** As of the last `measureLate`, of all and of other sites. */
  #lateBytes = 0;
  #farLateBytes = 0;

  constructor({ peers, far, due, chunkLength, allowance, misbehaved = () => {} }: RequestsOptions) {
    this.#peers = peers;
    this.#far = far;
    this.#due = due;
    this.#chunkLength = chunkLength;
    this.#allowance = allowance ?? (() => Number.POSITIVE_INFINITY);
    this.#misbehaved = misbehaved;
    this.#pace = { chunkLength, bestRate: 0 };
  }

  /** Bytes asked for and not yet verified. */
  get outstandingBytes(): number {
    return this.#outstandingBytes;
  }

  /** When a chunk that is not verified yet was asked, once for each peer that was asked; the latest last. Monotonic ms. */
  get askedAt(): ReadonlyMap<number, readonly number[]> {
    return this.#askedAt;
  }

  /** As of the last `measure`. */
  get pace(): Pace {
    return this.#pace;
  }

  /** Bytes that may still be asked for. What is late does not count: whoever holds it back would keep the others from being asked. */
  get roomBytes(): number {
    return this.#most - (this.#outstandingBytes - this.#lateBytes);
  }

  /** Whether the peer may be asked for one more chunk. */
  hasRoom(peer: Peer, now: number): boolean {
    if (this.roomBytes <= 0) return false;
    if (peer.outstandingBytes >= peer.pipelineBytes) return false;
    // One chunk each: who is slow, or lies, must not keep this device from learning what others bring.
    if (peer.near || peer.outstanding.size === 0) return true;
    return this.#farOutstandingBytes - this.#farLateBytes < this.#farBudget(now);
  }

  asked(peer: Peer, chunk: number, now: number): void {
    const length = this.#chunkLength(chunk);
    peer.asked(chunk, length, now);
    this.#outstandingBytes += length;
    if (peer.isFar) this.#farOutstandingBytes += length;
    this.#askedAt.set(chunk, [...(this.#askedAt.get(chunk) ?? []), now]);
  }

  /** It came, or is not to come from that peer any more. Nothing where it was not asked of it. */
  settle(peer: Peer, chunk: number): void {
    const since = peer.outstanding.get(chunk);
    if (since === undefined) return;
    const length = this.#chunkLength(chunk);
    peer.settled(chunk, length);
    this.#outstandingBytes -= length;
    if (peer.isFar) this.#farOutstandingBytes -= length;
    const askedAt = this.#askedAt.get(chunk) ?? [];
    askedAt.splice(askedAt.indexOf(since), 1);
    if (askedAt.length === 0) this.#askedAt.delete(chunk);
  }

  /** Another brings what it owes. */
  failed(peer: Peer): void {
    peer.failures++;
    if (!peer.isSource) this.#misbehaved(peer.id, 'slow');
  }

  /** The allowance is looked at anew. */
  limit(): void {
    this.#most = Math.min(MAX_OUTSTANDING_BYTES, this.#allowance());
  }

  /** Before peers are asked: the allowance, the best peer's rate, and what is late. */
  measure(now: number): void {
    this.limit();
    this.#pace.bestRate = bestRateOf(this.#peers.values());
    this.measureLate(now);
  }

  /** What is late, where that makes room. */
  measureLate(now: number): void {
    this.#lateBytes = 0;
    this.#farLateBytes = 0;
    const isFull = this.roomBytes <= 0;
    if (!isFull && this.#farOutstandingBytes < this.#farBudget(now)) return;
    // A link between sites may be far slower than the site: nothing is late there for that.
    const far = [...this.#peers.values()].filter(({ isFar }) => isFar);
    const farPace = { chunkLength: this.#chunkLength, bestRate: bestRateOf(far) };
    if (isFull) this.#lateBytes = this.#lateOf(this.#peers.values(), this.#pace, now);
    this.#farLateBytes = this.#lateOf(far, farPace, now);
  }

  #lateOf(peers: Iterable<Peer>, pace: Pace, now: number): number {
    let late = 0;
    for (const { outstanding } of peers) {
      for (const [chunk, since] of outstanding) {
        const lateAt = since + lateAfterMs(chunk, pace);
        if (now >= lateAt) late += this.#chunkLength(chunk);
        else this.#due.notAfter(lateAt);
      }
    }
    return late;
  }

  /** Bytes that may be on their way from other sites. */
  #farBudget(now: number): number {
    return Math.max(MIN_FAR_PIPELINE_BYTES, FAR_PIPELINE_SECONDS * this.#far.rate(now));
  }
}

import { createHash } from 'node:crypto';
import type { AnswerMessage } from '../../shared/control/messages.js';
import { MAX_OFFERS_PENDING, MAX_OFFERS_SEEN, MAX_OFFERS_SEEN_PER_DEVICE, OFFER_WAIT_MS } from './limits.js';

/** Offers on their way, and those seen before (P-5.2, P-5.3, P-5.6). Pure; `T` is what the caller keeps of its own offer: its secret. */

/** Of sessions agreed, the oldest forgotten first: a seed with 64 sessions for each of 16 rollouts. */
const MAX_AGREED = 1_024;

interface Pending<T> {
  readonly artifact: string;
  readonly to: string;
  readonly hash: string;
  readonly until: number;
  readonly kept: T;
}

const keyOf = (artifact: string, device: string): string => `${artifact}/${device}`;

/** The `offer` field of the answer to it (P-4.6). */
export function offerHash(payload: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(payload).digest());
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

export class Agreements<T> {
  readonly #self: string;
  readonly #pending = new Map<string, Pending<T>>();
  readonly #seen = new Map<string, { from: string; until: number }>();
  readonly #agreedAt = new Map<string, number>();

  constructor(self: string) {
    this.#self = self;
  }

  /** How many offers for one artifact wait for an answer. */
  pendingFor(artifact: string, now: number): number {
    this.expire(now);
    let count = 0;
    for (const pending of this.#pending.values()) if (pending.artifact === artifact) count++;
    return count;
  }

  isPending(artifact: string, device: string): boolean {
    return this.#pending.has(keyOf(artifact, device));
  }

  /** @returns false where too many offers wait already, or one to this device does. */
  offered(artifact: string, to: string, payload: Uint8Array, kept: T, now: number): boolean {
    this.expire(now);
    const key = keyOf(artifact, to);
    if (this.#pending.size >= MAX_OFFERS_PENDING || this.#pending.has(key)) return false;
    this.#pending.set(key, { artifact, to, hash: text(offerHash(payload)), until: now + OFFER_WAIT_MS, kept });
    return true;
  }

  /** Offers of which `where` holds wait for an answer no more. */
  drop(where: (kept: T) => boolean): void {
    for (const [key, { kept }] of this.#pending) if (where(kept)) this.#pending.delete(key);
  }

  /** P-5.3: what was kept of the offer that this answers, once; else null. */
  answered(artifact: string, from: string, answer: AnswerMessage, now: number): T | null {
    this.expire(now);
    const key = keyOf(artifact, from);
    const pending = this.#pending.get(key);
    if (pending === undefined || pending.hash !== text(answer.offer)) return null;
    this.#pending.delete(key);
    return pending.kept;
  }

  /**
   * Whether an offer from `from` may be answered: not seen before (P-5.2), and not one that crossed with ours where ours stands (P-5.6).
   * @param expires ms of the caller's clock at which the offer is stale anyway
   */
  received(artifact: string, from: string, payload: Uint8Array, expires: number, now: number): boolean {
    this.expire(now);
    const hash = text(offerHash(payload));
    if (this.#seen.has(hash) || this.#seen.size >= MAX_OFFERS_SEEN) return false;
    let ofDevice = 0;
    for (const seen of this.#seen.values()) if (seen.from === from) ofDevice++;
    if (ofDevice >= MAX_OFFERS_SEEN_PER_DEVICE) return false;
    this.#seen.set(hash, { from, until: expires });
    const key = keyOf(artifact, from);
    if (!this.#pending.has(key)) return true;
    if (this.#self < from) return false;
    this.#pending.delete(key);
    return true;
  }

  /** @param at of the offer or answer of `from` by which a session was agreed, in its own clock's seconds */
  agreed(artifact: string, from: string, at: number): void {
    const key = keyOf(artifact, from);
    this.#agreedAt.delete(key);
    this.#agreedAt.set(key, at);
    const oldest = this.#agreedAt.keys().next();
    if (this.#agreedAt.size > MAX_AGREED && !oldest.done) this.#agreedAt.delete(oldest.value);
  }

  /** Whether an offer was made after what the last session was agreed by. One that the broker held back was not. */
  isLater(artifact: string, from: string, at: number): boolean {
    return at > (this.#agreedAt.get(keyOf(artifact, from)) ?? Number.NEGATIVE_INFINITY);
  }

  /** @returns the devices whose answers did not come. */
  expire(now: number): string[] {
    const late: string[] = [];
    for (const [key, pending] of this.#pending) {
      if (now < pending.until) continue;
      this.#pending.delete(key);
      late.push(pending.to);
    }
    for (const [hash, { until }] of this.#seen) if (now >= until) this.#seen.delete(hash);
    return late;
  }
}

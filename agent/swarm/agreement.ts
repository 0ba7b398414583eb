import { createHash } from 'node:crypto';
import type { AnswerMessage } from '../../shared/control/messages.js';
import {
  MAX_DEVICES_COUNTED,
  MAX_OFFERS_OF_DEVICE,
  MAX_OFFERS_PENDING,
  MAX_REPLACED,
  OFFER_WAIT_MS,
  OFFERS_OF_DEVICE_MS,
  REPLACED_MS,
} from './limits.js';

/** Offers on their way, and what sessions were agreed by (P-5.3, P-5.6). Whether an offer came before is known by its number (P-3.8). Pure; `T` is what the caller keeps of its own offer: its secret. */

/** Of sessions agreed, the oldest forgotten first: a seed with 64 sessions for each of 16 rollouts. */
const MAX_AGREED = 1_024;

interface Pending<T> {
  readonly artifact: string;
  readonly to: string;
  readonly hash: string;
  readonly until: number;
  readonly kept: T;
}

type Counts = Map<string, { count: number; readonly until: number }>;

/** Within `forMs` of the first. Of more than are counted the one is forgotten that came first. */
function countUp(counts: Counts, key: string, now: number, forMs: number): number {
  let counted = counts.get(key);
  if (counted === undefined || now >= counted.until) {
    counted = { count: 0, until: now + forMs };
    counts.delete(key);
    counts.set(key, counted);
    const oldest = counts.keys().next();
    if (counts.size > MAX_DEVICES_COUNTED && !oldest.done) counts.delete(oldest.value);
  }
  return ++counted.count;
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
  /** Offers of each device, counted anew each time. */
  readonly #counted: Counts = new Map();
  /** Sessions of each artifact and device that gave way, counted anew each time. */
  readonly #replaced: Counts = new Map();
  readonly #agreedBy = new Map<string, number>();

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

  /** Whether an offer from `from` may be answered: not one that crossed with ours where ours stands (P-5.6), and not too many. */
  received(artifact: string, from: string, now: number): boolean {
    this.expire(now);
    if (!this.#mayOffer(from, now)) return false;
    const key = keyOf(artifact, from);
    if (!this.#pending.has(key)) return true;
    if (this.#self < from) return false;
    this.#pending.delete(key);
    return true;
  }

  #mayOffer(from: string, now: number): boolean {
    return countUp(this.#counted, from, now, OFFERS_OF_DEVICE_MS) <= MAX_OFFERS_OF_DEVICE;
  }

  /** Whether one more session with the device may give way to what it says it made anew (P-5.6): who restarts so often does not. */
  mayReplace(artifact: string, device: string, now: number): boolean {
    return countUp(this.#replaced, keyOf(artifact, device), now, REPLACED_MS) <= MAX_REPLACED;
  }

  /** @param n of the offer or answer of `from` by which a session was agreed (P-3.8) */
  agreed(artifact: string, from: string, n: number): void {
    const key = keyOf(artifact, from);
    this.#agreedBy.delete(key);
    this.#agreedBy.set(key, n);
    const oldest = this.#agreedBy.keys().next();
    if (this.#agreedBy.size > MAX_AGREED && !oldest.done) this.#agreedBy.delete(oldest.value);
  }

  /** Whether an offer was made after what the last session was agreed by. One that the broker held back was not. */
  isLater(artifact: string, from: string, n: number): boolean {
    return n > (this.#agreedBy.get(keyOf(artifact, from)) ?? Number.NEGATIVE_INFINITY);
  }

  /** @returns the devices whose answers did not come. */
  expire(now: number): string[] {
    const late: string[] = [];
    for (const [key, pending] of this.#pending) {
      if (now < pending.until) continue;
      this.#pending.delete(key);
      late.push(pending.to);
    }
    return late;
  }
}

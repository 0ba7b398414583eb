/** How much each of many senders may say: a burst, then a steady rate. Pure: time comes in. */

/** Past it the sender that was quiet for longest is forgotten. A shard's worth of peers for each of 16 rollouts, and then some. */
const MAX_SENDERS = 4_096;

export interface Allowance {
  /** What a sender may say at once. */
  readonly burst: number;
  readonly perSecond: number;
}

interface Bucket {
  tokens: number;
  at: number;
}

export class TokenBuckets {
  readonly #allowance: Allowance;
  readonly #buckets = new Map<string, Bucket>();

  constructor(allowance: Allowance) {
    this.#allowance = allowance;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** Whether `sender` may say one thing more. @param now monotonic ms */
  take(sender: string, now: number): boolean {
    const { burst, perSecond } = this.#allowance;
    const { tokens, at } = this.#buckets.get(sender) ?? { tokens: burst, at: now };
    const filled = Math.min(burst, tokens + ((now - at) / 1000) * perSecond);
    const may = filled >= 1;
    this.#buckets.delete(sender);
    this.#buckets.set(sender, { tokens: may ? filled - 1 : filled, at: now });
    const quietest = this.#buckets.keys().next();
    if (this.#buckets.size > MAX_SENDERS && !quietest.done) this.#buckets.delete(quietest.value);
    return may;
  }
}

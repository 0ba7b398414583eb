import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Opened } from '../../shared/control/envelope.js';
import { decodeMessage, type Rollout } from '../../shared/control/messages.js';
import type { Identity } from '../../shared/control/topics.js';
import { ChunkmeshError } from '../../shared/errors.js';
import { isInAudience } from '../../shared/trust/audience.js';
import { unpackBundle } from '../../shared/trust/bundle.js';
import type { TrustState } from '../../shared/trust/trusted_set.js';
import { type Verdict, verifyBundle } from '../../shared/trust/verify.js';
import { clockMemorySchema, type TrustedClock } from './trusted_clock.js';

/** What a device believes of trust messages, and what it remembers of them across restarts (P-4.2, P-12). */

export const trustMemorySchema = z.object({
  state: z.object({ root: z.string(), timestamp: z.string().optional(), snapshot: z.string().optional() }),
  /** SHA-256 of the root of the bundle that `state` grew from, hex: another bundle begins anew. */
  anchor: z.string(),
  clock: clockMemorySchema,
});
export type TrustMemory = z.infer<typeof trustMemorySchema>;

export interface Accepted {
  readonly rollouts: readonly Rollout[];
  /** Rollouts of it that are not to be believed. */
  readonly refused: readonly ChunkmeshError[];
}

const MINUTE_SECONDS = 60;
const HOUR_SECONDS = 3600;
const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');

export class TrustKeeper {
  readonly #identity: Identity;
  readonly #clock: TrustedClock;
  readonly #anchor: string;
  #state: TrustState;
  /** By group: the hash of the message that is in force since this agent runs. */
  readonly #inForce = new Map<string, string>();

  /**
   * @param root JSON text of the root that the credential bundle pins
   * @param memory what an earlier run left, where it grew from that root: it may be many rotations on
   */
  constructor(identity: Identity, root: string, clock: TrustedClock, memory: TrustMemory | undefined) {
    this.#identity = identity;
    this.#clock = clock;
    this.#anchor = sha256(root);
    // Of a memory that grew from another root what is older still is no less old, if that root has the same keys (TUF 5.4).
    this.#state = memory?.anchor === this.#anchor ? memory.state : { ...memory?.state, root };
  }

  get memory(): TrustMemory {
    return { state: this.#state, anchor: this.#anchor, clock: this.#clock.memory };
  }

  /**
   * @returns null for a repetition of what is in force: brokers send retained messages as often as they like.
   * @throws E_MESSAGE_UNTRUSTED, E_MESSAGE_MALFORMED, E_TRUST_*; what was verified before that is remembered all the same (`memory`)
   */
  accept(group: string, { signer, payload }: Opened): Accepted | null {
    // P-4.2. A broker may pass on what was signed for devices of another group.
    if (signer.identity.role !== 'publisher' || !this.#identity.groups.includes(group)) {
      throw new ChunkmeshError('E_MESSAGE_UNTRUSTED', `${signer.identity.id} is not to say what group ${group} trusts`);
    }
    const hash = sha256(payload);
    if (this.#inForce.get(group) === hash) return null;
    const { bundle } = decodeMessage('trust', payload);
    const verdict = this.#verify(group, bundle);
    this.#state = verdict.state;
    if (verdict.error !== undefined) throw this.#explained(verdict.error);
    this.#inForce.set(group, hash);
    // P-5.4: a group may have devices of sites that release did not sign it for.
    const rollouts = verdict.rollouts.filter(({ audience }) => isInAudience(audience, this.#identity));
    return { rollouts, refused: verdict.refused };
  }

  /**
   * Whether what is remembered differs from what was saved so that it is worth writing: metadata at once, time by the hour, or by the minute
   * where something was refused for its date. A broker may replay what it likes; a flash takes so many writes and no more.
   */
  isNews(saved: TrustMemory | undefined, refusedByDate = false): boolean {
    if (saved === undefined || saved.state !== this.#state) return true;
    const { issued, stamped, seen, keys } = this.#clock.memory;
    const step = refusedByDate ? MINUTE_SECONDS : HOUR_SECONDS;
    const steps = [issued - saved.clock.issued, stamped - saved.clock.stamped, seen - saved.clock.seen];
    return keys !== saved.clock.keys || steps.some((one) => Math.abs(one) >= step);
  }

  /** What was accepted last could not be acted upon: it is taken again when it comes again. */
  forget(group: string): void {
    this.#inForce.delete(group);
  }

  /** Whoever reads it looks at a clock: which time counts here, and what the own clock says, is half of what was wrong. */
  #explained(error: ChunkmeshError): ChunkmeshError {
    if (error.code !== 'E_TRUST_EXPIRED') return error;
    const [known, own] = [this.#clock.trustNow(), this.#clock.wall()].map((at) => new Date(at * 1000).toISOString());
    return new ChunkmeshError(
      error.code,
      `${error.message}: here it is ${known}, by all that was signed and seen (own clock: ${own})`,
      {
        cause: error,
      },
    );
  }

  #verify(group: string, bundle: Uint8Array): Verdict {
    return verifyBundle(this.#state, unpackBundle(bundle), group, (signedAt, keys) => {
      const time = this.#clock.bundleAt(signedAt, keys);
      // After it: how far the own clock may be ahead is told from what was signed, and other keys forget what it showed.
      this.#clock.look();
      return time;
    });
  }
}

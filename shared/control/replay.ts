import { ReplayWindow } from '../replay_window.js';

/** Which envelopes of which signers came before (P-3.8). Pure: time comes in. */

/** Numbers told apart of one signer: what may overtake, since it goes to several topics and at two qualities of service. */
export const SENDER_WINDOW_MESSAGES = 256;
/** Signers remembered, the one that was quiet for longest forgotten first: a dozen shards' worth of peers. About 1 MB. */
export const MAX_SENDERS_REMEMBERED = 4_096;
/**
 * A signer of which nothing new came for so long begins anew. What is older is refused by its time: 300 s that a clock may be ahead, 60 s
 * that an offer lives, 300 s more (P-3.6, P-5.2), and then some.
 */
export const FORGET_SENDER_MS = 900_000;

interface Sender {
  readonly window: ReplayWindow;
  /** When the last new number came. */
  at: number;
}

export class SendersHeard {
  /** In the order in which they were last heard. */
  readonly #senders = new Map<string, Sender>();

  get size(): number {
    return this.#senders.size;
  }

  /**
   * Takes the number of an envelope whose signature was verified, or a stranger could use up those of others.
   * @param publicKey of the signer. Not its id: who had a key of that id before, a thief too, must not speak for who has it now.
   * @param now monotonic ms
   * @returns false where it came before, or is too far below the highest that came
   */
  take(publicKey: Uint8Array, n: number, now: number): boolean {
    const key = Buffer.from(publicKey).toString('latin1');
    const known = this.#senders.get(key);
    const sender = known !== undefined && now - known.at < FORGET_SENDER_MS ? known : newSender();
    if (!sender.window.isFresh(n)) return false;
    sender.window.take(n);
    sender.at = now;
    this.#senders.delete(key);
    this.#senders.set(key, sender);
    const quietest = this.#senders.keys().next();
    if (this.#senders.size > MAX_SENDERS_REMEMBERED && !quietest.done) this.#senders.delete(quietest.value);
    return true;
  }
}

const newSender = (): Sender => ({ window: new ReplayWindow(SENDER_WINDOW_MESSAGES), at: 0 });

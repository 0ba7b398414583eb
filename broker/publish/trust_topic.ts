import { openEnvelope } from '../../shared/control/envelope.js';
import { decodeMessage, type TrustMessage } from '../../shared/control/messages.js';
import { topics } from '../../shared/control/topics.js';
import { ChunkmeshError } from '../../shared/errors.js';
import type { Credential } from '../../shared/identity/bundle.js';
import type { ControlLink, ControlMessage } from '../../shared/mqtt/control_link.js';

/** One group's trust topic as a publisher sees it: what it holds, and whether it took what was sent. */

/** P-3.4, P-4.1, P-4.2. @throws as openEnvelope and decodeMessage do; E_MESSAGE_UNTRUSTED */
export function openTrust(credential: Credential, group: string, envelope: Uint8Array, now: number): TrustMessage {
  const { prefix, verifier, publishers, identity } = credential;
  const topic = topics.trust(prefix, group);
  const { signer, payload } = openEnvelope(prefix, topic, envelope, verifier, now);
  if (!publishers.some((key) => Buffer.from(key).equals(signer.publicKey))) {
    throw new ChunkmeshError('E_MESSAGE_UNTRUSTED', `${signer.identity.id} is no publisher of this fleet (P-4.2)`);
  }
  const message = decodeMessage('trust', payload);
  if (message.fleet !== identity.fleet || message.group !== group) {
    throw new ChunkmeshError(
      'E_MESSAGE_UNTRUSTED',
      `a message for ${message.fleet}/${message.group} on ${topic} (P-4.1)`,
    );
  }
  return message;
}

export interface TrustSeen {
  readonly retained: boolean;
  /** Whether it is, byte for byte, one that was sent from here. */
  readonly own: boolean;
}

export class TrustTopic {
  readonly topic: string;
  readonly #link: ControlLink;
  readonly #credential: Credential;
  readonly #group: string;
  readonly #now: () => number;
  readonly #sent: Buffer[] = [];
  #newestOfOthers: TrustMessage | undefined;
  #waiting: ((seen: TrustSeen) => void) | undefined;

  constructor(link: ControlLink, credential: Credential, group: string, now: () => number) {
    this.topic = topics.trust(credential.prefix, group);
    this.#link = link;
    this.#credential = credential;
    this.#group = group;
    this.#now = now;
    link.on('message', (message) => this.#onMessage(message));
  }

  /** Of the messages that verify and were not sent from here, the one of the highest number. */
  get newestOfOthers(): TrustMessage | undefined {
    return this.#newestOfOthers;
  }

  expectOwn(envelope: Uint8Array): void {
    this.#sent.push(Buffer.from(envelope));
  }

  /** Subscribes anew, which makes the broker send what it retains, and waits for that; undefined where nothing came in time. */
  async retained(withinMs: number): Promise<TrustSeen | undefined> {
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<TrustSeen | undefined>((resolve) => {
        timer = setTimeout(() => resolve(undefined), withinMs);
        this.#waiting = (seen) => {
          if (seen.retained) resolve(seen);
        };
        this.#link.unsubscribe(this.topic);
        this.#link.subscribe(this.topic, 1);
      });
    } finally {
      clearTimeout(timer);
      this.#waiting = undefined;
    }
  }

  #onMessage({ topic, payload, retained }: ControlMessage): void {
    if (topic !== this.topic) return;
    const own = this.#sent.some((envelope) => envelope.equals(payload));
    const message = own ? undefined : this.#open(payload);
    if (message !== undefined && message.seq > (this.#newestOfOthers?.seq ?? -1)) this.#newestOfOthers = message;
    this.#waiting?.({ retained, own });
  }

  /** Undefined where it does not verify: such a message binds nobody. */
  #open(envelope: Uint8Array): TrustMessage | undefined {
    try {
      return openTrust(this.#credential, this.#group, envelope, this.#now());
    } catch (error) {
      if (error instanceof ChunkmeshError) return undefined;
      throw error;
    }
  }
}

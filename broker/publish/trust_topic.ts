import { once } from 'node:events';
import { openEnvelope, sealEnvelope } from '../../shared/control/envelope.js';
import { decodeMessage, encodeMessage } from '../../shared/control/messages.js';
import { topics } from '../../shared/control/topics.js';
import { ChunkmeshError } from '../../shared/errors.js';
import type { Credential } from '../../shared/identity/bundle.js';
import type { ControlLink, ControlMessage } from '../../shared/mqtt/control_link.js';
import { type Files, unpackBundle } from '../../shared/trust/bundle.js';

/** One group's trust topic as a publisher sees it: what it holds, and whether it took what was sent. */

const CONFIRM_TIMEOUT_MS = 10_000;
/** Of what others publish meanwhile, the newest. */
const MAX_OTHERS = 8;

export interface TrustSeen {
  /** Whether it is, byte for byte, what was sent from here last. */
  readonly own: boolean;
}

export class TrustTopic {
  readonly topic: string;
  readonly #link: ControlLink;
  readonly #credential: Credential;
  readonly #now: () => number;
  #sent: Buffer | undefined;
  readonly #others: Files[] = [];
  #waiting: ((seen: TrustSeen) => void) | undefined;

  /** @param now seconds since the epoch */
  constructor(link: ControlLink, credential: Credential, group: string, now: () => number) {
    this.topic = topics.trust(credential.prefix, group);
    this.#link = link;
    this.#credential = credential;
    this.#now = now;
    link.on('message', (message) => this.#onMessage(message));
  }

  /** What publishers of the fleet said and was not sent from here, the newest last; each once. */
  takeOthers(): Files[] {
    return this.#others.splice(0);
  }

  /** Subscribes anew, which makes the broker send what it retains, and waits for that; undefined where nothing came in time. */
  async retained(withinMs: number): Promise<TrustSeen | undefined> {
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<TrustSeen | undefined>((resolve) => {
        timer = setTimeout(() => resolve(undefined), withinMs);
        this.#waiting = resolve;
        this.#link.unsubscribe(this.topic);
        this.#link.subscribe(this.topic, 1);
      });
    } finally {
      clearTimeout(timer);
      this.#waiting = undefined;
    }
  }

  /**
   * Resolves when the broker acknowledged, which says not that it took it.
   * @throws E_BROKER_UNREACHABLE, E_TIMEOUT; E_BROKER_REFUSED where it closed the connection instead, which a retry would only repeat;
   *   E_MESSAGE_TOO_LARGE
   */
  async send(bundle: Uint8Array): Promise<void> {
    const payload = encodeMessage({ t: 'trust', v: 2, bundle });
    const envelope = sealEnvelope(this.topic, payload, this.#credential);
    this.#sent = Buffer.from(envelope);
    const done = new AbortController();
    const sent = this.#link.publishConfirmed(this.topic, envelope, { qos: 1, retain: true }, CONFIRM_TIMEOUT_MS);
    const closed = once(this.#link, 'offline', { signal: done.signal }).then(() => {
      const { broker } = this.#link;
      throw new ChunkmeshError('E_BROKER_REFUSED', `${broker} closed the connection at a publish on ${this.topic}`);
    });
    closed.catch(() => {});
    sent.catch(() => {});
    await Promise.race([sent, closed]).finally(() => done.abort());
  }

  #onMessage({ topic, payload, retained }: ControlMessage): void {
    if (topic !== this.topic) return;
    const own = this.#sent?.equals(payload) ?? false;
    const files = own ? undefined : this.#open(payload);
    if (files !== undefined) this.#others.push(files);
    if (this.#others.length > MAX_OTHERS) this.#others.shift();
    if (retained) this.#waiting?.({ own });
  }

  /** Undefined where it does not verify: such a message binds nobody. */
  #open(envelope: Uint8Array): Files | undefined {
    const { prefix, verifier } = this.#credential;
    try {
      const { payload } = openEnvelope(prefix, this.topic, envelope, verifier, this.#now());
      return unpackBundle(decodeMessage('trust', payload).bundle);
    } catch (error) {
      if (error instanceof ChunkmeshError) return undefined;
      throw error;
    }
  }
}

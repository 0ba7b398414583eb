import { topics } from '../../shared/control/topics.js';
import { ChunkmeshError } from '../../shared/errors.js';
import type { Credential } from '../../shared/identity/bundle.js';
import type { ControlLink, ControlMessage } from '../../shared/mqtt/control_link.js';
import { type OpenedList, openList } from './sealed_list.js';

/** The topic of the revocation list as an operator sees it: what it holds, and whether it took what was sent. */

export interface ListSeen {
  readonly retained: boolean;
  /** Whether it is, byte for byte, one that was sent from here. */
  readonly own: boolean;
}

export class RevokedTopic {
  readonly topic: string;
  readonly #link: ControlLink;
  readonly #credential: Credential;
  readonly #now: () => number;
  readonly #sent: Buffer[] = [];
  #newest: OpenedList | undefined;
  #waiting: ((seen: ListSeen) => void) | undefined;

  /** @param now seconds since the epoch */
  constructor(link: ControlLink, credential: Credential, now: () => number) {
    this.topic = topics.revoked(credential.prefix);
    this.#link = link;
    this.#credential = credential;
    this.#now = now;
    link.on('message', (message) => this.#onMessage(message));
  }

  /** Of the lists that verify and were not sent from here, the one of the highest number. */
  get newestOfOthers(): OpenedList | undefined {
    return this.#newest;
  }

  expectOwn(envelope: Uint8Array): void {
    this.#sent.push(Buffer.from(envelope));
  }

  /** Subscribes anew, which makes the broker send what it retains, and waits for that; undefined where nothing came in time. */
  async retained(withinMs: number): Promise<ListSeen | undefined> {
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<ListSeen | undefined>((resolve) => {
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
    const other = own ? undefined : this.#open(payload);
    if (other !== undefined && other.message.version > (this.#newest?.message.version ?? 0)) this.#newest = other;
    this.#waiting?.({ retained, own });
  }

  /** Undefined where it does not verify: such a list binds nobody. */
  #open(envelope: Uint8Array): OpenedList | undefined {
    const { prefix, verifier, identity } = this.#credential;
    try {
      return openList({ prefix, verifier, fleet: identity.fleet }, envelope, this.#now());
    } catch (error) {
      if (error instanceof ChunkmeshError) return undefined;
      throw error;
    }
  }
}

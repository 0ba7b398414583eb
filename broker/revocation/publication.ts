import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RevokedMessage } from '../../shared/control/revocation.js';
import { ChunkmeshError } from '../../shared/errors.js';
import type { Credential } from '../../shared/identity/bundle.js';
import type { ControlLink } from '../../shared/mqtt/control_link.js';
import type { Member } from '../fleet/fleet_file.js';
import { serialsMeant } from '../fleet/member.js';
import { adopt, messageOf, nextVersion, type Register, says, standingIn } from './register.js';
import { confirmedOf, withConfirmed, writeRegister } from './register_file.js';
import { RevokedTopic } from './revoked_topic.js';
import { type OpenedList, sealList } from './sealed_list.js';

/** Brings a register to the broker: read, written, and read back, as often as another operator comes in between. */

/**
 * How long a first retained message may take: MQTT does not say that there is none. One that comes later still is found after the
 * publish, by its number, and adopted.
 */
const RETAINED_WAIT_MS = 500;
const CONFIRM_TIMEOUT_MS = 10_000;
const READ_BACK_TIMEOUT_MS = 5_000;
const MAX_ATTEMPTS = 6;
/** Two that take turns in step would each undo the other for ever. */
const BACKOFF_MS = 100;

export interface PublicationOptions {
  /** Of an operator. */
  readonly credential: Credential;
  readonly folder: string;
  readonly roster: readonly Member[];
  /** Seconds since the epoch. */
  readonly now: () => number;
  /** Before the list is in the folder, where a broker may look and act at once: what else it then reads is to be there. */
  readonly sealing?: (register: Register) => Promise<void>;
}

export class ListPublication {
  readonly #link: ControlLink;
  readonly #options: PublicationOptions;
  readonly #topic: RevokedTopic;

  constructor(link: ControlLink, options: PublicationOptions) {
    this.#link = link;
    this.#options = options;
    this.#topic = new RevokedTopic(link, options.credential, options.now);
  }

  /**
   * @param change of the register, made again where another operator published meanwhile
   * @returns the register as it is in force
   * @throws E_BROKER_REFUSED where the broker does not hold the list afterwards; E_TIMEOUT, E_REVOCATION_*, E_STORE_IO
   */
  async run(register: Register, change: (register: Register) => Register): Promise<Register> {
    await this.#topic.retained(RETAINED_WAIT_MS);
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      if (attempt > 0) await this.#afterOthers(attempt);
      const base = this.#withOthers(register, change);
      const wanted = change(base);
      if (attempt === 0 && (await this.#isInForce(wanted))) return wanted;
      const { spent, message } = await this.#send(wanted);
      const seen = await this.#topic.retained(READ_BACK_TIMEOUT_MS);
      const other = this.#topic.newestOfOthers;
      if (other === undefined || other.message.version < message.version) {
        this.#checkHeld(seen?.own === true);
        const confirmed = withConfirmed(spent, message);
        await writeRegister(this.#options.folder, confirmed);
        return confirmed;
      }
      register = spent;
    }
    throw new ChunkmeshError(
      'E_TIMEOUT',
      `other operators changed the revocation list ${MAX_ATTEMPTS} times meanwhile`,
    );
  }

  /** What the broker holds is what is wanted: nothing is published, no number spent. */
  async #isInForce(wanted: Register): Promise<boolean> {
    const held = this.#topic.newestOfOthers?.message;
    if (held === undefined || held.version < wanted.version || !says(held, wanted)) return false;
    await writeRegister(this.#options.folder, withConfirmed(wanted, held));
    return true;
  }

  /**
   * A list that is newer than all that was confirmed here is of another operator, or of this one and never read back. P-14.2: one of a
   * signer that is named here, or by what is to be said, binds nobody; it has used up its number.
   */
  #withOthers(register: Register, change: (register: Register) => Register): Register {
    const other = this.#topic.newestOfOthers;
    if (other === undefined || other.message.version <= (confirmedOf(register)?.version ?? 0)) return register;
    if (isNamed(register, other) || isNamed(change(register), other)) return register;
    return adopt(register, other.message, other.by, ids(this.#options.roster), serialsIn(this.#options.roster));
  }

  async #afterOthers(attempt: number): Promise<void> {
    await sleep(randomInt(BACKOFF_MS * 2 ** attempt));
    await this.#topic.retained(READ_BACK_TIMEOUT_MS);
  }

  async #send(wanted: Register): Promise<{ spent: Register; message: RevokedMessage }> {
    const { credential, folder, now, sealing } = this.#options;
    const version = nextVersion(wanted, this.#topic.newestOfOthers?.message, credential);
    const message = messageOf(wanted, credential.identity.fleet, version, now());
    // The number is spent before it is used: two lists of one number would split the fleet (P-14.2).
    const spent = { ...wanted, version };
    await writeRegister(folder, spent);
    await sealing?.(spent);
    const envelope = await sealList(folder, message, credential);
    this.#topic.expectOwn(envelope);
    await this.#confirmed(envelope);
    return { spent, message };
  }

  /** A broker may answer a denied publish by closing the connection, which a retry would only repeat. */
  async #confirmed(envelope: Uint8Array): Promise<void> {
    const { topic } = this.#topic;
    const done = new AbortController();
    const sent = this.#link.publishConfirmed(topic, envelope, { qos: 1, retain: true }, CONFIRM_TIMEOUT_MS);
    const closed = once(this.#link, 'offline', { signal: done.signal }).then(() => {
      throw new ChunkmeshError(
        'E_BROKER_REFUSED',
        `${this.#link.broker} closed the connection at a publish on ${topic}`,
      );
    });
    closed.catch(() => {});
    sent.catch(() => {});
    await Promise.race([sent, closed]).finally(() => done.abort());
  }

  /** @throws E_BROKER_REFUSED where the broker retains nothing, or what it had before: MQTT 3.1.1 denies in silence. */
  #checkHeld(own: boolean): void {
    if (own) return;
    const { topic } = this.#topic;
    throw new ChunkmeshError('E_BROKER_REFUSED', `${this.#link.broker} does not hold what was published on ${topic}`);
  }
}

const isNamed = (register: Register, { by, notBefore }: OpenedList): boolean =>
  standingIn(register, by, notBefore) !== 'good';
const ids = (roster: readonly Member[]): string[] => roster.map(({ id }) => id);

function serialsIn(roster: readonly Member[]): (device: string, since: number) => readonly string[] {
  const members = new Map(roster.map((member) => [member.id, member]));
  return (device, since) => {
    const member = members.get(device);
    return member === undefined ? [] : serialsMeant(member, since);
  };
}

import { createHash } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { openEnvelope, sealEnvelope } from '../../shared/control/envelope.js';
import { decodeMap } from '../../shared/control/message_pack.js';
import { decodeMessage, type EnrolledMessage, encodeMessage } from '../../shared/control/messages.js';
import { parseTopic, TOPICS, topics } from '../../shared/control/topics.js';
import { FINAL_REFUSALS } from '../../shared/enrolment/refusals.js';
import { asError, ChunkmeshError } from '../../shared/errors.js';
import type { Credential } from '../../shared/identity/bundle.js';
import type { Holder } from '../../shared/identity/certificate.js';
import { ControlLink } from '../../shared/mqtt/control_link.js';
import { fingerprintOf } from '../fleet/fleet_file.js';
import type { Enrolment, Issued } from './enrolment.js';
import { Pace, type PaceLimits } from './pace.js';

/** Answers who asks for a certificate over the broker (P-13.9 to P-13.12), one after the other. */

/** P-13.11. A newcomer asks again after 5 s at the earliest; a pallet of a thousand that is switched on at once is done in a minute. */
const NEWCOMERS_PACE: PaceLimits = { eachMs: 500, perSecond: 20, remembered: 20_000 };
/** P-13.11. A member asks again after 30 s at the earliest (P-13.12). */
const MEMBERS_PACE: PaceLimits = { eachMs: 3000, perSecond: 20, remembered: 20_000 };
/** P-13.8. What a topic says is all that is looked at: who was named so by hand is paced as one, and no more. */
const NEWCOMER = /^n-[\w-]{22}$/;
/** What waits while the disk is slow; who is not among them asks again. */
const MAX_WAITING = 256;

export interface RegistrarOptions {
  /** Of a registrar. */
  readonly credential: Credential;
  readonly enrolment: Enrolment;
  /** Instead of the bundle's. */
  readonly broker?: string;
  /** Seconds since the epoch. */
  readonly now: () => number;
  /** Told of each revocation list that is heard. */
  readonly listHeard?: (envelope: Uint8Array) => void;
}

export interface RegistrarEvents {
  online: [];
  offline: [];
  failure: [ChunkmeshError];
  issued: [Issued, string];
  /** By whom, as the topic says. */
  refused: [ChunkmeshError, string];
}

export class Registrar extends EventEmitter<RegistrarEvents> {
  readonly #options: RegistrarOptions;
  readonly #link: ControlLink;
  readonly #newcomers = new Pace(NEWCOMERS_PACE);
  readonly #members = new Pace(MEMBERS_PACE);
  /** By who asked: of one, the last question alone. */
  readonly #waiting = new Map<string, { topic: string; payload: Uint8Array }>();
  #working: Promise<void> | undefined;
  #closed = false;

  /** Connects, and goes on trying. @throws E_BUNDLE_ROLE where the credential is not a registrar's */
  constructor(options: RegistrarOptions) {
    super();
    const { credential, broker } = options;
    const { id, role } = credential.identity;
    if (role !== 'registrar') throw new ChunkmeshError('E_BUNDLE_ROLE', `the bundle is of ${id}, role ${role}`);
    this.#options = options;
    this.#link = new ControlLink(credential, broker === undefined ? {} : { broker });
    this.#link.on('message', ({ topic, payload }) => this.#onMessage(topic, payload));
    this.#link.on('online', () => this.emit('online'));
    this.#link.on('offline', () => this.emit('offline'));
    this.#link.on('failure', (error) => this.emit('failure', error));
    // Before the questions: the broker sends what it retains, and who is on it is not answered.
    this.#link.subscribe(topics.revoked(credential.prefix), TOPICS.revoked.qos);
    this.#link.subscribe(topics.enroll(credential.prefix, '+'), TOPICS.enroll.qos);
  }

  /** What is being answered is answered first. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#waiting.clear();
    await this.#working;
    await this.#link.close();
  }

  #onMessage(topic: string, payload: Uint8Array): void {
    const parsed = parseTopic(this.#options.credential.prefix, topic);
    if (parsed?.name === 'revoked') this.#options.listHeard?.(payload);
    if (parsed?.name !== 'enroll' || this.#closed) return;
    const { device } = parsed;
    // Before a signature is looked at: the broker's ACL lets nobody ask in the name of another.
    const pace = NEWCOMER.test(device) ? this.#newcomers : this.#members;
    if (!pace.take(device, performance.now())) return;
    if (this.#waiting.size >= MAX_WAITING && !this.#waiting.has(device)) return;
    this.#waiting.set(device, { topic, payload });
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined;
    });
  }

  async #work(): Promise<void> {
    for (let next = this.#take(); next !== undefined; next = this.#take()) {
      const [device, { topic, payload }] = next;
      await this.#answer(device, topic, payload).catch((error: unknown) => {
        this.emit('refused', asError(error, `the request of ${device}`), device);
      });
    }
  }

  #take(): [string, { topic: string; payload: Uint8Array }] | undefined {
    const next = this.#waiting.entries().next();
    if (next.done) return undefined;
    this.#waiting.delete(next.value[0]);
    return next.value;
  }

  async #answer(device: string, topic: string, envelope: Uint8Array): Promise<void> {
    const { credential, enrolment, now } = this.#options;
    const { signer, payload } = openEnvelope(credential.prefix, topic, envelope, credential.verifier, now());
    await this.#checkStanding(signer);
    const fingerprint = fingerprintOf(certificateIn(envelope));
    const request = new Uint8Array(createHash('sha256').update(payload).digest());
    try {
      const { csr } = decodeMessage('enroll', payload);
      const issued = await enrolment.answer({ signer, fingerprint }, csr);
      this.#say(device, { request, certificate: issued.certificate });
      this.emit('issued', issued, device);
    } catch (error) {
      // All else is a fault on this side, and told to the log alone: who asked asks again.
      if (error instanceof ChunkmeshError && FINAL_REFUSALS.includes(error.code))
        this.#say(device, { request, error: error.code });
      throw error;
    }
  }

  /** P-14.6: nothing is answered. @throws E_PEER_REVOKED */
  async #checkStanding({ identity: { id }, notBefore }: Holder): Promise<void> {
    const standing = await this.#options.enrolment.standing(id, notBefore);
    if (standing !== 'good')
      throw new ChunkmeshError('E_PEER_REVOKED', `${id} is on the revocation list (${standing})`);
  }

  #say(device: string, answer: Omit<EnrolledMessage, 't' | 'at'>): void {
    const { credential, now } = this.#options;
    const topic = topics.enrolled(credential.prefix, device);
    const message = encodeMessage({ t: 'enrolled', at: Math.floor(now()), ...answer });
    this.#link.publish(topic, sealEnvelope(topic, message, credential), { qos: TOPICS.enrolled.qos, retain: false });
  }
}

/** P-3.1: of an envelope that was opened. */
function certificateIn(envelope: Uint8Array): Uint8Array {
  const { c } = decodeMap(envelope);
  return c instanceof Uint8Array ? c : new Uint8Array();
}

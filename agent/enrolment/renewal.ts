import { type Opened, sealEnvelope } from '../../shared/control/envelope.js';
import { TOPICS, topics } from '../../shared/control/topics.js';
import { SigningKey } from '../../shared/crypto/signature.js';
import { asError, ChunkmeshError } from '../../shared/errors.js';
import type { Credential } from '../../shared/identity/bundle.js';
import type { ControlLink } from '../../shared/mqtt/control_link.js';
import type { Store } from '../io/store/store.js';
import type { AgentOptions } from '../options.js';
import { type Answered, Question } from './answer.js';
import { bundleHasKey, keepInStore, replaceCertificate, sameIdentity, writeIntoBundle } from './kept_certificate.js';
import { keyOfFile, pendingKeyFile } from './key_file.js';
import type { RenewHow } from './renew_how.js';
import { daysLeft, RenewalPlan } from './renewal_plan.js';

/** An agent's certificate is renewed before it ends, without a visit (P-13.12). */

export interface RenewalParts {
  /** The agent's own: its certificate is replaced in place. */
  readonly credential: Credential;
  readonly link: Pick<ControlLink, 'online' | 'publish' | 'subscribe'>;
  readonly store: Pick<Store, 'writeState'>;
  /** Where the bundle was read from; undefined where the caller loaded it. */
  readonly bundle?: string;
}

export interface RenewalHost {
  readonly how: RenewHow;
  /** Since the epoch. */
  seconds(): number;
  random(): number;
  warn(error: ChunkmeshError): void;
  info(fields: object, message: string): void;
}

/** Of an agent with these options. */
export function makeRenewal(
  { credential, store }: Pick<RenewalParts, 'credential' | 'store'>,
  link: RenewalParts['link'],
  { credential: given, renew: how = 'same-key' }: Pick<AgentOptions, 'credential' | 'renew'>,
  host: Omit<RenewalHost, 'how'>,
): Renewal {
  return new Renewal(
    { credential, link, store, ...(typeof given === 'string' && { bundle: given }) },
    { ...host, how },
  );
}

export class Renewal {
  readonly #parts: RenewalParts;
  readonly #host: RenewalHost;
  readonly #plan: RenewalPlan;
  #question: { asks: Question; key: SigningKey | undefined; keyFile: string | undefined } | undefined;
  /** What is under way on the disk: one after the other. */
  #busy = false;

  constructor(parts: RenewalParts, host: RenewalHost) {
    this.#parts = parts;
    this.#host = host;
    const life = parts.credential;
    this.#plan = new RenewalPlan(life, () => host.random());
    const { prefix, identity } = parts.credential;
    parts.link.subscribe(topics.enrolled(prefix, identity.id), TOPICS.enrolled.qos);
    host.info({ daysLeft: daysLeft(life, host.seconds()) }, 'certificate');
  }

  /** Called each second or so. */
  tick(): void {
    const now = this.#host.seconds();
    const told = this.#plan.tell(now);
    if (told !== null) this.#tell(told, now);
    if (this.#host.how === 'never' || this.#busy || !this.#parts.link.online || !this.#plan.isDue(now)) return;
    this.#plan.asked(now);
    void this.#during(() => this.#ask());
  }

  /** On this device's topic `enrolled`. @throws E_MESSAGE_*, E_CERT_*, for the caller to log */
  onAnswer(opened: Opened): void {
    const { credential } = this.#parts;
    const now = this.#host.seconds();
    const { id } = credential.identity;
    if (opened.topic.name !== 'enrolled' || opened.topic.device !== id) {
      throw new ChunkmeshError('E_MESSAGE_UNTRUSTED', `an answer of ${opened.signer.identity.id} to another device`);
    }
    if (this.#question === undefined || this.#busy) return;
    let answered: Answered | null;
    try {
      answered = this.#question.asks.answer(opened, credential.verifier, now);
    } catch (error) {
      if (error instanceof ChunkmeshError && error.code === 'E_RENEWAL_REFUSED') this.#plan.refused(now);
      throw error;
    }
    if (answered === null || answered.holder.notAfter <= credential.notAfter) return;
    if (!sameIdentity(answered.holder.identity, credential.identity)) {
      throw new ChunkmeshError('E_MESSAGE_UNTRUSTED', `a renewed certificate that names ${id} otherwise`);
    }
    const done = answered;
    void this.#during(() => this.#take(done));
  }

  async #during(act: () => Promise<void>): Promise<void> {
    this.#busy = true;
    try {
      await act();
    } catch (error) {
      this.#host.warn(asError(error, 'renewal of the certificate'));
    } finally {
      this.#busy = false;
    }
  }

  async #ask(): Promise<void> {
    const { credential, link } = this.#parts;
    const { id } = credential.identity;
    if (this.#question === undefined) {
      const keyFile = await this.#pendingKeyFile();
      const key = keyFile === undefined ? undefined : await keyOfFile(keyFile);
      this.#question = { asks: new Question({ id, key: key ?? credential.key }), key, keyFile };
    }
    const topic = topics.enroll(credential.prefix, id);
    const payload = sealEnvelope(topic, this.#question.asks.ask(this.#host.seconds()), credential);
    link.publish(topic, payload, { qos: TOPICS.enroll.qos, retain: false });
  }

  /** Of a key in a token no file takes the place: it was put there so as to be nowhere else (P-13.3). */
  async #pendingKeyFile(): Promise<string | undefined> {
    const { bundle, credential } = this.#parts;
    const isNew = this.#host.how === 'new-key' && credential.key instanceof SigningKey;
    return isNew && bundle !== undefined ? pendingKeyFile(bundle, credential.notAfter) : undefined;
  }

  /** On the disk first, then in use: what the registrar gave is good from now on in any case. */
  async #take({ certificate, holder }: Answered): Promise<void> {
    const { credential, store, bundle } = this.#parts;
    const { key, keyFile } = this.#question ?? {};
    if (key === undefined) await keepInStore(store, certificate);
    const inBundle = await intoBundle(bundle, credential, certificate, keyFile).catch((error: unknown) => {
      // A new key that the bundle does not name would be lost with the next restart. The store has all else.
      if (key !== undefined) throw error;
      return false;
    });
    replaceCertificate(credential, certificate, holder, key);
    this.#question = undefined;
    const now = this.#host.seconds();
    this.#plan.renewed(holder, now);
    this.#host.info({ daysLeft: daysLeft(holder, now), inBundle }, 'certificate renewed');
  }

  #tell(what: 'ending' | 'ended', now: number): void {
    const { identity } = this.#parts.credential;
    const { notAfter } = this.#plan.life;
    const end = new Date(notAfter * 1000).toISOString();
    const left = daysLeft({ notAfter }, now);
    this.#host.warn(
      what === 'ending'
        ? new ChunkmeshError('E_CERT_ENDING', `the certificate of ${identity.id} ends in ${left} days, at ${end}`)
        : new ChunkmeshError(
            'E_CERT_EXPIRED',
            `the certificate of ${identity.id} ended at ${end}; it cannot renew itself`,
          ),
    );
  }
}

/** @returns whether the bundle has it now. @throws whatever keeps the bundle from being read or written */
async function intoBundle(
  bundle: string | undefined,
  { key }: Credential,
  certificate: Uint8Array,
  keyFile: string | undefined,
): Promise<boolean> {
  if (bundle === undefined || !(await bundleHasKey(bundle, key.publicKey))) {
    if (keyFile === undefined) return false;
    throw new ChunkmeshError('E_BUNDLE', `${bundle ?? 'the bundle'} is of another key by now`);
  }
  await writeIntoBundle(bundle, certificate, keyFile);
  return true;
}

import { createHash } from 'node:crypto';
import type { Opened } from '../../shared/control/envelope.js';
import { decodeMessage, encodeMessage } from '../../shared/control/messages.js';
import { ChunkmeshError, ERROR_TABLE, type ErrorCode } from '../../shared/errors.js';
import type { CertificateVerifier, Holder } from '../../shared/identity/certificate.js';
import { makeRequest, type RequestSigner } from '../../shared/identity/request.js';

/** A question for a certificate, and what a registrar says to it (P-13.9), on the device's side. */

/** Of those that were asked; an answer to an older one is as good where it is a certificate. */
const MAX_ASKED = 64;

export interface Wanted {
  readonly id: string;
  readonly key: RequestSigner;
}

export interface Answered {
  /** DER. */
  readonly certificate: Uint8Array;
  readonly holder: Holder;
}

export class Question {
  readonly #wanted: Wanted;
  readonly #csr: Uint8Array;
  readonly #asked: string[] = [];

  constructor(wanted: Wanted) {
    this.#wanted = wanted;
    this.#csr = makeRequest(wanted.id, wanted.key);
  }

  /** The key that it asks for. */
  get publicKey(): Uint8Array {
    return this.#wanted.key.publicKey;
  }

  /** A payload for the topic `enroll`. @param at seconds since the epoch */
  ask(at: number): Uint8Array {
    const payload = encodeMessage({ t: 'enroll', at, csr: this.#csr });
    this.#asked.push(createHash('sha256').update(payload).digest('hex'));
    if (this.#asked.length > MAX_ASKED) this.#asked.shift();
    return payload;
  }

  /**
   * P-13.9: what was opened and is on the topic `enrolled` of the device that asks.
   * @param now seconds since the epoch
   * @returns null where it is a refusal of something else
   * @throws E_MESSAGE_MALFORMED; E_CERT_*; E_MESSAGE_UNTRUSTED where the certificate is another's or of another key; the code of a refusal
   */
  answer({ payload, signer }: Opened, verifier: CertificateVerifier, now: number): Answered | null {
    const { request, certificate, error } = decodeMessage('enrolled', payload);
    if (certificate === undefined) {
      if (!this.#asked.includes(Buffer.from(request).toString('hex'))) return null;
      throw new ChunkmeshError(knownCode(error ?? ''), `${signer.identity.id} refuses: ${error ?? ''}`);
    }
    const holder = verifier.verify(certificate, now);
    const { id } = this.#wanted;
    if (holder.identity.id !== id || !Buffer.from(holder.publicKey).equals(this.publicKey)) {
      throw new ChunkmeshError('E_MESSAGE_UNTRUSTED', `a certificate that is not of ${id} and its key`);
    }
    return { certificate, holder };
  }
}

/** A registrar of a later version may have reasons that this one does not know. */
const knownCode = (code: string): ErrorCode =>
  Object.hasOwn(ERROR_TABLE, code) ? (code as ErrorCode) : 'E_RENEWAL_REFUSED';

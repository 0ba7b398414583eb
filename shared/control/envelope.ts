import { verifySignature } from '../crypto/signature.js';
import { ChunkmeshError } from '../errors.js';
import type { CertificateVerifier, Holder } from '../identity/certificate.js';
import { MAX_AGE_SECONDS, MAX_CERTIFICATE_BYTES, MAX_CLOCK_AHEAD_SECONDS, MAX_MESSAGE_BYTES } from '../limits.js';
import type { MessageCounter } from './counter.js';
import { decodeMap, encodeMap } from './message_pack.js';
import { mayPublish, type ParsedTopic, parseTopic } from './topics.js';

/**
 * The signed envelope (P-3): `{v: 1, n: number, p: payload, s: signature, c: certificate}`.
 *
 *     signed = "chunkmesh/1 envelope" 00 | topic length u16 | topic | n u64 | payload
 */

const ENVELOPE_VERSION = 1;
const SIGNATURE_BYTES = 64;
const DOMAIN = Buffer.from('chunkmesh/1 envelope\0', 'latin1');

export interface Signer {
  readonly certificateDer: Uint8Array;
  readonly key: { sign(message: Uint8Array): Uint8Array };
  /** P-3.8: one for all that the key signs. */
  readonly counter: MessageCounter;
}

export interface Opened {
  /** Where it was signed to be published. Whether that is a topic of the receiver's own is for the receiver to check. */
  readonly topic: ParsedTopic;
  readonly signer: Holder;
  /** P-3.8: of two envelopes of one signer the later has the higher. Whether it came before is for the receiver to remember. */
  readonly n: number;
  readonly payload: Uint8Array;
}

/** P-3.2 */
export function signedBytes(topic: string, n: number, payload: Uint8Array): Uint8Array {
  const name = Buffer.from(topic, 'utf8');
  const length = Buffer.alloc(2);
  length.writeUInt16BE(name.length);
  const number = Buffer.alloc(8);
  number.writeBigUInt64BE(BigInt(n));
  return new Uint8Array(Buffer.concat([DOMAIN, length, name, number, payload]));
}

/** @throws E_MESSAGE_TOO_LARGE (P-2.7) */
export function sealEnvelope(topic: string, payload: Uint8Array, signer: Signer): Uint8Array {
  const n = signer.counter.next();
  const envelope = encodeMap({
    v: ENVELOPE_VERSION,
    n,
    p: payload,
    s: signer.key.sign(signedBytes(topic, n, payload)),
    c: signer.certificateDer,
  });
  checkSize(envelope, topic);
  return envelope;
}

/**
 * Every check of P-3.4, in its order.
 * @param now seconds since the epoch
 * @throws E_MESSAGE_TOO_LARGE, E_MESSAGE_MALFORMED, E_CERT_*, E_MESSAGE_SIGNATURE, E_MESSAGE_UNTRUSTED
 */
export function openEnvelope(
  prefix: string,
  topic: string,
  envelope: Uint8Array,
  verifier: CertificateVerifier,
  now: number,
): Opened {
  checkSize(envelope, topic);
  const { v, n, p, s, c } = decodeMap(envelope);
  if (
    v !== ENVELOPE_VERSION ||
    !isCount(n) ||
    !(p instanceof Uint8Array) ||
    !(s instanceof Uint8Array && s.length === SIGNATURE_BYTES) ||
    !(c instanceof Uint8Array) ||
    c.length > MAX_CERTIFICATE_BYTES
  ) {
    throw new ChunkmeshError('E_MESSAGE_MALFORMED', 'not an envelope of P-3.1');
  }
  const signer = verifier.verify(c, now);
  if (!verifySignature(s, signedBytes(topic, n, p), signer.publicKey)) {
    throw new ChunkmeshError('E_MESSAGE_SIGNATURE', `signature of ${signer.identity.id} on ${topic}`);
  }
  const parsed = parseTopic(prefix, topic);
  if (parsed === null || !mayPublish(prefix, signer.identity, topic)) {
    throw new ChunkmeshError('E_MESSAGE_UNTRUSTED', `${signer.identity.id} may not publish on ${topic}`);
  }
  return { topic: parsed, signer, n, payload: p };
}

const isCount = (n: unknown): n is number => typeof n === 'number' && Number.isSafeInteger(n) && n >= 0;

/** P-3.6: the `at` of who has no clock that it believes. */
export const UNKNOWN_TIME = 0;

/** P-3.6. Both in seconds since the epoch. */
export function checkNotFromFuture(at: number, now: number): void {
  if (at > now + MAX_CLOCK_AHEAD_SECONDS) {
    throw new ChunkmeshError('E_MESSAGE_TIME', `signed ${at - now} s ahead of this clock`);
  }
}

/** P-3.6, for what is worth nothing once it is old. Both in seconds since the epoch. */
export function checkRecent(at: number, now: number): void {
  checkNotFromFuture(at, now);
  if (at < now - MAX_AGE_SECONDS) throw new ChunkmeshError('E_MESSAGE_TIME', `signed ${now - at} s ago`);
}

function checkSize(envelope: Uint8Array, topic: string): void {
  if (envelope.length > MAX_MESSAGE_BYTES) {
    throw new ChunkmeshError('E_MESSAGE_TOO_LARGE', `${envelope.length} bytes on ${topic}`);
  }
}

import { createHash } from 'node:crypto';
import { ChunkmeshError } from '../errors.js';

/** Asking for a certificate (P-13.5): a PKCS #10 request (RFC 2986) of an Ed25519 key (RFC 8410), made where the key is. */

const SEQUENCE = 0x30;
const SET = 0x31;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const UTF8_STRING = 0x0c;
/** RFC 2986 §4.1: `attributes [0]`, none of them. */
const NO_ATTRIBUTES = Buffer.from('a000', 'hex');
/** id-at-commonName, 2.5.4.3 */
const COMMON_NAME = Buffer.from('0603550403', 'hex');
/** id-Ed25519, 1.3.101.112 (RFC 8410 §3) */
const ED25519 = Buffer.from('06032b6570', 'hex');
const PEM_COLUMNS = 64;

export interface RequestSigner {
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  sign(message: Uint8Array): Uint8Array;
}

/** X.690 §8.1: lengths of up to 255 bytes, since an id has 64 and all else is fixed. */
function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  if (content.length > 0xff) throw new ChunkmeshError('E_INTERNAL', 'a request of more than 255 bytes');
  const length = content.length < 0x80 ? [content.length] : [0x81, content.length];
  return Buffer.concat([Uint8Array.of(tag, ...length), content]);
}

const bits = (bytes: Uint8Array): Buffer => der(BIT_STRING, Uint8Array.of(0), bytes);

/** RFC 8410 §4: the SubjectPublicKeyInfo of an Ed25519 public key, DER. */
export function ed25519Spki(publicKey: Uint8Array): Uint8Array {
  return new Uint8Array(der(SEQUENCE, der(SEQUENCE, ED25519), bits(publicKey)));
}

/** SHA-256 of the SubjectPublicKeyInfo, hex: what a person compares on both ends (P-13.5). */
export function keyFingerprint(publicKey: Uint8Array): string {
  return createHash('sha256').update(ed25519Spki(publicKey)).digest('hex');
}

/** @param id checked (P-1.1). @returns DER, signed by the key that it names */
export function makeRequest(id: string, key: RequestSigner): Uint8Array {
  const name = der(SEQUENCE, der(SET, der(SEQUENCE, COMMON_NAME, der(UTF8_STRING, Buffer.from(id)))));
  const version = der(INTEGER, Uint8Array.of(0));
  const info = der(SEQUENCE, version, name, ed25519Spki(key.publicKey), NO_ATTRIBUTES);
  const signature = key.sign(new Uint8Array(info));
  return new Uint8Array(der(SEQUENCE, info, der(SEQUENCE, ED25519), bits(signature)));
}

/** RFC 7468 */
export function toPem(label: 'CERTIFICATE' | 'CERTIFICATE REQUEST', bytes: Uint8Array): string {
  const lines =
    Buffer.from(bytes)
      .toString('base64')
      .match(new RegExp(`.{1,${PEM_COLUMNS}}`, 'g')) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}

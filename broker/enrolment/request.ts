import 'reflect-metadata'; // @peculiar/x509 refuses to load without it.
import * as x509 from '@peculiar/x509';
import { isId } from '../../shared/control/ids.js';
import { verifySignature } from '../../shared/crypto/signature.js';
import { ChunkmeshError } from '../../shared/errors.js';
import { ed25519Spki } from '../../shared/identity/request.js';
import { MAX_REQUEST_BYTES } from '../../shared/limits.js';

/** What a certificate request says, and whether its maker has the key (P-13.5; RFC 2986, RFC 8410). */

/** PEM is a third longer than DER, and has line ends; a tool may write the request in words before it. */
export const MAX_REQUEST_TEXT_BYTES = 4 * MAX_REQUEST_BYTES;
const PEM =
  /-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----\s+([A-Za-z0-9+/=\s]+?)\s+-----END (?:NEW )?CERTIFICATE REQUEST-----/g;
const PUBLIC_KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
/** RFC 8410 §6, what is between what is signed and the signature: id-Ed25519, and a BIT STRING of 64 bytes. */
const SIGNATURE_HEAD = Buffer.from('300506032b6570034100', 'hex');
const SEQUENCE = 0x30;

export interface CertificateRequest {
  readonly id: string;
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
}

const refuse = (why: string, cause?: unknown): never => {
  throw new ChunkmeshError('E_REQUEST_INVALID', why, cause === undefined ? {} : { cause });
};

/** @param text PEM, one request. @throws E_REQUEST_INVALID */
export function readRequestPem(text: string): CertificateRequest {
  if (text.length > MAX_REQUEST_TEXT_BYTES) refuse('the certificate request is too large');
  const found = [...text.matchAll(PEM)];
  if (found.length !== 1) refuse(`${found.length} certificate requests in the file, not one`);
  return readRequest(new Uint8Array(Buffer.from(found[0]?.[1] ?? '', 'base64')));
}

/**
 * P-13.5. Of what the request asks beside its name nothing is looked at: who approves it says site, groups and role.
 * @param der as received
 * @throws E_REQUEST_INVALID
 */
export function readRequest(der: Uint8Array): CertificateRequest {
  if (der.length > MAX_REQUEST_BYTES) refuse('the certificate request is too large');
  const outer = elementAt(der, 0);
  if (outer === null || outer.end !== der.length) return refuse('not a certificate request in plain DER');
  const info = elementAt(der, outer.start);
  if (info === null || info.end > outer.end) return refuse('not a certificate request in plain DER');
  const tail = Buffer.from(der.subarray(info.end));
  const head = tail.subarray(0, SIGNATURE_HEAD.length);
  if (!head.equals(SIGNATURE_HEAD) || tail.length !== head.length + SIGNATURE_BYTES) {
    return refuse('the request is not signed with Ed25519');
  }
  const { names, spki } = parse(der);
  const publicKey = spki.subarray(-PUBLIC_KEY_BYTES);
  if (!Buffer.from(ed25519Spki(publicKey)).equals(spki)) refuse('the key of the request is not Ed25519');
  const [id = ''] = names;
  if (names.length !== 1) refuse(`the request has ${names.length} common names, not one`);
  if (!isId(id)) refuse(`the common name ${JSON.stringify(id.slice(0, 80))} breaks P-1.1`);
  if (!verifySignature(tail.subarray(head.length), der.subarray(outer.start, info.end), publicKey)) {
    refuse('the request is not signed by the key that it names');
  }
  return { id, publicKey };
}

function parse(der: Uint8Array): { names: readonly string[]; spki: Uint8Array } {
  try {
    const request = new x509.Pkcs10CertificateRequest(Buffer.from(der));
    return {
      names: request.subjectName.getField('CN'),
      spki: new Uint8Array(request.publicKey.rawData),
    };
  } catch (cause) {
    return refuse('not a certificate request', cause);
  }
}

/** Where the content of the SEQUENCE at `at` starts and ends (X.690 §8.1.3), or null where there is none. */
function elementAt(der: Uint8Array, at: number): { start: number; end: number } | null {
  const [tag, first = 0] = der.subarray(at, at + 2);
  if (tag !== SEQUENCE) return null;
  if (first < 0x80) return { start: at + 2, end: at + 2 + first };
  const count = first & 0x7f;
  if (count < 1 || count > 2 || at + 2 + count > der.length) return null;
  const start = at + 2 + count;
  return { start, end: start + Buffer.from(der).readUIntBE(at + 2, count) };
}

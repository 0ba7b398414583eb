import { createHash, X509Certificate } from 'node:crypto';
import { type Identity, ROLES, type Role } from '../control/topics.js';
import { rawPublicKey } from '../crypto/signature.js';
import { ChunkmeshError } from '../errors.js';
import { MAX_CERTIFICATE_BYTES, MAX_GROUPS } from '../limits.js';

/** Who a certificate names, and whether the fleet's CA says so (P-3.4, P-3.5; RFC 5280 §6). */

/** RFC 5280 §4.2.1.12, id-kp-clientAuth: a broker's certificate is not a device's. */
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
/** A shard's worth of peers and then some; the oldest is forgotten first. */
const MAX_CACHED_CERTIFICATES = 1024;
const NAME_URI = /^URI:chunkmesh:\/\/([A-Za-z0-9_-]{1,64})\/(device|role|site|group)\/([A-Za-z0-9_-]{1,64})$/;

export interface Holder {
  readonly identity: Identity;
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** SHA-256 of the certificate's DER, hex: what a roster knows it by. */
  readonly fingerprint: string;
  /** Seconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
}

/** The URIs that name a holder, for the certificate's subject alternative names (P-3.5). */
export function identityUris({ fleet, id, role, site, groups }: Identity): string[] {
  return [
    `chunkmesh://${fleet}/device/${id}`,
    `chunkmesh://${fleet}/role/${role}`,
    `chunkmesh://${fleet}/site/${site}`,
    ...groups.map((group) => `chunkmesh://${fleet}/group/${group}`),
  ];
}

function parseIdentity(subjectAltName: string | undefined, subject: string): Identity | null {
  const found: Record<string, string[]> = { device: [], role: [], site: [], group: [] };
  let fleet: string | undefined;
  for (const entry of (subjectAltName ?? '').split(', ')) {
    const [, ofFleet, kind = '', value = ''] = NAME_URI.exec(entry) ?? [];
    if (ofFleet === undefined || (fleet !== undefined && fleet !== ofFleet)) return null;
    fleet = ofFleet;
    found[kind]?.push(value);
  }
  const { device = [], role = [], site = [], group = [] } = found;
  const id = device[0];
  if (fleet === undefined || id === undefined || !isOnlyCommonName(id, subject)) return null;
  if (device.length !== 1 || role.length !== 1 || site.length !== 1 || group.length > MAX_GROUPS) return null;
  if (!ROLES.includes(role[0] as Role)) return null;
  return { fleet, id, role: role[0] as Role, site: site[0] ?? '', groups: group };
}

/** P-3.5. A second CN would be another name to a broker that takes the first, or the last. */
function isOnlyCommonName(id: string, subject: string): boolean {
  const names = subject.split('\n').filter((line) => line.includes('CN='));
  return names.length === 1 && names[0] === `CN=${id}`;
}

export function parseX509(bytes: Uint8Array | string): X509Certificate {
  if (bytes.length > 4 * MAX_CERTIFICATE_BYTES)
    throw new ChunkmeshError('E_CERT_INVALID', 'the certificate is too large');
  try {
    return new X509Certificate(bytes);
  } catch (cause) {
    throw new ChunkmeshError('E_CERT_INVALID', 'not an X.509 certificate', { cause });
  }
}

/** @throws E_CERT_INVALID: what is not a date would compare as valid for ever. */
function toSeconds(date: string): number {
  const seconds = Math.floor(Date.parse(date) / 1000);
  if (Number.isNaN(seconds)) throw new ChunkmeshError('E_CERT_INVALID', 'the certificate has no readable validity');
  return seconds;
}

/**
 * Everything about a certificate that does not depend on the clock.
 * @throws E_CERT_INVALID, E_CERT_FOREIGN
 */
export function readCertificate(certificate: X509Certificate, authority: X509Certificate, fleet: string): Holder {
  if (certificate.raw.length > MAX_CERTIFICATE_BYTES) {
    throw new ChunkmeshError('E_CERT_INVALID', 'the certificate is too large');
  }
  if (!certificate.checkIssued(authority) || !certificate.verify(authority.publicKey)) {
    throw new ChunkmeshError('E_CERT_FOREIGN', "the certificate is not issued by the fleet's CA");
  }
  if (certificate.ca || !(certificate.keyUsage ?? []).includes(CLIENT_AUTH)) {
    throw new ChunkmeshError('E_CERT_INVALID', 'the certificate is not for a client');
  }
  const identity = parseIdentity(certificate.subjectAltName, certificate.subject);
  if (identity === null) throw new ChunkmeshError('E_CERT_INVALID', 'the certificate does not name its holder (P-3.5)');
  if (identity.fleet !== fleet) {
    throw new ChunkmeshError('E_CERT_FOREIGN', `the certificate is of fleet ${identity.fleet}, not ${fleet}`);
  }
  return {
    identity,
    publicKey: rawPublicKey(certificate.publicKey),
    fingerprint: createHash('sha256').update(certificate.raw).digest('hex'),
    notBefore: toSeconds(certificate.validFrom),
    notAfter: toSeconds(certificate.validTo),
  };
}

/**
 * RFC 5280 §6.1.3 (a)(2). @param now seconds
 * @throws E_CERT_EXPIRED
 */
export function checkValidity(holder: Holder, now: number): void {
  // This way round, so that a clock that is not a number is outside.
  if (!(now >= holder.notBefore && now <= holder.notAfter)) {
    const from = new Date(holder.notBefore * 1000).toISOString();
    const to = new Date(holder.notAfter * 1000).toISOString();
    throw new ChunkmeshError('E_CERT_EXPIRED', `certificate of ${holder.identity.id} is valid from ${from} to ${to}`);
  }
}

/**
 * As `checkValidity`, of a message's signer. A certificate that begins later than now says that this clock is behind: the CA dates nothing
 * ahead (P-3.4).
 * @throws E_CERT_EXPIRED. `now` in seconds.
 */
function checkNotExpired(holder: Holder, now: number): void {
  checkValidity(holder, Math.max(now, holder.notBefore));
}

/** Verifies signers' certificates against one CA, each once while it is remembered. */
export class CertificateVerifier {
  readonly #authority: X509Certificate;
  readonly #fleet: string;
  readonly #known = new Map<string, Holder>();

  constructor(authorityPem: string, fleet: string) {
    this.#authority = parseX509(authorityPem);
    this.#fleet = fleet;
  }

  /**
   * P-3.4
   * @param der as received; @param now seconds since the epoch
   * @throws E_CERT_INVALID, E_CERT_FOREIGN, E_CERT_EXPIRED
   */
  verify(der: Uint8Array, now: number): Holder {
    if (der.length > MAX_CERTIFICATE_BYTES) throw new ChunkmeshError('E_CERT_INVALID', 'the certificate is too large');
    const fingerprint = createHash('sha256').update(der).digest('base64');
    let holder = this.#known.get(fingerprint);
    if (holder === undefined) {
      const certificate = parseX509(der);
      // P-3.1: one certificate has one encoding. PEM, or bytes behind the DER, would give it any number of fingerprints.
      if (!certificate.raw.equals(der)) throw new ChunkmeshError('E_CERT_INVALID', 'the certificate is not plain DER');
      holder = readCertificate(certificate, this.#authority, this.#fleet);
      const oldest = this.#known.keys().next();
      if (this.#known.size >= MAX_CACHED_CERTIFICATES && !oldest.done) this.#known.delete(oldest.value);
      this.#known.set(fingerprint, holder);
    }
    checkNotExpired(holder, now);
    return holder;
  }
}

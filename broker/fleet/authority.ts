import 'reflect-metadata'; // @peculiar/x509 refuses to load without it.
import { createPrivateKey, randomBytes, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';
import type { Identity } from '../../shared/control/topics.js';
import { SigningKey } from '../../shared/crypto/signature.js';
import { ChunkmeshError } from '../../shared/errors.js';
import { identityUris } from '../../shared/identity/certificate.js';
import { MAX_CLOCK_AHEAD_SECONDS } from '../../shared/limits.js';

/** The fleet's certificate authority (RFC 5280, Ed25519 by RFC 8410): it signs members (P-3.5) and the broker. */

const DAY_MS = 86_400_000;
export const AUTHORITY_DAYS = 3650;
export const MEMBER_DAYS = 365;
/** A device whose clock is behind must not find its certificate not yet valid. */
const BACKDATE_MS = 300_000;
const SERIAL_BYTES = 16;
const ED25519_SPKI_HEAD = Buffer.from('302a300506032b6570032100', 'hex'); // RFC 8410 §10.1
/** RFC 5280 §5.2.3 */
const CRL_NUMBER = '2.5.29.20';
const LOOPBACK_NAMES: readonly string[] = ['localhost', '127.0.0.1', '::1'];

x509.cryptoProvider.set(webcrypto);

export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/**
 * From five minutes before `now` (milliseconds since the epoch) for `days`.
 * @param revokedSince P-14.10: of the holder's certificates before, seconds since the epoch. The new one is valid after that.
 * @throws E_ARGUMENT where that is further ahead than clocks differ: everyone who hears a certificate learns from it that its day has come (P-12.6)
 */
export function validFor(now: number, days: number, revokedSince?: number): Validity {
  const least = revokedSince === undefined ? 0 : (revokedSince + 1) * 1000;
  if (least > now + MAX_CLOCK_AHEAD_SECONDS * 1000) {
    const when = new Date(least).toISOString();
    const remedy = '`chunkmesh restore` it, and revoke it again by a right clock, before it is enrolled';
    throw new ChunkmeshError('E_ARGUMENT', `it is revoked up to ${when}, which is to come: ${remedy}`);
  }
  return { notBefore: new Date(Math.max(now - BACKDATE_MS, least)), notAfter: new Date(now + days * DAY_MS) };
}

/** One that is revoked, as a CRL names it. */
export interface RevokedSerial {
  /** Hex. */
  readonly serial: string;
  /** Seconds since the epoch. */
  readonly since: number;
}

export class Authority {
  readonly #signingKey: webcrypto.CryptoKey;
  readonly #certificate: x509.X509Certificate;
  /** PEM. */
  readonly certificate: string;

  private constructor(signingKey: webcrypto.CryptoKey, certificate: x509.X509Certificate) {
    this.#signingKey = signingKey;
    this.#certificate = certificate;
    this.certificate = pem(certificate);
  }

  /** A new CA certificate for `key`, the only kind of certificate here that may sign others. */
  static async create(fleet: string, key: SigningKey, validity: Validity): Promise<Authority> {
    const signingKey = await importKey(key.exportPem());
    const name = distinguishedName(`${fleet} CA`, fleet);
    const publicKey = spki(key.publicKey);
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: serial(),
      subject: name,
      issuer: name,
      ...validity,
      publicKey,
      signingKey,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(publicKey),
      ],
    });
    return new Authority(signingKey, certificate);
  }

  /** @throws E_BUNDLE, E_CERT_INVALID where either is not what this class writes, or they do not belong together. */
  static async fromPem(keyPem: string, certificatePem: string): Promise<Authority> {
    const { publicKey } = SigningKey.fromPem(keyPem);
    let certificate: x509.X509Certificate;
    try {
      certificate = new x509.X509Certificate(certificatePem);
    } catch (cause) {
      throw new ChunkmeshError('E_CERT_INVALID', "the fleet's CA is not an X.509 certificate", { cause });
    }
    if (!spki(publicKey).equals(Buffer.from(certificate.publicKey.rawData))) {
      throw new ChunkmeshError('E_CERT_INVALID', "the fleet's CA key and certificate do not belong together");
    }
    return new Authority(await importKey(keyPem), certificate);
  }

  /**
   * A member's certificate, in PEM (P-3.5): for TLS as a client, and for signing.
   * @param publicKey Ed25519, 32 bytes
   */
  async issueMember(identity: Identity, publicKey: Uint8Array, validity: Validity): Promise<string> {
    const uris = identityUris(identity).map((value) => ({ type: 'url' as const, value }));
    return this.#issue(distinguishedName(identity.id, identity.fleet), publicKey, validity, [
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth]),
      new x509.SubjectAlternativeNameExtension(uris),
    ]);
  }

  /** The broker's certificate, in PEM: good for `localhost`, both loopback addresses and `hosts`. */
  async issueServer(
    fleet: string,
    hosts: readonly string[],
    publicKey: Uint8Array,
    validity: Validity,
  ): Promise<string> {
    const names = [...new Set([...LOOPBACK_NAMES, ...hosts])];
    return this.#issue(distinguishedName('broker', fleet), publicKey, validity, [
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        names.map((value) => ({ type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value })),
      ),
    ]);
  }

  /**
   * The CRL, in PEM (RFC 5280 §5), for brokers that refuse who is on it at the TLS handshake.
   * @param number rises with each (RFC 5280 §5.2.3); @param now milliseconds since the epoch
   */
  async issueCrl(revoked: readonly RevokedSerial[], number: number, now: number): Promise<string> {
    const crl = await x509.X509CrlGenerator.create({
      issuer: this.#certificate.subjectName,
      thisUpdate: new Date(now - BACKDATE_MS),
      // A CRL that is past this has OpenSSL refuse every client. There is a new one at each revocation, and none at other times.
      nextUpdate: this.#certificate.notAfter,
      entries: revoked.map(({ serial, since }) => ({ serialNumber: serial, revocationDate: new Date(since * 1000) })),
      signingKey: this.#signingKey,
      signingAlgorithm: { name: 'Ed25519' },
      extensions: [
        await x509.AuthorityKeyIdentifierExtension.create(this.#certificate.publicKey),
        new x509.Extension(CRL_NUMBER, false, derInteger(number)),
      ],
    });
    // RFC 7468 §6: the label that OpenSSL reads.
    return `${crl.toString('pem').replaceAll(' CRL-----', ' X509 CRL-----')}\n`;
  }

  async #issue(
    subject: x509.JsonName,
    publicKey: Uint8Array,
    { notBefore, notAfter }: Validity,
    extensions: readonly x509.Extension[],
  ): Promise<string> {
    const key = spki(publicKey);
    // RFC 5280 §6.1.3: nothing outlives its issuer.
    const end = new Date(Math.min(notAfter.getTime(), this.#certificate.notAfter.getTime()));
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: serial(),
      subject,
      issuer: this.#certificate.subjectName,
      notBefore,
      notAfter: end,
      publicKey: key,
      signingKey: this.#signingKey,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        ...extensions,
        await x509.SubjectKeyIdentifierExtension.create(key),
        await x509.AuthorityKeyIdentifierExtension.create(this.#certificate.publicKey),
      ],
    });
    return pem(certificate);
  }
}

const pem = (certificate: x509.X509Certificate): string => `${certificate.toString('pem')}\n`;

const distinguishedName = (commonName: string, organization: string): x509.JsonName => [
  { CN: [commonName] },
  { O: [organization] },
];

/** X.690 §8.3: a whole number of 0 or more. */
function derInteger(value: number): ArrayBuffer {
  const digits = value.toString(16);
  const bytes = Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, 'hex');
  const positive = (bytes[0] ?? 0) < 0x80 ? bytes : Buffer.concat([Buffer.of(0), bytes]);
  return new Uint8Array([0x02, positive.length, ...positive]).buffer;
}

function spki(publicKey: Uint8Array): Buffer {
  return Buffer.concat([ED25519_SPKI_HEAD, publicKey]);
}

/** RFC 5280 §4.1.2.2: positive, so its top bit is clear; and not zero, so the next bit is set. */
function serial(): string {
  const bytes = randomBytes(SERIAL_BYTES);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString('hex');
}

async function importKey(keyPem: string): Promise<webcrypto.CryptoKey> {
  const der = createPrivateKey(keyPem).export({ type: 'pkcs8', format: 'der' });
  return webcrypto.subtle.importKey('pkcs8', der, 'Ed25519', false, ['sign']);
}

import 'reflect-metadata'; // @peculiar/x509 refuses to load without it.
import { createPrivateKey, webcrypto, X509Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { EpochCounter } from '../../shared/control/counter.js';
import { type Opened, openEnvelope, type Signer, sealEnvelope } from '../../shared/control/envelope.js';
import { encodeMessage } from '../../shared/control/messages.js';
import type { Identity } from '../../shared/control/topics.js';
import { SigningKey } from '../../shared/crypto/signature.js';
import { type BundleFile, type Credential, parseCredential } from '../../shared/identity/bundle.js';
import { CertificateVerifier, identityUris } from '../../shared/identity/certificate.js';

import { TrustMaker } from './trust_maker.js';

/** A fleet in memory at a fixed time: a CA that signs whatever a test asks for, right or wrong. */

export const FLEET = 'fleet1';
export const PREFIX = `chunkmesh/${FLEET}`;
/** Seconds since the epoch. */
export const NOW = Date.UTC(2030, 0, 1) / 1000;
const DAY = 86_400;
/** What every bundle here pins the root of. */
export const TRUST = new TrustMaker(NOW);
/** Two bytes, and where they are in the DER of a leaf. */
const SERIAL = '4000';
const SERIAL_AT = 15;
const SIGNATURE_BYTES = 64;

x509.cryptoProvider.set(webcrypto);

/** Loaded once, behind its polyfill. */
export { x509 };

export interface Member extends Signer {
  readonly identity: Identity;
  readonly key: SigningKey;
}

export interface LeafOptions {
  readonly cn?: x509.JsonName;
  readonly names?: readonly x509.JsonGeneralName[];
  readonly usages?: readonly x509.ExtendedKeyUsage[];
  readonly ca?: boolean;
  /** Seconds since the epoch. */
  readonly notBefore?: number;
  readonly notAfter?: number;
  /** Of another kind than Ed25519. */
  readonly publicKey?: webcrypto.CryptoKey;
  readonly extensions?: readonly x509.Extension[];
}

export function identityOf(over: Partial<Identity> = {}): Identity {
  return { fleet: FLEET, id: 'cam-1', role: 'device', site: 'north', groups: ['cameras'], ...over };
}

export const urlNames = (...uris: readonly string[]): x509.JsonGeneralName[] =>
  uris.map((value) => ({ type: 'url', value }));

async function webKey(key: SigningKey): Promise<webcrypto.CryptoKey> {
  const der = createPrivateKey(key.exportPem()).export({ type: 'pkcs8', format: 'der' });
  return webcrypto.subtle.importKey('pkcs8', der, 'Ed25519', false, ['sign']);
}

async function webPublicKey(key: SigningKey): Promise<webcrypto.CryptoKey> {
  return webcrypto.subtle.importKey('raw', Buffer.from(key.publicKey), 'Ed25519', true, ['verify']);
}

/** Whoever holds a key and a name may sign certificates; what they are worth is for the code under test to say. */
export class Issuer {
  readonly #key: SigningKey;
  readonly #name: string;
  /** PEM. */
  readonly certificate: string;

  constructor(key: SigningKey, name: string, certificate: string) {
    this.#key = key;
    this.#name = name;
    this.certificate = certificate;
  }

  static async authority(name = `CN=${FLEET} CA`): Promise<Issuer> {
    const key = SigningKey.generate();
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: '01',
      subject: name,
      issuer: name,
      notBefore: new Date((NOW - DAY) * 1000),
      notAfter: new Date((NOW + 3650 * DAY) * 1000),
      publicKey: await webPublicKey(key),
      signingKey: await webKey(key),
      extensions: [
        new x509.BasicConstraintsExtension(true, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      ],
    });
    return new Issuer(key, name, certificate.toString('pem'));
  }

  verifier(fleet = FLEET): CertificateVerifier {
    return new CertificateVerifier(this.certificate, fleet);
  }

  /** DER. */
  async leaf(identity: Identity, key: SigningKey, options: LeafOptions = {}): Promise<Uint8Array> {
    const { cn, names, usages, ca, notBefore, notAfter, publicKey, extensions } = options;
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: SERIAL,
      subject: cn ?? [{ CN: [identity.id] }],
      issuer: this.#name,
      notBefore: new Date((notBefore ?? NOW - DAY) * 1000),
      notAfter: new Date((notAfter ?? NOW + DAY) * 1000),
      publicKey: publicKey ?? (await webPublicKey(key)),
      signingKey: await webKey(this.#key),
      extensions: [
        new x509.BasicConstraintsExtension(ca ?? false, undefined, true),
        new x509.ExtendedKeyUsageExtension([...(usages ?? [x509.ExtendedKeyUsage.clientAuth])]),
        new x509.SubjectAlternativeNameExtension([...(names ?? urlNames(...identityUris(identity)))]),
        ...(extensions ?? []),
      ],
    });
    return new Uint8Array(certificate.rawData);
  }

  /** The same leaf `count` times, each of its own serial number: only what differs is made anew. */
  variants(leaf: Uint8Array, count: number): Uint8Array[] {
    return Array.from({ length: count }, (_, i) => {
      const der = Buffer.from(leaf);
      der.writeUInt16BE(0x4001 + i, SERIAL_AT);
      // RFC 5280 §4.1: the first of the certificate's three parts is what is signed.
      const signed = der.subarray(4, 8 + der.readUInt16BE(6));
      der.set(this.#key.sign(signed), der.length - SIGNATURE_BYTES);
      return new Uint8Array(der);
    });
  }

  async member(over: Partial<Identity> = {}, options: LeafOptions = {}): Promise<Member> {
    const identity = identityOf(over);
    const key = SigningKey.generate();
    return {
      identity,
      key,
      counter: new EpochCounter(NOW, () => {}),
      certificateDer: await this.leaf(identity, key, options),
    };
  }

  bundle({ key, certificateDer }: Member): BundleFile & { key: string } {
    return {
      v: 2,
      fleet: FLEET,
      prefix: PREFIX,
      broker: 'mqtts://broker.example:8883',
      ca: this.certificate,
      certificate: pemOf(certificateDer),
      key: key.exportPem(),
      root: TRUST.root,
    };
  }

  credential(member: Member): Credential {
    const { counter } = member;
    return { ...parseCredential(JSON.stringify(this.bundle(member)), 'bundle', NOW), counter };
  }
}

export const pemOf = (der: Uint8Array): string => new X509Certificate(der).toString();

/** What a receiver makes of a message that `by` signed for `topic`. */
export function opened(
  fleet: Issuer,
  by: Signer,
  topic: string,
  message: Parameters<typeof encodeMessage>[0],
  now = NOW,
): Opened {
  return openEnvelope(PREFIX, topic, sealEnvelope(topic, encodeMessage(message), by), fleet.verifier(), now);
}

/** The code of the ChunkmeshError that `act` throws; what else it throws, or that it does not, is told apart. */
export function codeOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof Error && error.name === 'ChunkmeshError' && 'code' in error) return String(error.code);
    return `not a ChunkmeshError: ${String(error)}`;
  }
  return 'accepted';
}

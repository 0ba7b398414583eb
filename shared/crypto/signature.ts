import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  verify as verifyByNode,
} from 'node:crypto';
import { inspect } from 'node:util';
import * as noble from '@noble/ed25519';
import { ChunkmeshError } from '../errors.js';
import { isSodiumUnwanted, loadSodium } from './sodium.js';

/** Ed25519 (RFC 8032): the one door to signing. Private bytes have no accessor and print as redacted. */

export interface SignatureProvider {
  readonly name: 'sodium-native' | 'noble';
  sign(message: Uint8Array, seed: Uint8Array): Uint8Array;
  verify(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean;
}

noble.hashes.sha512 = (message) => new Uint8Array(createHash('sha512').update(message).digest());

export const nobleProvider: SignatureProvider = {
  name: 'noble',
  sign: (message, seed) => noble.sign(message, seed),
  // libsodium refuses more than noble's strict reading does: a small-order R, and what only the cofactor makes valid. Without both
  // checks a signer could make a message that one half of a fleet believes and the other does not.
  verify: (signature, message, publicKey) =>
    noble.verify(signature, message, publicKey, { zip215: false }) &&
    !noble.Point.fromBytes(signature.subarray(0, PUBLIC_KEY_BYTES)).isSmallOrder() &&
    verifyByNode(null, message, nodePublicKey(publicKey), signature),
};

/** RFC 8032 §5.1.7 without the cofactor, as OpenSSL reads it. */
function nodePublicKey(publicKey: Uint8Array): KeyObject {
  const x = Buffer.from(publicKey).toString('base64url');
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
}

const view = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Where the native library loads, else null. */
export function loadSodiumSignatures(): SignatureProvider | null {
  const sodium = loadSodium();
  if (sodium === null) return null;
  return {
    name: 'sodium-native',
    sign(message, seed) {
      const secret = Buffer.alloc(64);
      const signature = Buffer.alloc(SIGNATURE_BYTES);
      sodium.crypto_sign_seed_keypair(Buffer.alloc(32), secret, view(seed));
      sodium.crypto_sign_detached(signature, view(message), secret);
      secret.fill(0);
      return new Uint8Array(signature);
    },
    verify: (signature, message, publicKey) =>
      sodium.crypto_sign_verify_detached(view(signature), view(message), view(publicKey)),
  };
}

const SIGNATURE_BYTES = 64;
const PUBLIC_KEY_BYTES = 32;
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex'); // RFC 8410 §7

const provider = (isSodiumUnwanted(process.env.CHUNKMESH_CRYPTO) ? null : loadSodiumSignatures()) ?? nobleProvider;

/** False for anything that is not a valid signature, malformed keys included; never throws. */
export function verifySignature(
  signature: Uint8Array,
  message: Uint8Array,
  publicKey: Uint8Array,
  by: SignatureProvider = provider,
): boolean {
  if (signature.length !== SIGNATURE_BYTES || publicKey.length !== PUBLIC_KEY_BYTES) return false;
  try {
    return by.verify(signature, message, publicKey);
  } catch {
    return false;
  }
}

/** An Ed25519 private key. Neither string, JSON nor inspection shows it. */
export class SigningKey {
  readonly #key: KeyObject;
  readonly #seed: Uint8Array;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;

  private constructor(key: KeyObject) {
    if (key.asymmetricKeyType !== 'ed25519') throw new ChunkmeshError('E_BUNDLE', 'the private key is not Ed25519');
    this.#key = key;
    const { d } = key.export({ format: 'jwk' });
    this.#seed = new Uint8Array(Buffer.from(d ?? '', 'base64url'));
    this.publicKey = rawPublicKey(createPublicKey(key));
  }

  static generate(): SigningKey {
    return new SigningKey(generateKeyPairSync('ed25519').privateKey);
  }

  /** RFC 8032 §5.1.5: the 32 bytes that an Ed25519 key is made of. */
  static fromSeed(seed: Uint8Array): SigningKey {
    const der = Buffer.concat([PKCS8_HEAD, seed]);
    return new SigningKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
  }

  /** @throws E_BUNDLE where `pem` is not a PKCS #8 Ed25519 key (RFC 8410). */
  static fromPem(pem: string): SigningKey {
    try {
      return new SigningKey(createPrivateKey(pem));
    } catch (error) {
      // The cause is left out: a parser's message may quote what it read.
      if (error instanceof ChunkmeshError) throw error;
      throw new ChunkmeshError('E_BUNDLE', 'the private key is not PKCS #8 PEM');
    }
  }

  /** PKCS #8 PEM, for the file that holds the key and for TLS, which take nothing else. */
  exportPem(): string {
    return this.#key.export({ type: 'pkcs8', format: 'pem' }).toString();
  }

  /** 64 bytes. */
  sign(message: Uint8Array, by: SignatureProvider = provider): Uint8Array {
    return by.sign(message, this.#seed);
  }

  toJSON(): string {
    return '[redacted]';
  }

  toString(): string {
    return '[redacted]';
  }

  [inspect.custom](): string {
    return 'SigningKey [redacted]';
  }
}

/** The 32 bytes of an Ed25519 public key (RFC 8032 §5.1.5). @throws E_CERT_INVALID for another kind. */
export function rawPublicKey(key: KeyObject): Uint8Array {
  if (key.asymmetricKeyType !== 'ed25519') throw new ChunkmeshError('E_CERT_INVALID', 'the key is not Ed25519');
  return new Uint8Array(Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url'));
}

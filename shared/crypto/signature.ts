import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { inspect } from 'node:util';
import { ChunkmeshError } from '../errors.js';
import { chooseSignatures, PUBLIC_KEY_BYTES, SIGNATURE_BYTES, type SignatureProvider } from './signature_provider.js';

/** Ed25519 (RFC 8032): the one door to signing. Private bytes have no accessor and print as redacted. */

const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex'); // RFC 8410 §7

/** The provider of this process, chosen once, by the environment variable CHUNKMESH_CRYPTO. */
const provider = chooseSignatures(process.env.CHUNKMESH_CRYPTO);

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
    return by.sign(message, { seed: this.#seed, object: this.#key });
  }

  /** It holds nothing of the world: what it shares with keys that do. */
  close(): void {}

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

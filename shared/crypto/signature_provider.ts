import { createHash, createPublicKey, type KeyObject, sign as signByNode, verify as verifyByNode } from 'node:crypto';
import * as noble from '@noble/ed25519';
import { isCanonicalPoint, isCanonicalScalar, isOfSmallOrder } from './ed25519_encoding.js';
import { isSodiumUnwanted, loadSodium } from './sodium.js';

/**
 * Ed25519 (RFC 8032) by whichever library this machine has (P-13.1). All take and refuse the same bytes, those of libsodium: A and S are
 * canonical, neither A nor R is of small order, and S·B = R + H(R, A, M)·A without the cofactor. A test holds them against the same vectors.
 */
export interface SignatureProvider {
  readonly name: 'sodium-native' | 'node' | 'noble';
  /** 64 bytes. */
  sign(message: Uint8Array, secret: SecretKey): Uint8Array;
  /** Of 64 and 32 bytes. May throw for what is no key or signature; `verifySignature` does not. */
  verify(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean;
}

/** One private key, as the libraries want it. Never leaves this folder. */
export interface SecretKey {
  /** 32 bytes. */
  readonly seed: Uint8Array;
  readonly object: KeyObject;
}

export const SIGNATURE_BYTES = 64;
export const PUBLIC_KEY_BYTES = 32;
/** Of 1 KB each: the peers of a swarm, those who are about to be, and the publishers. One that was forgotten costs 10 us. */
export const MAX_KEY_OBJECTS = 256;

/** Public keys as node wants them; who was asked for last is forgotten last. */
export class KeyObjects {
  readonly #known = new Map<string, KeyObject>();

  get size(): number {
    return this.#known.size;
  }

  /** @param publicKey 32 bytes. @throws whatever node does, where they are no key */
  of(publicKey: Uint8Array): KeyObject {
    const name = Buffer.from(publicKey).toString('base64url');
    const key =
      this.#known.get(name) ?? createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: name }, format: 'jwk' });
    this.#known.delete(name);
    const oldest = this.#known.keys().next();
    if (this.#known.size >= MAX_KEY_OBJECTS && !oldest.done) this.#known.delete(oldest.value);
    this.#known.set(name, key);
    return key;
  }
}

const keyObjects = new KeyObjects();

/** OpenSSL checks S and compares R's bytes without the cofactor; what else libsodium refuses is refused here. */
export const nodeSignatures: SignatureProvider = {
  name: 'node',
  sign: (message, { object }) => new Uint8Array(signByNode(null, message, object)),
  verify: (signature, message, publicKey) =>
    isCanonicalScalar(signature.subarray(PUBLIC_KEY_BYTES)) &&
    isCanonicalPoint(publicKey) &&
    !isOfSmallOrder(publicKey) &&
    !isOfSmallOrder(signature) &&
    verifyByNode(null, message, keyObjects.of(publicKey), signature),
};

noble.hashes.sha512 = (message) => new Uint8Array(createHash('sha512').update(message).digest());

/** The slow reference, by points and numbers. Its decoding refuses what is not canonical. */
export const nobleSignatures: SignatureProvider = {
  name: 'noble',
  sign: (message, { seed }) => noble.sign(message, seed),
  verify(signature, message, publicKey) {
    const R = noble.Point.fromBytes(signature.subarray(0, PUBLIC_KEY_BYTES));
    const A = noble.Point.fromBytes(publicKey);
    const S = numberOf(signature.subarray(PUBLIC_KEY_BYTES));
    const order = noble.Point.CURVE().n;
    if (S >= order || A.isSmallOrder() || R.isSmallOrder()) return false;
    const hashed = createHash('sha512').update(R.toBytes()).update(publicKey).update(message).digest();
    const right = R.add(A.multiplyUnsafe(numberOf(hashed) % order));
    return noble.Point.BASE.multiplyUnsafe(S).equals(right);
  },
};

/** Little-endian. */
function numberOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
}

const view = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Where the native library loads, else null. */
export function loadSodiumSignatures(): SignatureProvider | null {
  const sodium = loadSodium();
  if (sodium === null) return null;
  return {
    name: 'sodium-native',
    sign(message, { seed }) {
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

/** An OpenSSL may be built without Ed25519, or configured to refuse it. */
function nodeKnowsEd25519(): boolean {
  try {
    // RFC 8032 §7.1, the public key of TEST 1.
    keyObjects.of(Buffer.from('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a', 'hex'));
    return true;
  } catch {
    // A state of the machine, not a fault: another provider does it.
    return false;
  }
}

/** @param choice `tweetnacl` leaves the native library unused; anything else takes the fastest that there is. */
export function chooseSignatures(choice: string | undefined, nodeKnows = nodeKnowsEd25519()): SignatureProvider {
  const sodium = isSodiumUnwanted(choice) ? null : loadSodiumSignatures();
  return sodium ?? (nodeKnows ? nodeSignatures : nobleSignatures);
}

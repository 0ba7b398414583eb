import { createRequire } from 'node:module';

/** The functions of the native library that are used; the package carries no types. */
export interface Sodium {
  crypto_secretbox_easy(sealed: Uint8Array, plaintext: Uint8Array, nonce: Uint8Array, key: Uint8Array): void;
  crypto_secretbox_open_easy(plaintext: Uint8Array, sealed: Uint8Array, nonce: Uint8Array, key: Uint8Array): boolean;
  crypto_sign_seed_keypair(publicKey: Buffer, secretKey: Buffer, seed: Buffer): void;
  crypto_sign_detached(signature: Buffer, message: Buffer, secretKey: Buffer): void;
  crypto_sign_verify_detached(signature: Buffer, message: Buffer, publicKey: Buffer): boolean;
}

const FUNCTIONS: readonly (keyof Sodium)[] = [
  'crypto_secretbox_easy',
  'crypto_secretbox_open_easy',
  'crypto_sign_seed_keypair',
  'crypto_sign_detached',
  'crypto_sign_verify_detached',
];

/** Null where the optional dependency is absent or has no binary for this machine. */
export function loadSodium(): Sodium | null {
  let sodium: unknown;
  try {
    sodium = createRequire(import.meta.url)('sodium-native');
  } catch {
    // An optional dependency: its absence is a state of the machine, not a fault.
    return null;
  }
  return isSodium(sodium) ? sodium : null;
}

/** Whether this value of the environment variable CHUNKMESH_CRYPTO leaves the native library unused. */
export function isSodiumUnwanted(choice: string | undefined): boolean {
  return choice === 'tweetnacl';
}

function isSodium(value: unknown): value is Sodium {
  if (typeof value !== 'object' || value === null) return false;
  const found = value as Readonly<Record<string, unknown>>;
  return FUNCTIONS.every((name) => typeof found[name] === 'function');
}

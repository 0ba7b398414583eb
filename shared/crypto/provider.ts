import { createRequire } from 'node:module';
import nacl from 'tweetnacl';

/**
 * XSalsa20-Poly1305 (NaCl `secretbox`) by whichever library this machine has. Both give the same bytes; a test holds them
 * against the same vectors.
 */
export interface CryptoProvider {
  readonly name: 'sodium-native' | 'tweetnacl';
  /** `sealed` is 16 bytes longer than `plaintext`, and may overlap it. */
  seal(sealed: Uint8Array, plaintext: Uint8Array, nonce: Uint8Array, key: Uint8Array): void;
  /** False, and `plaintext` left in no particular state, where the tag does not fit. */
  open(plaintext: Uint8Array, sealed: Uint8Array, nonce: Uint8Array, key: Uint8Array): boolean;
}

/** The two functions of sodium-native that are used; the package carries no types. */
interface Sodium {
  crypto_secretbox_easy(sealed: Uint8Array, plaintext: Uint8Array, nonce: Uint8Array, key: Uint8Array): void;
  crypto_secretbox_open_easy(plaintext: Uint8Array, sealed: Uint8Array, nonce: Uint8Array, key: Uint8Array): boolean;
}

/** The slow one, in plain JavaScript: everywhere. */
export const tweetnaclProvider: CryptoProvider = {
  name: 'tweetnacl',
  seal(sealed, plaintext, nonce, key) {
    sealed.set(nacl.secretbox(plaintext, nonce, key));
  },
  open(plaintext, sealed, nonce, key) {
    const opened = nacl.secretbox.open(sealed, nonce, key);
    if (opened === null) return false;
    plaintext.set(opened);
    return true;
  },
};

/** The fast one, or null where the optional dependency is absent or has no binary for this machine. */
export function loadSodiumProvider(): CryptoProvider | null {
  let sodium: unknown;
  try {
    sodium = createRequire(import.meta.url)('sodium-native');
  } catch {
    // An optional dependency: its absence is a state of the machine, not a fault.
    return null;
  }
  if (!isSodium(sodium)) return null;
  const { crypto_secretbox_easy, crypto_secretbox_open_easy } = sodium;
  return { name: 'sodium-native', seal: crypto_secretbox_easy, open: crypto_secretbox_open_easy };
}

/** @param choice `tweetnacl` forces the slow provider; anything else takes the fastest that loads. */
export function chooseProvider(choice: string | undefined): CryptoProvider {
  if (choice === 'tweetnacl') return tweetnaclProvider;
  return loadSodiumProvider() ?? tweetnaclProvider;
}

let chosen: CryptoProvider | undefined;

/** The provider of this process, chosen once, by the environment variable CHUNKMESH_CRYPTO. */
export function defaultProvider(): CryptoProvider {
  chosen ??= chooseProvider(process.env.CHUNKMESH_CRYPTO);
  return chosen;
}

function isSodium(value: unknown): value is Sodium {
  return (
    typeof value === 'object' &&
    value !== null &&
    'crypto_secretbox_easy' in value &&
    typeof value.crypto_secretbox_easy === 'function' &&
    'crypto_secretbox_open_easy' in value &&
    typeof value.crypto_secretbox_open_easy === 'function'
  );
}

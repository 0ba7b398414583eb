import nacl from 'tweetnacl';
import { isSodiumUnwanted, loadSodium } from './sodium.js';

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

/** The fast one, where it loads. */
export function loadSodiumProvider(): CryptoProvider | null {
  const sodium = loadSodium();
  if (sodium === null) return null;
  return { name: 'sodium-native', seal: sodium.crypto_secretbox_easy, open: sodium.crypto_secretbox_open_easy };
}

/** @param choice `tweetnacl` forces the slow provider; anything else takes the fastest that loads. */
export function chooseProvider(choice: string | undefined): CryptoProvider {
  return (isSodiumUnwanted(choice) ? null : loadSodiumProvider()) ?? tweetnaclProvider;
}

let chosen: CryptoProvider | undefined;

/** The provider of this process, chosen once, by the environment variable CHUNKMESH_CRYPTO. */
export function defaultProvider(): CryptoProvider {
  chosen ??= chooseProvider(process.env.CHUNKMESH_CRYPTO);
  return chosen;
}

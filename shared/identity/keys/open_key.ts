import { resolve } from 'node:path';
import { SigningKey } from '../../crypto/signature.js';
import { ChunkmeshError } from '../../errors.js';
import type { IdentityKey } from './identity_key.js';
import { checkReference, type KeyReference, keyReference } from './key_reference.js';
import { readPin } from './pin.js';
import { Pkcs11Key } from './pkcs11_key.js';
import { Pkcs11Library } from './pkcs11_library.js';
import { parsePkcs11Uri } from './pkcs11_uri.js';
import { readCredentialText, readPrivateText } from './private_file.js';
import { credentialPath } from './systemd_credential.js';

/** The one door to a key, wherever it is (P-13.2). */

/**
 * @param reference an object, or one word: a path, `credential:<name>`, `pkcs11:<...>`
 * @param folder what a path is relative to
 * @throws E_KEY_REFERENCE, E_KEY_FILE_MODE, E_FILE_UNREADABLE; of a token also E_KEY_TOKEN, E_KEY_PIN, E_NOT_INSTALLED
 */
export function openKey(reference: KeyReference | string, folder: string): IdentityKey {
  const where = checkReference(typeof reference === 'string' ? keyReference(reference) : reference);
  if ('pkcs11' in where) {
    const uri = parsePkcs11Uri(where.pkcs11);
    const pin = uri.pinSource === undefined ? null : readPin(uri.pinSource);
    return new Pkcs11Key(Pkcs11Library.at(uri.modulePath), uri, pin);
  }
  try {
    return SigningKey.fromPem(readKeyPem(where, folder));
  } catch (error) {
    if (!(error instanceof ChunkmeshError) || error.code !== 'E_BUNDLE') throw error;
    throw new ChunkmeshError('E_KEY_REFERENCE', `${pathOf(where, folder)}: ${error.message}`);
  }
}

/** The text of a key that is a file, for who takes no other form (TLS). @throws as openKey */
export function readKeyPem(where: Exclude<KeyReference, { pkcs11: string }>, folder: string): string {
  const path = pathOf(where, folder);
  return 'credential' in where ? readCredentialText(path) : readPrivateText(path);
}

function pathOf(where: Exclude<KeyReference, { pkcs11: string }>, folder: string): string {
  return 'credential' in where ? credentialPath(where.credential) : resolve(folder, where.file);
}

import { z } from 'zod';
import { ChunkmeshError } from '../../errors.js';
import { isCredentialName } from './systemd_credential.js';

/** Where a key is (P-13.2). In JSON as an object; in one word as a path, `credential:<name>` or `pkcs11:<...>`. */

const MAX_REFERENCE_CHARACTERS = 4096;
const CREDENTIAL = 'credential:';
const PKCS11 = 'pkcs11:';

/** Who puts the key itself where its path belongs does not want to read it in a log. */
const PATH = /^(?!.*-----)[^\r\n\0]+$/;

const text = z.string().min(1).max(MAX_REFERENCE_CHARACTERS);

export const fileReference = z.strictObject({ file: text.regex(PATH, 'not a path') });
export const credentialReference = z.strictObject({ credential: text.refine(isCredentialName, 'not a name') });
export const pkcs11Reference = z.strictObject({ pkcs11: text.startsWith(PKCS11) });

const reference = z.union([fileReference, credentialReference, pkcs11Reference]);

export type KeyReference =
  | z.infer<typeof fileReference>
  | z.infer<typeof credentialReference>
  | z.infer<typeof pkcs11Reference>;

/** Whether this word names what systemd gave to the service, and no path. */
export function isCredential(word: string): boolean {
  return word.startsWith(CREDENTIAL);
}

/** Of one word, as a flag or a setting has it. */
export function keyReference(word: string): KeyReference {
  if (word.startsWith(PKCS11)) return { pkcs11: word };
  return isCredential(word) ? { credential: word.slice(CREDENTIAL.length) } : { file: word };
}

/** @throws E_KEY_REFERENCE, without what was given */
export function checkReference(given: KeyReference): KeyReference {
  const parsed = reference.safeParse(given);
  if (parsed.success) return parsed.data;
  throw new ChunkmeshError('E_KEY_REFERENCE', 'neither a path nor credential:<name> nor pkcs11:<...>');
}

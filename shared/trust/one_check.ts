import { canonicalize } from '@tufjs/canonical-json';
import { Key } from '@tufjs/models';
import { UnsignedMetadataError } from '@tufjs/models/dist/error.js';
import { verifySignature } from '../crypto/signature.js';
import { plainKey } from './plain_key.js';

/**
 * Signatures of metadata, by the same door as all others: the fast provider where it loads, and odd keys and signatures refused alike by
 * each (P-12.5). It stands in the place of the library's own, which writes the whole file in canonical form once for each key.
 */

interface Signed {
  toJSON(): object;
}

/** Of what is never changed once it is made. */
const canonical = new WeakMap<Signed, Uint8Array>();

function canonicalBytes(signed: Signed): Uint8Array {
  const known = canonical.get(signed);
  if (known !== undefined) return known;
  const bytes = new Uint8Array(Buffer.from(canonicalize(signed.toJSON())));
  canonical.set(signed, bytes);
  return bytes;
}

/** @throws UnsignedMetadataError, as the library has it */
Key.prototype.verifySignature = function (this: Key, metadata): void {
  const signature = Object.hasOwn(metadata.signatures, this.keyID) ? metadata.signatures[this.keyID]?.sig : undefined;
  const publicKey = this.keyType === 'ed25519' ? plainKey(this.keyVal.public ?? '') : null;
  if (signature === undefined || publicKey === null || !isSigned(metadata.signed, signature, publicKey)) {
    throw new UnsignedMetadataError(`no good signature of key ${this.keyID}`);
  }
};

function isSigned(signed: Signed, signature: string, publicKey: string): boolean {
  if (!/^[0-9a-f]{128}$/.test(signature)) return false;
  let bytes: Uint8Array;
  try {
    bytes = canonicalBytes(signed);
  } catch {
    return false; // A number that canonical JSON has not, such as 1.5: nobody can have signed it.
  }
  const [sig, key] = [signature, publicKey].map((hex) => new Uint8Array(Buffer.from(hex, 'hex')));
  return sig !== undefined && key !== undefined && verifySignature(sig, bytes, key);
}

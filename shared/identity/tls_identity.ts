import { createPrivateKey, type X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { inspect } from 'node:util';
import { z } from 'zod';
import { ChunkmeshError, systemCode } from '../errors.js';
import { isOnlyCommonName, parseX509 } from './certificate.js';
import { credentialReference, fileReference } from './keys/key_reference.js';
import { readKeyPem } from './keys/open_key.js';

/** What opens TLS to the broker: the mesh certificate, or one of the fleet's own PKI (P-13.4). */

/** A chain of four with RSA keys of 4,096 bits has 8 KB. */
const MAX_PEM_CHARACTERS = 65_536;

const pem = z.string().max(MAX_PEM_CHARACTERS);
/** A path, for what whoever runs the PKI puts there. */
const publicText = z.union([pem, fileReference]);

export const tlsSchema = z.strictObject({
  ca: publicText.optional(),
  certificate: publicText,
  key: z.union([pem, fileReference, credentialReference]),
});

type TlsFile = z.infer<typeof tlsSchema>;

export interface TlsParts {
  /** PEM: who vouches for the broker. */
  readonly ca: string;
  /** PEM: the leaf, and what leads from it to its root. */
  readonly certificate: string;
  /** PEM. */
  readonly key: string;
}

export class TlsIdentity {
  readonly ca: string;
  readonly certificate: string;
  readonly #key: string;

  constructor({ ca, certificate, key }: TlsParts) {
    this.ca = ca;
    this.certificate = certificate;
    this.#key = key;
  }

  /** PEM, for TLS, which takes nothing else. No getter: inspection can be told to call those. */
  exportKey(): string {
    return this.#key;
  }

  [inspect.custom](): string {
    return 'TlsIdentity [redacted]';
  }
}

/**
 * Of the fleet's own PKI (P-13.4).
 * @param device whom its certificate must name; @param meshCa PEM: who vouches for the broker where `tls` does not say
 * @param folder what paths are relative to; @param path of the bundle
 * @throws E_BUNDLE, E_CERT_INVALID, E_FILE_UNREADABLE, E_KEY_FILE_MODE, E_KEY_REFERENCE
 */
export function ownTlsIdentity(
  tls: TlsFile,
  device: string,
  meshCa: string,
  folder: string,
  path: string,
): TlsIdentity {
  const certificate = textOf(tls.certificate, folder);
  const ca = tls.ca === undefined ? meshCa : textOf(tls.ca, folder);
  const key = typeof tls.key === 'string' ? tls.key : readKeyPem(tls.key, folder);
  const leaf = parseX509(certificate, MAX_PEM_CHARACTERS);
  parseX509(ca, MAX_PEM_CHARACTERS);
  // A broker that maps a certificate to its client takes the CN: Mosquitto's use_identity_as_username does, and so P-2.5 holds.
  if (!isOnlyCommonName(device, leaf.subject)) {
    throw new ChunkmeshError('E_BUNDLE', `${path}: the certificate of tls names another CN than ${device} (P-13.4)`);
  }
  if (!isKeyOf(leaf, key))
    throw new ChunkmeshError('E_BUNDLE', `${path}: the key of tls is not its certificate's (P-13.4)`);
  return new TlsIdentity({ ca, certificate, key });
}

/** The cause is left out: a parser's message may quote what it read. */
function isKeyOf(leaf: X509Certificate, key: string): boolean {
  try {
    return leaf.checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}

function textOf(where: z.infer<typeof publicText>, folder: string): string {
  if (typeof where === 'string') return where;
  const path = resolve(folder, where.file);
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ChunkmeshError('E_FILE_UNREADABLE', `${path}: ${systemCode(cause) ?? 'cannot be read'}`, { cause });
  }
}

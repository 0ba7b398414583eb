import type { X509Certificate } from 'node:crypto';
import { dirname } from 'node:path';
import { z } from 'zod';
import { ClockCounter, type MessageCounter } from '../control/counter.js';
import { isId, isPrefix } from '../control/ids.js';
import type { Identity } from '../control/topics.js';
import { SigningKey } from '../crypto/signature.js';
import { ChunkmeshError } from '../errors.js';
import { checkShape } from '../trust/metadata.js';
import { CertificateVerifier, parseX509 } from './certificate.js';
import type { IdentityKey } from './keys/identity_key.js';
import { credentialReference, fileReference, keyReference, pkcs11Reference } from './keys/key_reference.js';
import { openKey } from './keys/open_key.js';
import { readCredentialText, readPrivateFile } from './keys/private_file.js';
import { credentialPath } from './keys/systemd_credential.js';
import { ownTlsIdentity, TlsIdentity, tlsSchema } from './tls_identity.js';

export { readPrivateFile };

/** One for the process, so that two that read the same bundle never count alike. */
export const wallCounter = new ClockCounter(() => (performance.timeOrigin + performance.now()) * 1000);

/**
 * A credential bundle: the one file that makes a program a member of a fleet. Written by enrolment, read by everyone. Its key may be
 * elsewhere (P-13.2), and TLS may have a certificate of its own (P-13.4).
 */

const schema = z.object({
  v: z.literal(2),
  fleet: z.string().refine(isId, 'breaks P-1.1'),
  prefix: z.string().refine(isPrefix, 'breaks P-1.4'),
  /** `mqtts://host:port` */
  broker: z.string().regex(/^mqtts?:\/\/\S+$/, 'not an mqtts:// address'),
  ca: z.string(),
  certificate: z.string(),
  /** PEM, or where it is. */
  key: z.union([z.string(), fileReference, credentialReference, pkcs11Reference]),
  tls: tlsSchema.optional(),
  /** The root metadata that its holder believes first (P-12.1), as JSON text. */
  root: z.string().min(1),
});

export type BundleFile = z.infer<typeof schema>;
/** As enrolment writes it: the key is in it. */
export type WholeBundle = BundleFile & { readonly key: string };

export interface Credential {
  readonly identity: Identity;
  readonly prefix: string;
  readonly broker: string;
  /** Whoever loaded the credential closes it. */
  readonly key: IdentityKey;
  /** P-3.8: by the wall clock, until an agent puts that of its store in its place. */
  readonly counter: MessageCounter;
  readonly tls: TlsIdentity;
  /** PEM, of the fleet's CA. */
  readonly ca: string;
  /** PEM, of this holder. */
  readonly certificate: string;
  /** DER, as envelopes carry it (P-3.1). */
  readonly certificateDer: Uint8Array;
  /** JSON text of the root metadata that is believed first (P-12.1). */
  readonly root: string;
  readonly verifier: CertificateVerifier;
  /** Seconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
}

/**
 * @param path of a file, or `credential:<name>` for one that systemd gave to this service
 * @param now seconds since the epoch; this moment where it is left out
 * @throws E_FILE_UNREADABLE, E_KEY_FILE_MODE, E_BUNDLE, E_CERT_INVALID, E_CERT_FOREIGN, E_CERT_EXPIRED; where a key is elsewhere, as openKey
 */
export async function loadCredential(path: string, now = Date.now() / 1000): Promise<Credential> {
  const { text, file } = await readBundleText(path);
  return parseCredential(text, file, now);
}

/** @param path of a file, or `credential:<name>` (P-13.2) @throws E_FILE_UNREADABLE, E_KEY_FILE_MODE, E_KEY_REFERENCE */
export async function readBundleText(path: string): Promise<{ text: string; file: string }> {
  const where = keyReference(path);
  if (!('credential' in where)) return { text: await readPrivateFile(path), file: path };
  const file = credentialPath(where.credential);
  return { text: readCredentialText(file), file };
}

/** @param path what the bundle is called in errors, and what its own paths are relative to. @throws as loadCredential */
export function parseCredential(text: string, path: string, now: number): Credential {
  const bundle = parseBundle(text, path);
  checkRoot(bundle.root, path);
  const verifier = new CertificateVerifier(bundle.ca, bundle.fleet);
  const certificate: X509Certificate = parseX509(bundle.certificate);
  const certificateDer = new Uint8Array(certificate.raw);
  const holder = verifier.verify(certificateDer, now);
  const tls = tlsOf(bundle, holder.identity.id, path);
  const key = typeof bundle.key === 'string' ? SigningKey.fromPem(bundle.key) : openKey(bundle.key, dirname(path));
  if (!Buffer.from(key.publicKey).equals(holder.publicKey)) {
    key.close();
    throw new ChunkmeshError('E_BUNDLE', `${path}: the private key is not the certificate's`);
  }
  return {
    identity: holder.identity,
    prefix: bundle.prefix,
    broker: bundle.broker,
    key,
    counter: wallCounter,
    tls: tls ?? meshTlsIdentity(bundle, key),
    ca: bundle.ca,
    certificate: bundle.certificate,
    certificateDer,
    root: bundle.root,
    verifier,
    notBefore: holder.notBefore,
    notAfter: holder.notAfter,
  };
}

/** A spoilt root would show at the first trust message, far from who copied the bundle. @throws E_BUNDLE */
function checkRoot(root: string, path: string): void {
  try {
    checkShape('root', Buffer.from(root), 'its root');
  } catch (cause) {
    throw new ChunkmeshError('E_BUNDLE', `${path}: its root is not root metadata (P-12.1)`, { cause });
  }
}

/** P-13.4. Null where the mesh certificate opens TLS. */
function tlsOf({ tls, key, ca }: BundleFile, device: string, path: string): TlsIdentity | null {
  if (tls !== undefined) return ownTlsIdentity(tls, device, ca, dirname(path), path);
  if (typeof key === 'string' || !('pkcs11' in key)) return null;
  const why = 'a key in a token opens no TLS: the bundle needs `tls`, with a certificate and a key of its own (P-13.4)';
  throw new ChunkmeshError('E_BUNDLE', `${path}: ${why}`);
}

function meshTlsIdentity({ ca, certificate }: BundleFile, key: IdentityKey): TlsIdentity {
  if (key instanceof SigningKey) return new TlsIdentity({ ca, certificate, key: key.exportPem() });
  throw new ChunkmeshError('E_INTERNAL', 'a key of a token for TLS');
}

/** @throws E_BUNDLE */
export function parseBundle(text: string, path: string): BundleFile {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's message would quote the file, and the file holds a key.
    throw new ChunkmeshError('E_BUNDLE', `${path} is not JSON`);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const fields = parsed.error.issues.map((issue) => issue.path.join('.')).join(', ');
  throw new ChunkmeshError('E_BUNDLE', `${path} is not a credential bundle: ${fields}`);
}

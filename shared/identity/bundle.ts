import type { X509Certificate } from 'node:crypto';
import { constants, open } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { ClockCounter, type MessageCounter } from '../control/counter.js';
import { isId, isPrefix } from '../control/ids.js';
import type { Identity } from '../control/topics.js';
import { SigningKey } from '../crypto/signature.js';
import { ChunkmeshError, systemCode } from '../errors.js';
import { CertificateVerifier, parseX509 } from './certificate.js';

/** A credential bundle: the one file that makes a program a member of a fleet. Written by enrolment, read by everyone. */

const MAX_BUNDLE_BYTES = 65_536;
const GROUP_OR_OTHERS = 0o077;
/** One for the process, so that two that read the same bundle never count alike. */
export const wallCounter = new ClockCounter(() => (performance.timeOrigin + performance.now()) * 1000);

const schema = z.object({
  v: z.literal(2),
  fleet: z.string().refine(isId, 'breaks P-1.1'),
  prefix: z.string().refine(isPrefix, 'breaks P-1.4'),
  /** `mqtts://host:port` */
  broker: z.string().regex(/^mqtts?:\/\/\S+$/, 'not an mqtts:// address'),
  ca: z.string(),
  certificate: z.string(),
  /** PEM, or where it is: a file of its own, relative to the bundle's folder (P-13.6). */
  key: z.union([z.string(), z.object({ file: z.string().min(1) })]),
  /** The root metadata that its holder believes first (P-12.1), as JSON text. */
  root: z.string().min(1),
});

export type BundleFile = z.infer<typeof schema>;

export interface Credential {
  readonly identity: Identity;
  readonly prefix: string;
  readonly broker: string;
  readonly key: SigningKey;
  /** P-3.8: by the wall clock, until an agent puts that of its store in its place. */
  readonly counter: MessageCounter;
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
 * @param now seconds since the epoch; this moment where it is left out
 * @throws E_FILE_UNREADABLE, E_KEY_FILE_MODE, E_BUNDLE, E_CERT_INVALID, E_CERT_FOREIGN, E_CERT_EXPIRED
 */
export async function loadCredential(path: string, now = Date.now() / 1000): Promise<Credential> {
  const text = await readPrivateFile(path);
  return parseCredential(text, path, now, await readKeyFile(parseBundle(text, path), path));
}

/** The key of a bundle that names a file for it, PEM. @throws E_FILE_UNREADABLE, E_KEY_FILE_MODE, E_BUNDLE */
async function readKeyFile({ key }: BundleFile, path: string): Promise<string | undefined> {
  return typeof key === 'string' ? undefined : await readPrivateFile(resolve(dirname(path), key.file));
}

/** @param keyPem where the bundle names a file for it */
export function parseCredential(text: string, path: string, now: number, keyPem?: string): Credential {
  const bundle = parseBundle(text, path);
  const pem = keyPem ?? (typeof bundle.key === 'string' ? bundle.key : undefined);
  if (pem === undefined) throw new ChunkmeshError('E_BUNDLE', `${path}: the key is in a file of its own`);
  const verifier = new CertificateVerifier(bundle.ca, bundle.fleet);
  const certificate: X509Certificate = parseX509(bundle.certificate);
  const certificateDer = new Uint8Array(certificate.raw);
  const holder = verifier.verify(certificateDer, now);
  const key = SigningKey.fromPem(pem);
  if (!Buffer.from(key.publicKey).equals(holder.publicKey)) {
    throw new ChunkmeshError('E_BUNDLE', `${path}: the private key is not the certificate's`);
  }
  return {
    identity: holder.identity,
    prefix: bundle.prefix,
    broker: bundle.broker,
    key,
    counter: wallCounter,
    ca: bundle.ca,
    certificate: bundle.certificate,
    certificateDer,
    root: bundle.root,
    verifier,
    notBefore: holder.notBefore,
    notAfter: holder.notAfter,
  };
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

/** Reads a file that holds a key, refusing one that its group or others may read. */
export async function readPrivateFile(path: string): Promise<string> {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(path, constants.O_RDONLY);
  } catch (cause) {
    throw new ChunkmeshError('E_FILE_UNREADABLE', `${path}: ${systemCode(cause) ?? 'cannot be opened'}`, { cause });
  }
  try {
    const found = await file.stat();
    const { mode, size } = found;
    if (found.isDirectory()) throw new ChunkmeshError('E_FILE_UNREADABLE', `${path} is a folder`);
    if ((mode & GROUP_OR_OTHERS) !== 0) {
      throw new ChunkmeshError(
        'E_KEY_FILE_MODE',
        `${path} has mode ${(mode & 0o777).toString(8)}; others may read the key`,
      );
    }
    if (size > MAX_BUNDLE_BYTES) throw new ChunkmeshError('E_BUNDLE', `${path} is too large for a credential`);
    return await file.readFile('utf8');
  } catch (cause) {
    if (cause instanceof ChunkmeshError) throw cause;
    throw new ChunkmeshError('E_FILE_UNREADABLE', `${path}: ${systemCode(cause) ?? 'cannot be read'}`, { cause });
  } finally {
    await file.close();
  }
}

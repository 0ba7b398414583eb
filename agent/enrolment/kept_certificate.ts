import { realpath, rm } from 'node:fs/promises';
import { dirname, relative, resolve } from 'node:path';
import { z } from 'zod';
import { rawPublicKey, SigningKey } from '../../shared/crypto/signature.js';
import { ChunkmeshError } from '../../shared/errors.js';
import {
  type Credential,
  loadCredential,
  parseBundle,
  readBundleText,
  readPrivateFile,
} from '../../shared/identity/bundle.js';
import { type Holder, parseX509 } from '../../shared/identity/certificate.js';
import { toPem } from '../../shared/identity/request.js';
import { TlsIdentity } from '../../shared/identity/tls_identity.js';
import { writePrivateFile } from '../../shared/private_file.js';
import type { Store } from '../io/store/store.js';

/** A certificate that was renewed (P-13.12): in the store always, in the bundle where that can be written. The newer of both counts. */

const DOCUMENT = 'certificate';
const schema = z.object({ v: z.literal(1), certificate: z.string() });

export interface OpenedCredential {
  /** The agent's own, whose certificate it replaces in place: whoever holds it signs with the newest. */
  readonly credential: Credential;
  /** Why the bundle alone would not do: its certificate has ended. */
  readonly expired: ChunkmeshError | null;
}

/** @param now seconds since the epoch. @throws as loadCredential, save E_CERT_EXPIRED */
export async function openCredential(given: string | Credential, now: number): Promise<OpenedCredential> {
  if (typeof given !== 'string') return { credential: { ...given }, expired: null };
  try {
    return { credential: await loadCredential(given, now), expired: null };
  } catch (error) {
    if (!(error instanceof ChunkmeshError) || error.code !== 'E_CERT_EXPIRED') throw error;
    const { text, file } = await readBundleText(given);
    const { certificate } = parseBundle(text, file);
    const last = Date.parse(parseX509(certificate).validTo) / 1000;
    return { credential: await loadCredential(given, last), expired: error };
  }
}

/**
 * Puts the renewed certificate of the store in the place of an older one, where it is this device's and of its key.
 * @throws E_CERT_EXPIRED where the one of the bundle has ended, and there is no newer
 */
export async function useKept(
  store: Pick<Store, 'readState'>,
  { credential, expired }: OpenedCredential,
  now: number,
): Promise<void> {
  // What is damaged there is as good as none: it can be had again.
  const kept = await store.readState(DOCUMENT, schema).catch(() => undefined);
  try {
    if (kept !== undefined) {
      const der = new Uint8Array(parseX509(kept.certificate).raw);
      const holder = credential.verifier.verify(der, now);
      if (holder.notAfter > credential.notAfter && isSame(credential, holder)) {
        replaceCertificate(credential, der, holder);
        return;
      }
    }
  } catch (error) {
    if (!(error instanceof ChunkmeshError)) throw error;
  }
  if (expired !== null) throw expired;
}

const isSame = ({ identity, key }: Credential, holder: Holder): boolean =>
  Buffer.from(holder.publicKey).equals(key.publicKey) && sameIdentity(identity, holder.identity);

/** A renewal gives nobody another role, site or groups. */
export function sameIdentity(a: Holder['identity'], b: Holder['identity']): boolean {
  const plain = ({ fleet, id, role, site, groups }: Holder['identity']): string =>
    JSON.stringify([fleet, id, role, site, [...groups].sort()]);
  return plain(a) === plain(b);
}

/** In place, with the key of it where that is another. */
export function replaceCertificate(
  credential: Credential,
  der: Uint8Array,
  { notBefore, notAfter }: Holder,
  key: Credential['key'] = credential.key,
): void {
  const certificate = toPem('CERTIFICATE', der);
  // P-13.4: a fleet's own PKI renews by its own rules.
  const isOwn = credential.tls.certificate !== credential.certificate;
  const { ca } = credential.tls;
  const pem = key instanceof SigningKey ? key.exportPem() : credential.tls.exportKey();
  const tls = isOwn ? credential.tls : new TlsIdentity({ ca, certificate, key: pem });
  Object.assign(credential, { certificate, certificateDer: der, notBefore, notAfter, key, tls });
}

/** @throws E_DISK_FULL, E_STORE_IO */
export async function keepInStore(store: Pick<Store, 'writeState'>, der: Uint8Array): Promise<void> {
  await store.writeState(DOCUMENT, { v: 1, certificate: toPem('CERTIFICATE', der) });
}

/**
 * Writes the bundle anew with the certificate, and all else in it as it was.
 * @param keyFile where the key of the certificate is, if not where it was: then a file that had the one before is removed
 * @throws whatever keeps it from being written: a folder of another user, a read-only disk, a systemd credential
 */
export async function writeIntoBundle(bundle: string, der: Uint8Array, keyFile?: string): Promise<void> {
  // A link stays one, and what the bundle names is sought from where the link is.
  const path = await realpath(bundle);
  const folder = dirname(resolve(bundle));
  const before = JSON.parse(await readPrivateFile(path)) as object;
  const key = keyFile === undefined ? {} : { key: { file: relative(folder, resolve(keyFile)) } };
  const after = { ...before, certificate: toPem('CERTIFICATE', der), ...key };
  const { key: old } = parseBundle(JSON.stringify(before), path);
  await writePrivateFile(path, `${JSON.stringify(after, null, 2)}\n`);
  if (keyFile !== undefined && typeof old === 'object' && 'file' in old)
    await rm(resolve(folder, old.file), { force: true });
}

/** Whether the bundle at `path` has this key now: a file that was put there meanwhile is not written over. */
export async function bundleHasKey(path: string, publicKey: Uint8Array): Promise<boolean> {
  const { certificate } = parseBundle(await readPrivateFile(path), path);
  return Buffer.from(rawPublicKey(parseX509(certificate).publicKey)).equals(publicKey);
}

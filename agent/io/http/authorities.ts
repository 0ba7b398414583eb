import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { ChunkmeshError, systemCode } from '../../../shared/errors.js';

/** Node takes what is no certificate in silence, and then believes nobody. */
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** The PEM file of those who may vouch for https servers; undefined for none of the operator's own. @throws E_FILE_UNREADABLE, E_CONFIG */
export async function readAuthorities(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new ChunkmeshError('E_FILE_UNREADABLE', `${path}: ${systemCode(cause) ?? 'cannot be read'}`, { cause });
  }
  const found = text.match(CERTIFICATE) ?? [];
  try {
    for (const one of found) new X509Certificate(one);
  } catch (cause) {
    throw new ChunkmeshError('E_CONFIG', `${path}: a certificate there cannot be read`, { cause });
  }
  if (found.length === 0) throw new ChunkmeshError('E_CONFIG', `${path}: no certificate in PEM form`);
  return found.join('\n');
}

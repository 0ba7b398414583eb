import { randomBytes } from 'node:crypto';
import { link, open, readdir, realpath, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { SigningKey } from '../../shared/crypto/signature.js';
import { ChunkmeshError, systemCode } from '../../shared/errors.js';
import { readPrivateFile } from '../../shared/identity/bundle.js';
import { syncFolder, writeDraft } from '../../shared/private_file.js';

/** A device's key in a file of its own, mode 0600 (P-13.6). */

const DRAFT = '.draft-';
/** As a file system leaves a file whose bytes were not on the disk when the power went. */
const NOTHING = /^[\0\s]*$/;
/** What a file system says that has no links, as that of a boot partition. */
const NO_LINKS: readonly (string | undefined)[] = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'];

/**
 * The key that is there, or a new one where there is none: on the disk before this resolves, and never overwritten. A crash at any moment
 * leaves a whole key or none.
 * @throws E_FILE_UNREADABLE, E_KEY_FILE_MODE, E_BUNDLE
 */
export async function keyOfFile(path: string): Promise<SigningKey> {
  return (await keyThere(path)) ?? (await makeKey(path));
}

/** Null where there is no file, or one with nothing in it. */
async function keyThere(path: string): Promise<SigningKey | null> {
  try {
    const text = await readPrivateFile(path);
    return NOTHING.test(text) ? null : SigningKey.fromPem(text);
  } catch (error) {
    if (error instanceof ChunkmeshError && systemCode(error.cause) === 'ENOENT') return null;
    throw error;
  }
}

async function makeKey(path: string): Promise<SigningKey> {
  const key = SigningKey.generate();
  const draft = `${path}${DRAFT}${randomBytes(8).toString('hex')}`;
  try {
    await writeDraft(draft, key.exportPem());
    if (await putInPlace(draft, path)) {
      const other = await keyThere(path);
      if (other !== null) return other;
      await rename(draft, path);
    }
    await syncFolder(dirname(path));
    return key;
  } catch (cause) {
    if (cause instanceof ChunkmeshError) throw cause;
    throw new ChunkmeshError('E_FILE_UNREADABLE', `${path}: ${systemCode(cause) ?? 'cannot be made'}`, { cause });
  } finally {
    await rm(draft, { force: true }).catch(() => {});
  }
}

/** @returns whether another file is there already, which stays as it is */
async function putInPlace(draft: string, path: string): Promise<boolean> {
  try {
    await link(draft, path);
    return false;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return true;
    if (!NO_LINKS.includes(systemCode(error))) throw error;
  }
  const found = await open(path, 'r').catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return null;
    throw error;
  });
  await found?.close();
  if (found === null) await rename(draft, path);
  return found !== null;
}

/** Where the bundle is, links followed, without its ending. */
const stemOf = async (bundle: string): Promise<string> => (await realpath(bundle)).replace(/\.json$/, '');

/**
 * Of a key that is asked a certificate for (P-13.12): beside the bundle, for it is where the bundle will say that its key is. A name for each
 * certificate: no crash leaves the bundle without its key.
 * @param notAfter of the certificate that is in use, seconds since the epoch
 */
export async function pendingKeyFile(bundle: string, notAfter: number): Promise<string> {
  return `${await stemOf(bundle)}-${Math.floor(notAfter)}.key`;
}

/** All such that are there, and what a crash left of their drafts. @throws whatever keeps the folder from being read */
export async function pendingKeyFiles(bundle: string): Promise<string[]> {
  const stem = await stemOf(bundle);
  const own = `${basename(stem)}-`;
  const isOne = (name: string): boolean =>
    name.startsWith(own) && /^\d+\.key(\.draft-[0-9a-f]{16})?$/.test(name.slice(own.length));
  const names = await readdir(dirname(stem));
  return names.filter(isOne).map((name) => join(dirname(stem), name));
}

import { closeSync, constants, fstatSync, openSync, readFileSync, type Stats } from 'node:fs';
import { ChunkmeshError, systemCode } from '../../errors.js';

/** Reading what nobody else may read. Synchronous: such files are small, and read where a program starts. */

/** A bundle with 32 groups and 16 publishers has 8 KB. */
export const MAX_PRIVATE_FILE_BYTES = 65_536;
const SUPERUSER = 0;

interface Privacy {
  /** Bits of the mode that may not be set. */
  readonly forbidden: number;
  readonly flags: number;
}

const OWNERS_ALONE: Privacy = { forbidden: 0o077, flags: constants.O_RDONLY };
/**
 * systemd keeps the file as root's and lets the service in by an ACL, whose mask shows as the group's bits: mode 0440. The folder lets
 * in nobody else. A link would lead out of it.
 */
const CREDENTIAL: Privacy = { forbidden: 0o037, flags: constants.O_RDONLY | constants.O_NOFOLLOW };

/**
 * The text of a file that only its owner may read, who is this process's user or root (P-13.2).
 * @throws E_FILE_UNREADABLE, E_KEY_FILE_MODE, E_BUNDLE where it is too large. None quotes the file.
 */
export function readPrivateText(path: string): string {
  return readText(path, OWNERS_ALONE);
}

/** The same of a systemd credential. @throws E_FILE_UNREADABLE, E_KEY_FILE_MODE, E_BUNDLE */
export function readCredentialText(path: string): string {
  return readText(path, CREDENTIAL);
}

export async function readPrivateFile(path: string): Promise<string> {
  return readPrivateText(path);
}

function readText(path: string, { forbidden, flags }: Privacy): string {
  try {
    // Not to wait for the writer of a pipe: what is no file is refused.
    const file = openSync(path, flags | constants.O_NONBLOCK);
    try {
      checkPrivate(path, fstatSync(file), forbidden);
      return readFileSync(file, 'utf8');
    } finally {
      closeSync(file);
    }
  } catch (cause) {
    if (cause instanceof ChunkmeshError) throw cause;
    throw new ChunkmeshError('E_FILE_UNREADABLE', `${path}: ${systemCode(cause) ?? 'cannot be read'}`, { cause });
  }
}

function checkPrivate(path: string, found: Stats, forbidden: number): void {
  if (found.isDirectory()) throw new ChunkmeshError('E_FILE_UNREADABLE', `${path} is a folder`);
  if (!found.isFile()) throw new ChunkmeshError('E_FILE_UNREADABLE', `${path} is not a file`);
  if ((found.mode & forbidden) !== 0) {
    const mode = (found.mode & 0o777).toString(8);
    throw new ChunkmeshError('E_KEY_FILE_MODE', `${path} has mode ${mode}; others may read the key`);
  }
  const user = process.geteuid?.();
  if (found.uid !== SUPERUSER && found.uid !== user) {
    const whose = `${path} belongs to user ${found.uid}, not to ${user} who reads it, nor to root`;
    throw new ChunkmeshError('E_KEY_FILE_MODE', whose);
  }
  if (found.size > MAX_PRIVATE_FILE_BYTES)
    throw new ChunkmeshError('E_BUNDLE', `${path} is too large for a credential`);
}

import { open } from 'node:fs/promises';
import { SigningKey } from '../../shared/crypto/signature.js';
import { ChunkmeshError, systemCode } from '../../shared/errors.js';
import { readPrivateFile } from '../../shared/identity/bundle.js';

/** A device's key in a file of its own, mode 0600 (P-13.6). */

/**
 * The key that is there, or a new one where there is none: on the disk before this resolves, and never overwritten.
 * @throws E_FILE_UNREADABLE, E_KEY_FILE_MODE, E_BUNDLE
 */
export async function keyOfFile(path: string): Promise<SigningKey> {
  const key = SigningKey.generate();
  try {
    const file = await open(path, 'wx', 0o600);
    try {
      await file.writeFile(key.exportPem());
      await file.sync();
    } finally {
      await file.close();
    }
    return key;
  } catch (cause) {
    if (systemCode(cause) === 'EEXIST') return SigningKey.fromPem(await readPrivateFile(path));
    throw new ChunkmeshError('E_FILE_UNREADABLE', `${path}: ${systemCode(cause) ?? 'cannot be made'}`, { cause });
  }
}

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeMessage, encodeMessage } from '../../shared/control/messages.js';
import type { RevokedMessage } from '../../shared/control/revocation.js';
import { ChunkmeshError, systemCode } from '../../shared/errors.js';
import { writePrivateFile } from '../../shared/private_file.js';
import { EMPTY, type Register, registerSchema } from './register.js';

/** `revoked.json` of a fleet folder, mode 0600. */

const FILE = 'revoked.json';

/** @throws E_FILE_UNREADABLE where it is there and cannot be read: going on would use a number twice (P-14.2). */
export async function readRegister(folder: string): Promise<Register> {
  const path = join(folder, FILE);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if (systemCode(cause) === 'ENOENT') return EMPTY;
    throw new ChunkmeshError('E_FILE_UNREADABLE', `${path}: ${systemCode(cause) ?? 'cannot be read'}`, { cause });
  }
  try {
    return registerSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new ChunkmeshError('E_FILE_UNREADABLE', `${path} is not what a revocation wrote`, { cause });
  }
}

/** Durable before it returns. @throws E_STORE_IO */
export async function writeRegister(folder: string, register: Register): Promise<void> {
  const path = join(folder, FILE);
  try {
    await writePrivateFile(path, `${JSON.stringify(register, null, 2)}\n`);
  } catch (cause) {
    throw new ChunkmeshError('E_STORE_IO', `${path}: ${systemCode(cause) ?? 'cannot be written'}`, { cause });
  }
}

/** What the broker confirmed last; undefined where it never did. */
export function confirmedOf({ confirmed }: Register): RevokedMessage | undefined {
  return confirmed === undefined
    ? undefined
    : decodeMessage('revoked', new Uint8Array(Buffer.from(confirmed, 'base64')));
}

export function withConfirmed(register: Register, message: RevokedMessage): Register {
  return { ...register, confirmed: Buffer.from(encodeMessage(message)).toString('base64') };
}

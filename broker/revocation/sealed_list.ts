import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { openEnvelope, sealEnvelope } from '../../shared/control/envelope.js';
import { decodeMessage, encodeMessage } from '../../shared/control/messages.js';
import { checkDated, RevocationList, type RevokedMessage } from '../../shared/control/revocation.js';
import { topics } from '../../shared/control/topics.js';
import { ChunkmeshError, systemCode } from '../../shared/errors.js';
import type { Credential } from '../../shared/identity/bundle.js';
import type { CertificateVerifier } from '../../shared/identity/certificate.js';
import { MAX_MESSAGE_BYTES } from '../../shared/limits.js';
import { writePrivateFile } from '../../shared/private_file.js';

/** `broker/revoked` of a fleet folder: the list as it is sealed, for a broker that has lost its retained messages, or has none yet. */

const FILE = 'broker/revoked';

export interface SealedList {
  readonly envelope: Uint8Array;
  readonly message: RevokedMessage;
  readonly list: RevocationList;
}

export interface OpenedList extends SealedList {
  /** Its signer, and from when on their certificate is valid. */
  readonly by: string;
  readonly notBefore: number;
}

/**
 * P-14.2: what an envelope on the topic of the list says, for who has no memory of its own.
 * @param now seconds since the epoch @throws as openEnvelope and decodeMessage; E_MESSAGE_UNTRUSTED, E_MESSAGE_TIME, E_PEER_REVOKED
 */
export function openList(
  { prefix, fleet, verifier }: { prefix: string; fleet: string; verifier: CertificateVerifier },
  envelope: Uint8Array,
  now: number,
): OpenedList {
  const { signer, payload } = openEnvelope(prefix, topics.revoked(prefix), envelope, verifier, now);
  const message = decodeMessage('revoked', payload);
  if (message.fleet !== fleet) {
    throw new ChunkmeshError('E_MESSAGE_UNTRUSTED', `revocation list of fleet ${message.fleet}`);
  }
  checkDated(message, signer);
  const list = RevocationList.of(message);
  const { id } = signer.identity;
  if (list.standing(id, signer.notBefore) !== 'good') {
    throw new ChunkmeshError('E_PEER_REVOKED', `revocation list ${message.version} of ${id}, whom it names`);
  }
  return { envelope, message, list, by: id, notBefore: signer.notBefore };
}

/** Seals the list and keeps it in the folder. @throws E_STORE_IO */
export async function sealList(folder: string, message: RevokedMessage, operator: Credential): Promise<Uint8Array> {
  const envelope = sealEnvelope(topics.revoked(operator.prefix), encodeMessage(message), operator);
  await writeSealedList(folder, envelope);
  return envelope;
}

/** @throws E_STORE_IO */
export async function writeSealedList(folder: string, envelope: Uint8Array): Promise<void> {
  try {
    await writePrivateFile(join(folder, FILE), envelope);
  } catch (cause) {
    throw new ChunkmeshError('E_STORE_IO', `${folder}/${FILE}: ${systemCode(cause) ?? 'cannot be written'}`, { cause });
  }
}

/** Null where there is none. @throws E_FILE_UNREADABLE */
export async function readSealedList(folder: string): Promise<Uint8Array | null> {
  const path = join(folder, FILE);
  try {
    if ((await stat(path)).size > MAX_MESSAGE_BYTES)
      throw new ChunkmeshError('E_FILE_UNREADABLE', `${path} is too large`);
    return new Uint8Array(await readFile(path));
  } catch (cause) {
    if (cause instanceof ChunkmeshError) throw cause;
    if (systemCode(cause) === 'ENOENT') return null;
    throw new ChunkmeshError('E_FILE_UNREADABLE', `${path}: ${systemCode(cause) ?? 'cannot be read'}`, { cause });
  }
}

/** Differs whenever the file was replaced: writers rename a new one into place. */
export async function sealedListVersion(folder: string): Promise<string> {
  try {
    const { ino, mtimeNs, size } = await stat(join(folder, FILE), { bigint: true });
    return `${ino} ${mtimeNs} ${size}`;
  } catch {
    return '';
  }
}

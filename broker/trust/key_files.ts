import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Key } from '@tufjs/models';
import { z } from 'zod';
import { SigningKey } from '../../shared/crypto/signature.js';
import { ChunkmeshError, systemCode } from '../../shared/errors.js';
import type { IdentityKey } from '../../shared/identity/keys/identity_key.js';
import { openKey } from '../../shared/identity/keys/open_key.js';
import { writePrivateFile } from '../../shared/private_file.js';
import { type KeyedRole, type SigningKeyLike, tufKey } from './metadata_edits.js';

/** Keys that sign metadata: private ones in PEM, and their public halves as JSON, to be carried to the fleet's folder. */

const MAX_PUBLIC_KEY_BYTES = 4096;
const PUBLIC = '.pub';

const publicSchema = z.object({
  keytype: z.literal('ed25519'),
  scheme: z.literal('ed25519'),
  keyval: z.object({ public: z.string().regex(/^[0-9a-f]{64}$/) }),
});

/**
 * A new key pair: `path`, mode 0600, and `path`.pub.
 * @throws E_FLEET_EXISTS where the file is there, E_STORE_IO
 */
export async function createKeyFile(path: string): Promise<Key> {
  const there = await stat(path).then(
    () => true,
    () => false,
  );
  if (there) throw new ChunkmeshError('E_FLEET_EXISTS', `${path} is there already; a key is never overwritten`);
  const key = SigningKey.generate();
  const publicKey = tufKey(key.publicKey);
  try {
    await writePrivateFile(path, key.exportPem());
    await writePrivateFile(`${path}${PUBLIC}`, `${JSON.stringify(publicKey.toJSON())}\n`);
  } catch (cause) {
    throw new ChunkmeshError('E_STORE_IO', `${path}: ${systemCode(cause) ?? 'cannot be written'}`, { cause });
  }
  return publicKey;
}

/** @throws E_FILE_UNREADABLE, E_CONFIG where it is no public key as `createKeyFile` writes it */
export async function readPublicKey(path: string): Promise<Key> {
  let text: string;
  try {
    if ((await stat(path)).size > MAX_PUBLIC_KEY_BYTES)
      throw new ChunkmeshError('E_CONFIG', `${path} is too large for a key`);
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if (cause instanceof ChunkmeshError) throw cause;
    throw new ChunkmeshError('E_FILE_UNREADABLE', `${path}: ${systemCode(cause) ?? 'cannot be read'}`, { cause });
  }
  // The private half, given by mistake, is not quoted.
  const parsed = publicSchema.safeParse(jsonOrNull(text));
  if (!parsed.success) throw new ChunkmeshError('E_CONFIG', `${path} is not a public key of \`chunkmesh trust key\``);
  return tufKey(Buffer.from(parsed.data.keyval.public, 'hex'));
}

function jsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/**
 * @param word a path, `credential:<name>` or `pkcs11:<...>` (P-13.2). Whoever opens it closes it.
 * @throws E_FILE_UNREADABLE, E_KEY_FILE_MODE, E_KEY_REFERENCE; of a token also E_KEY_TOKEN, E_KEY_PIN, E_NOT_INSTALLED
 */
export function openSigningKey(word: string): IdentityKey {
  return openKey(word, '.');
}

/**
 * The public half of a key that is elsewhere, for `add-key`: `path`.pub.
 * @throws as openSigningKey; E_STORE_IO
 */
export async function exportPublicKey(path: string, word: string): Promise<Key> {
  const key = openSigningKey(word);
  const publicKey = tufKey(key.publicKey);
  key.close();
  try {
    await writePrivateFile(`${path}${PUBLIC}`, `${JSON.stringify(publicKey.toJSON())}\n`);
  } catch (cause) {
    throw new ChunkmeshError('E_STORE_IO', `${path}: ${systemCode(cause) ?? 'cannot be written'}`, { cause });
  }
  return publicKey;
}

/** The private keys that a fleet's folder has, by key id. */
export class KeyRing {
  readonly #folder: string;
  readonly #keys = new Map<string, SigningKeyLike>();

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** @throws E_FILE_UNREADABLE, E_KEY_FILE_MODE, E_KEY_REFERENCE */
  static async open(folder: string): Promise<KeyRing> {
    const ring = new KeyRing(folder);
    for (const name of await names(folder)) ring.add(openSigningKey(join(folder, name)));
    return ring;
  }

  add(key: SigningKeyLike): void {
    this.#keys.set(tufKey(key.publicKey).keyID, key);
  }

  get(keyId: string): SigningKeyLike | undefined {
    return this.#keys.get(keyId);
  }

  /** A new key for the role, kept here: `<role>-<n>.key`. */
  async create(role: KeyedRole): Promise<Key> {
    const taken = new Set(await names(this.#folder));
    let n = 1;
    while (taken.has(`${role}-${n}.key`)) n++;
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const path = join(this.#folder, `${role}-${n}.key`);
    const key = await createKeyFile(path);
    this.add(openSigningKey(path));
    return key;
  }
}

async function names(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => basename(name).endsWith('.key')).sort();
  } catch (cause) {
    if (systemCode(cause) === 'ENOENT') return [];
    throw new ChunkmeshError('E_FILE_UNREADABLE', `${folder}: ${systemCode(cause) ?? 'cannot be read'}`, { cause });
  }
}

import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { isId } from '../../shared/control/ids.js';
import { ChunkmeshError, systemCode } from '../../shared/errors.js';
import { MAX_GROUPS } from '../../shared/limits.js';
import { writePrivateFile } from '../../shared/private_file.js';
import { AUTHORITY_DAYS } from '../fleet/authority.js';

/** `tokens.json`: what each one-time token grants, and whom it was used for (P-13.8). A token is known by its newcomer's certificate alone. */

const TOKEN_FILE = 'tokens.json';
/** A pallet of devices at a time; each is a member of the broker until it ends. */
export const MAX_TOKENS = 10_000;
/** So many of 3 KB each, which is 32 groups of 64 characters. */
const MAX_TOKEN_FILE_BYTES = 32 * 2 ** 20;

const id = z.string().refine(isId, 'breaks P-1.1');
const hash = z.string().regex(/^[0-9a-f]{64}$/);

const tokenSchema = z.object({
  newcomer: id,
  /** SHA-256 of the newcomer's certificate in DER, hex. */
  fingerprint: hash,
  /** Who has a say over others is enrolled by hand. */
  role: z.enum(['device', 'seed']),
  site: id,
  groups: z.array(id).max(MAX_GROUPS),
  /** The certificate's. */
  days: z.int().min(1).max(AUTHORITY_DAYS),
  /** Only this id may be asked for. */
  device: id.optional(),
  /** Seconds since the epoch. */
  expires: z.int(),
  /** By which device, and the fingerprint of its key (P-13.5). */
  used: z.object({ device: id, key: hash, at: z.int() }).optional(),
});

const fileSchema = z.object({ v: z.literal(1), tokens: z.array(tokenSchema).max(MAX_TOKENS) });

export type TokenRow = z.infer<typeof tokenSchema>;

/** None where there is no file. @throws E_CONFIG, E_FILE_UNREADABLE */
export async function readTokens(folder: string): Promise<TokenRow[]> {
  const path = join(folder, TOKEN_FILE);
  let value: unknown;
  try {
    if ((await stat(path)).size > MAX_TOKEN_FILE_BYTES) throw new ChunkmeshError('E_CONFIG', `${path} is too large`);
    value = JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    if (cause instanceof ChunkmeshError) throw cause;
    if (systemCode(cause) === 'ENOENT') return [];
    if (cause instanceof SyntaxError) throw new ChunkmeshError('E_CONFIG', `${path} is not JSON`, { cause });
    throw new ChunkmeshError('E_FILE_UNREADABLE', `${path}: ${systemCode(cause) ?? 'cannot be read'}`, { cause });
  }
  const parsed = fileSchema.safeParse(value);
  if (parsed.success) return parsed.data.tokens;
  const [issue] = parsed.error.issues;
  throw new ChunkmeshError('E_CONFIG', `${path}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'is malformed'}`);
}

/** Those that have not ended by `now`, seconds since the epoch. */
export async function writeTokens(folder: string, tokens: readonly TokenRow[], now: number): Promise<void> {
  const kept = tokens.filter(({ expires }) => expires > now);
  await writePrivateFile(join(folder, TOKEN_FILE), `${JSON.stringify({ v: 1, tokens: kept }, null, 1)}\n`);
}

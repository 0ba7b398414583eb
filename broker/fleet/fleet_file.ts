import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { isId, isPrefix } from '../../shared/control/ids.js';
import { ROLES } from '../../shared/control/topics.js';
import { ChunkmeshError, systemCode } from '../../shared/errors.js';
import { MAX_GROUPS } from '../../shared/limits.js';
import { writePrivateFile } from '../../shared/private_file.js';

/** `fleet.json`: a fleet's names and its roster. It holds no secret. */

const FLEET_FILE = 'fleet.json';
/** 200,000 members of 300 bytes each. */
const MAX_FLEET_FILE_BYTES = 64 * 2 ** 20;

/** P-13.12: a certificate is renewed after two thirds of its life, so that one is left of those before, and a clock may be wrong once. */
export const MAX_EARLIER = 2;

const id = z.string().refine(isId, 'breaks P-1.1');

const serial = z.string().regex(/^[0-9a-f]{1,40}$/);

/** A member that is enrolled anew more often within the life of a certificate is at fault itself; a CRL of it names no more than 64. */
export const MAX_REPLACED = 32;

const memberSchema = z.object({
  id,
  role: z.enum(ROLES),
  site: id,
  groups: z.array(id).max(MAX_GROUPS),
  /** SHA-256 of the certificate in DER, hex. */
  fingerprint: z.string().regex(/^[0-9a-f]{64}$/),
  /** Seconds since the epoch. */
  notAfter: z.int(),
  /** P-14.5; and what a CRL names it by, hex. Left out by rosters from before either was kept. */
  notBefore: z.int().optional(),
  serial: serial.optional(),
  /** Certificates that were renewed before they ended, and are as good until they do (P-13.12). */
  before: z
    .array(
      z.object({
        fingerprint: z.string().regex(/^[0-9a-f]{64}$/),
        notAfter: z.int(),
        notBefore: z.int().optional(),
        serial: serial.optional(),
      }),
    )
    .max(MAX_EARLIER)
    .optional(),
  /** Certificates that are good no more, since the member was enrolled anew (P-13.7), and have not ended: a CRL names them. */
  replaced: z
    .array(z.object({ serial, notAfter: z.int(), notBefore: z.int().optional() }))
    .max(MAX_REPLACED)
    .optional(),
});

const fleetSchema = z.object({
  v: z.literal(2),
  fleet: id,
  prefix: z.string().refine(isPrefix, 'breaks P-1.4'),
  /** `mqtts://host:port`, as written into bundles. */
  broker: z.string(),
  roster: z.array(memberSchema),
});

/** One row of the roster: who was given a certificate, and which. */
export type Member = z.infer<typeof memberSchema>;
export type FleetFile = z.infer<typeof fleetSchema>;

/** @throws E_FLEET_MISSING, E_FILE_UNREADABLE, E_CONFIG */
export async function readFleetFile(folder: string): Promise<FleetFile> {
  const path = join(folder, FLEET_FILE);
  const text = await readBounded(path, folder);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ChunkmeshError('E_CONFIG', `${path} is not JSON`, { cause });
  }
  const parsed = fleetSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new ChunkmeshError('E_CONFIG', `${path}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'is malformed'}`);
}

export async function writeFleetFile(folder: string, file: FleetFile): Promise<void> {
  await writePrivateFile(join(folder, FLEET_FILE), `${JSON.stringify(file, null, 2)}\n`);
}

/** Differs whenever the file was replaced: writers rename a new one into place. */
export async function fleetFileVersion(folder: string): Promise<string> {
  const { ino, mtimeNs, size } = await stat(join(folder, FLEET_FILE), { bigint: true });
  return `${ino} ${mtimeNs} ${size}`;
}

/** SHA-256 of a certificate in DER, hex: what the roster knows a certificate by. */
export function fingerprintOf(der: Uint8Array): string {
  return createHash('sha256').update(der).digest('hex');
}

async function readBounded(path: string, folder: string): Promise<string> {
  try {
    if ((await stat(path)).size > MAX_FLEET_FILE_BYTES) throw new ChunkmeshError('E_CONFIG', `${path} is too large`);
    return await readFile(path, 'utf8');
  } catch (cause) {
    if (cause instanceof ChunkmeshError) throw cause;
    const code = systemCode(cause);
    if (code === 'ENOENT' || code === 'ENOTDIR') throw new ChunkmeshError('E_FLEET_MISSING', `no fleet in ${folder}`);
    throw new ChunkmeshError('E_FILE_UNREADABLE', `${path}: ${code ?? 'cannot be read'}`, { cause });
  }
}

import './linear_models.js';
import './one_check.js';
import { isUtf8 } from 'node:buffer';
import { z } from 'zod';
import { ChunkmeshError } from '../errors.js';
import { isRoleName } from './names.js';
import { isPattern } from './patterns.js';
import { plainKey } from './plain_key.js';

/**
 * The shape of a metadata file, looked at before the library sees it (P-12.5): its parser takes any number of entries, in quadratic time,
 * versions that are no whole numbers, and dates that are none, which then never expire.
 */

/** A `targets.json` with 256 bins of three keys has 70 KB. */
export const MAX_METADATA_BYTES = 262_144;
/** Of the keys before and after, where all of them change. */
const MAX_SIGNATURES = 32;
const MAX_KEYS = 64;
/** Each costs the whole file in canonical form once more. */
export const MAX_KEYS_OF_ROLE = 16;
/** Signed values nest eight deep; the library descends by calling itself. */
const MAX_JSON_DEPTH = 16;
/** A snapshot of the bins and a thousand groups has 6,500, a bin of 256 artifacts for a hundred groups and sites each 28,000. */
const MAX_JSON_VALUES = 32_768;
/** Far from where a version could rise no more: who has a role's key for a day must not end its life (TUF 1.5.2, fast-forward). */
export const MAX_METADATA_VERSION = 2 ** 31 - 1;
/** The bins and a thousand groups. */
const MAX_SNAPSHOT_FILES = 2048;
const MAX_TARGETS = 1024;
/** `director` delegates one role to each group. */
const MAX_DELEGATED_ROLES = 1024;
/** This layout has one. */
const MAX_PATHS_OF_ROLE = 4;
const MAX_PATH_LENGTH = 256;
const MAX_HASHES = 4;

const hex = (most: number) =>
  z
    .string()
    .regex(/^[0-9a-f]+$/, 'not hexadecimal')
    .max(most);
const keyId = z.string().min(1).max(128);
const version = z.int().min(1).max(MAX_METADATA_VERSION);
/** TUF 4.2.1: ISO 8601, in UTC, of whole seconds. */
const expires = z
  .string()
  .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, 'not a time')
  // Not the 30th of February, which would be a day of March.
  .refine((text) => isTime(text), 'not a time');

function isTime(text: string): boolean {
  const at = new Date(text);
  return !Number.isNaN(at.getTime()) && at.toISOString() === text.replace('Z', '.000Z');
}

function record<T extends z.ZodType>(value: T, most: number, isKey: (key: string) => boolean = () => true) {
  return z
    .custom<Record<string, unknown>>((found) => typeof found === 'object' && found !== null && !Array.isArray(found))
    .refine((found) => Object.keys(found).length <= most, `more than ${most} entries`)
    .refine((found) => Object.keys(found).every(isKey), 'a malformed name')
    .pipe(z.record(z.string(), value));
}

const isPath = (path: string): boolean => path.length <= MAX_PATH_LENGTH && /^[!-~]+$/.test(path);
const isFile = (file: string): boolean => file.endsWith('.json') && isRoleName(file.slice(0, -'.json'.length));

/** Of one kind: what else the library knows (RSA of any size, curves) is nothing that this fleet's tools make. */
const key = z.looseObject({
  keytype: z.literal('ed25519'),
  scheme: z.literal('ed25519'),
  keyval: z.looseObject({ public: z.string().refine((text) => plainKey(text) !== null, 'not an Ed25519 key') }),
});
/** Two names for one key would let its holder count twice towards a threshold. */
const keys = record(key, MAX_KEYS).refine((found) => {
  const values = Object.values(found).map(({ keyval }) => plainKey(keyval.public));
  return new Set(values).size === values.length;
}, 'one key under two ids');
const threshold = z.int().min(1).max(MAX_KEYS_OF_ROLE);
const role = z.looseObject({ keyids: z.array(keyId).max(MAX_KEYS_OF_ROLE), threshold });
const hashes = record(hex(128), MAX_HASHES).refine(({ sha256 }) => sha256 === undefined || sha256.length === 64);
const length = z.int().min(0);
const metaFile = z.looseObject({ version, length: length.optional(), hashes: hashes.optional() });

const signedBy = {
  root: z.looseObject({
    keys,
    roles: record(role, 16, isRoleName),
    consistent_snapshot: z.literal(true),
  }),
  timestamp: z.looseObject({ meta: record(metaFile, 1, (file) => file === 'snapshot.json') }),
  snapshot: z.looseObject({ meta: record(metaFile, MAX_SNAPSHOT_FILES, isFile) }),
  targets: z.looseObject({
    targets: record(z.looseObject({ length, hashes }), MAX_TARGETS, isPath),
    delegations: z
      .looseObject({
        keys,
        roles: z
          .array(
            role.extend({
              name: z.string().refine(isRoleName, 'a malformed name'),
              terminating: z.boolean(),
              paths: z.array(z.string().refine(isPattern, 'a malformed pattern')).max(MAX_PATHS_OF_ROLE).optional(),
              path_hash_prefixes: z.array(hex(64)).max(MAX_PATHS_OF_ROLE).optional(),
            }),
          )
          .max(MAX_DELEGATED_ROLES)
          .refine((found) => new Set(found.map(({ name }) => name)).size === found.length, 'one role twice')
          .optional(),
        succinct_roles: z.undefined().optional(),
      })
      .optional(),
  }),
} as const;

const common = z.looseObject({
  signatures: z.array(z.looseObject({ keyid: keyId, sig: hex(2048).or(z.literal('')) })).max(MAX_SIGNATURES),
  signed: z.looseObject({ spec_version: z.string().max(16), version, expires }),
});

export type Kind = keyof typeof signedBy;

export const kindOf = (roleName: string): Kind => (Object.hasOwn(signedBy, roleName) ? (roleName as Kind) : 'targets');

export interface Shaped {
  /** As the library takes them. */
  readonly bytes: Buffer;
  readonly version: number;
  /** Seconds since the epoch. */
  readonly expires: number;
}

/** @param what names the file in a refusal @throws E_TRUST_MALFORMED */
export function checkShape(kind: Kind, bytes: Uint8Array, what: string): Shaped {
  const refuse = (why: string, cause?: unknown): never => {
    throw new ChunkmeshError('E_TRUST_MALFORMED', `${what}: ${why}`, { cause });
  };
  if (bytes.length > MAX_METADATA_BYTES) refuse(`${bytes.length} bytes, more than ${MAX_METADATA_BYTES}`);
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!isUtf8(buffer)) refuse('not UTF-8');
  let value: unknown;
  try {
    value = JSON.parse(buffer.toString('utf8'));
  } catch (cause) {
    refuse('not JSON', cause);
  }
  const odd = oddity(value);
  if (odd !== null) refuse(odd);
  const outer = common.safeParse(value);
  if (!outer.success) return refuse(describe(outer.error));
  const { signed } = outer.data;
  const inner = signedBy[kind].safeParse(signed);
  if (!inner.success) return refuse(describe(inner.error));
  return { bytes: buffer, version: signed.version, expires: Math.floor(Date.parse(signed.expires) / 1000) };
}

/** What no file needs, and the parsers after this one would stumble over. Null where there is nothing. */
function oddity(value: unknown): string | null {
  let level: unknown[] = [value];
  let values = 0;
  for (let depth = 0; level.length > 0; depth++) {
    values += level.length;
    if (depth > MAX_JSON_DEPTH) return `nested more than ${MAX_JSON_DEPTH} deep`;
    if (values > MAX_JSON_VALUES) return `more than ${MAX_JSON_VALUES} values`;
    const next: unknown[] = [];
    for (const one of level) {
      if (typeof one !== 'object' || one === null) continue;
      if (Object.hasOwn(one, '__proto__')) return 'a malformed name';
      for (const inner of Object.values(one)) next.push(inner);
    }
    level = next;
  }
  return null;
}

function describe({ issues: [issue] }: z.ZodError): string {
  return `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'malformed'}`.slice(0, 200);
}

import { z } from 'zod';
import { isId } from '../../shared/control/ids.js';
import {
  LISTS,
  type ListName,
  MAX_SINCE,
  packRecords,
  type Records,
  type RevokedMessage,
  recordName,
  type Standing,
  unpackRecords,
} from '../../shared/control/revocation.js';
import { ChunkmeshError } from '../../shared/errors.js';
import { MAX_CLOCK_AHEAD_SECONDS, MAX_REVOKED_ENTRIES } from '../../shared/limits.js';

/** Who is revoked, since when, by whom and why: what the fleet folder keeps, and the list that is made of it (P-14.1). Pure. */

export const MAX_REASON_CHARACTERS = 256;
/** A certificate each time a member was enrolled anew and revoked again. */
const MAX_SERIALS = 64;

/** Nothing that a terminal would obey. */
const reason = z
  .string()
  .regex(/^[^\p{Cc}]*$/u, 'has control characters')
  .max(MAX_REASON_CHARACTERS);

const entrySchema = z.object({
  /** P-14.1: the hash of its id, hex. */
  name: z.string().regex(/^[0-9a-f]{16}$/),
  /** Left out where another operator listed it and the roster does not know it. */
  device: z.string().refine(isId, 'breaks P-1.1').optional(),
  list: z.enum(LISTS),
  /** P-14.1, seconds since the epoch. */
  since: z.int().min(0).max(MAX_SINCE),
  /** When it was last said. Seconds since the epoch. */
  at: z.int().min(0),
  by: z.string().refine(isId, 'breaks P-1.1'),
  reason,
  /** Hex, of the certificates that are meant: a broker's CRL names them (RFC 5280 §5.1.2.6). */
  serials: z.array(z.string().regex(/^[0-9a-f]{1,40}$/)).max(MAX_SERIALS),
});

export const registerSchema = z.object({
  v: z.literal(1),
  /** The highest number ever used, also by a publish that did not get through. */
  version: z.int().min(0),
  entries: z.array(entrySchema).max(MAX_REVOKED_ENTRIES),
  /** The payload that the broker last confirmed, base64. */
  confirmed: z.base64().optional(),
});

export type Entry = z.infer<typeof entrySchema>;
export type Register = z.infer<typeof registerSchema>;

export const EMPTY: Register = { v: 1, version: 0, entries: [] };

export function entryOf(register: Register, device: string): Entry | undefined {
  const name = recordName(device);
  return register.entries.find((entry) => entry.name === name);
}

/**
 * A member on a list, in the place of where it was. Said again of the same certificate it stays as it is, so that the command may be run twice.
 * @param notBefore of its newest certificate, where that is known
 * @throws E_REVOCATION_FULL
 */
export function withEntry(register: Register, entry: Entry, notBefore = 0): Register {
  const before = register.entries.find(({ name }) => name === entry.name);
  if (before?.list === entry.list && before.since >= notBefore) return register;
  // What was meant before is meant still: a certificate is not good again because its holder has another one.
  const serials = [...new Set([...(before?.serials ?? []), ...entry.serials])].slice(-MAX_SERIALS);
  const since = Math.max(before?.since ?? 0, entry.since, notBefore);
  const others = register.entries.filter(({ name }) => name !== entry.name);
  if (others.length >= MAX_REVOKED_ENTRIES) {
    throw new ChunkmeshError('E_REVOCATION_FULL', `${others.length} members are on the list already`);
  }
  return { ...register, entries: [...others, { ...entry, since, serials }] };
}

export function withoutEntry(register: Register, device: string): Register {
  const name = recordName(device);
  const entries = register.entries.filter((entry) => entry.name !== name);
  return entries.length === register.entries.length ? register : { ...register, entries };
}

/** The list as it is published. @param at seconds since the epoch */
export function messageOf(register: Register, fleet: string, version: number, at: number): RevokedMessage {
  const packed = Object.fromEntries(LISTS.map((list) => [list, packRecords(onList(register, list, at))]));
  return { t: 'revoked', v: 1, fleet, version, at, ...(packed as Records) };
}

/** Whether a message says what the register does, whatever its number. */
export function says(message: RevokedMessage, register: Register): boolean {
  return LISTS.every((list) => Buffer.from(message[list]).equals(packRecords(onList(register, list, message.at))));
}

/**
 * P-14.2: the number of the next list, above all that were ever used.
 * @param at seconds since the epoch @throws E_REVOCATION_ROLLBACK where that would be above its time
 */
export function nextVersion(register: Register, retained: RevokedMessage | undefined, at: number): number {
  const version = Math.max(register.version, retained?.version ?? 0) + 1;
  if (version <= at) return version;
  const ahead = `revocation list ${version - 1} was used before its time: in ${version - at} s the next one may be published`;
  throw new ChunkmeshError('E_REVOCATION_ROLLBACK', ahead);
}

/**
 * The register after a newer list of another operator: who is on it, with what is known here of each.
 * @param ids of the roster: a record names its member by a hash
 */
export function adopt(register: Register, message: RevokedMessage, by: string, ids: Iterable<string>): Register {
  const idOf = new Map<string, string>();
  for (const id of ids) idOf.set(recordName(id), id);
  const entries = LISTS.flatMap((list) =>
    unpackRecords(message[list]).map(({ name, since }): Entry => {
      const known = register.entries.find((entry) => entry.name === name);
      if (known !== undefined) return { ...known, list, since };
      const device = idOf.get(name);
      const foreign = { by, reason: 'by another operator', serials: [], at: Math.min(message.at, MAX_SINCE) };
      return { name, ...(device !== undefined && { device }), list, since, ...foreign };
    }),
  );
  // What was said here since, and did not get through, is not forgotten over it.
  const named = new Set(entries.map(({ name }) => name));
  const unsent = register.entries.filter(({ name, at }) => at > message.at && !named.has(name));
  const version = Math.max(register.version, message.version);
  return { ...register, version, entries: [...entries, ...unsent].slice(0, MAX_REVOKED_ENTRIES) };
}

/** P-14.5, of the register itself. @param notBefore of the certificate, seconds since the epoch */
export function standingIn(register: Register, device: string, notBefore = 0): Standing {
  const entry = entryOf(register, device);
  return entry !== undefined && notBefore <= entry.since ? entry.list : 'good';
}

/** P-14.1: a record from after its time would have the whole list refused, and may be what another operator said whose clock is ahead. */
const onList = ({ entries }: Register, wanted: ListName, at: number): Entry[] =>
  entries
    .filter(({ list }) => list === wanted)
    .map((entry) => ({ ...entry, since: Math.min(entry.since, at + MAX_CLOCK_AHEAD_SECONDS) }));

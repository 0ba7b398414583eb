import { z } from 'zod';
import { isId } from '../../shared/control/ids.js';
import {
  LISTS,
  type ListName,
  type ListSigner,
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

const saidSchema = z.object({
  /** P-14.1, seconds since the epoch. */
  since: z.int().min(0).max(MAX_SINCE),
  /** When it was last said. Seconds since the epoch. */
  at: z.int().min(0),
  by: z.string().refine(isId, 'breaks P-1.1'),
  reason,
  /** Hex, of the certificates that are meant: a broker's CRL names them (RFC 5280 §5.1.2.6). */
  serials: z.array(z.string().regex(/^[0-9a-f]{1,40}$/)).max(MAX_SERIALS),
});

const entrySchema = saidSchema.extend({
  /** P-14.1: the hash of its id, hex. */
  name: z.string().regex(/^[0-9a-f]{16}$/),
  /** Left out where another operator listed it and the roster does not know it. */
  device: z.string().refine(isId, 'breaks P-1.1').optional(),
  list: z.enum(LISTS),
  /** P-14.11: certificates from before its newest were revoked, and are when this is taken back. */
  revoked: saidSchema.optional(),
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
export type Said = z.infer<typeof saidSchema>;
export type Register = z.infer<typeof registerSchema>;

export const EMPTY: Register = { v: 1, version: 0, entries: [] };

export function entryOf(register: Register, device: string): Entry | undefined {
  const name = recordName(device);
  return register.entries.find((entry) => entry.name === name);
}

/** P-14.11: what is said of a member does not take back what was said before it and is worse for it; taking it off all lists does. */
const GRAVITY: Readonly<Record<Standing, number>> = { good: 0, quarantined: 1, wiped: 2, revoked: 3 };

export const graver = (one: Standing, other: Standing = 'good'): Standing =>
  GRAVITY[one] >= GRAVITY[other] ? one : other;

/**
 * A member on a list, in the place of where it was: on the graver of the two where the certificate is meant by what was said before.
 * Said again, it means the certificates that were made since, too.
 * @param notBefore of its newest certificate, where that is known
 * @throws E_REVOCATION_FULL
 */
export function withEntry(register: Register, entry: Entry, notBefore = 0): Register {
  const before = register.entries.find(({ name }) => name === entry.name);
  // What was meant before is meant still: a certificate is not good again because its holder has another one.
  const serials = [...new Set([...(before?.serials ?? []), ...entry.serials])].slice(-MAX_SERIALS);
  const others = register.entries.filter(({ name }) => name !== entry.name);
  if (before !== undefined && before.since >= notBefore && GRAVITY[before.list] > GRAVITY[entry.list]) {
    return serials.length === before.serials.length
      ? register
      : { ...register, entries: [...others, { ...before, serials }] };
  }
  const since = Math.max(before?.since ?? 0, entry.since, notBefore);
  const revoked = entry.list === 'revoked' ? undefined : revokedIn(before);
  const after = { ...entry, since, serials, ...(revoked !== undefined && { revoked }) };
  const entries = [...withRoom(others, [after]), after];
  if (entries.length > MAX_REVOKED_ENTRIES) {
    throw new ChunkmeshError('E_REVOCATION_FULL', `${others.length} members are on the list already`);
  }
  return { ...register, entries };
}

/**
 * Without as many as have to go for `wanted`, where there are such that the roster does not know: who stole an operator's key may have
 * filled the list with names of nobody. Those of a signer that is listed itself go first.
 */
function withRoom(entries: readonly Entry[], wanted: readonly Entry[]): readonly Entry[] {
  const excess = entries.length + wanted.length - MAX_REVOKED_ENTRIES;
  if (excess <= 0) return entries;
  const foreign = entries.filter(({ device }) => device === undefined);
  const listed = new Set([...entries, ...wanted].map(({ name }) => name));
  const listedSigners = new Set([...new Set(foreign.map(({ by }) => by))].filter((by) => listed.has(recordName(by))));
  const first = foreign.filter(({ by }) => listedSigners.has(by));
  const others = foreign.filter(({ by }) => !listedSigners.has(by));
  const gone = new Set([...first, ...others].slice(0, excess));
  return entries.filter((entry) => !gone.has(entry));
}

/** What was said of a member with `list` at `revoked`, now or before. */
export function revokedIn(entry: Entry | undefined): Said | undefined {
  if (entry?.list !== 'revoked') return entry?.revoked;
  const { since, at, by, reason: why, serials } = entry;
  return { since, at, by, reason: why, serials };
}

/** Of a list that reaches as far back as the revocation itself, whoever made it took that back. */
const revokedBefore = (known: Entry, since: number): Said | undefined =>
  known.list === 'revoked' && known.since >= since ? undefined : revokedIn(known);

/** P-14.11: certificates that were revoked before its holder was enrolled anew and listed once more are revoked still. */
export function withoutEntry(register: Register, device: string): Register {
  const name = recordName(device);
  const before = register.entries.find((entry) => entry.name === name);
  if (before === undefined) return register;
  const others = register.entries.filter((entry) => entry !== before);
  const { revoked, ...rest } = before;
  const left: Entry[] = revoked === undefined ? [] : [{ ...rest, ...revoked, list: 'revoked' }];
  return { ...register, entries: [...others, ...left] };
}

/** The list as it is published, dated no earlier than its number (P-14.2). @param now seconds since the epoch */
export function messageOf(register: Register, fleet: string, version: number, now: number): RevokedMessage {
  const at = Math.max(version, Math.floor(now));
  const packed = Object.fromEntries(LISTS.map((list) => [list, packRecords(onList(register, list, at))]));
  return { t: 'revoked', v: 1, fleet, version, at, ...(packed as Records) };
}

/** Whether a message says what the register does, whatever its number. */
export function says(message: RevokedMessage, register: Register): boolean {
  return LISTS.every((list) => Buffer.from(message[list]).equals(packRecords(onList(register, list, message.at))));
}

/**
 * P-14.2: the number of the next list, above all that were ever used. Who steals an operator's key may have used those up to the end of its
 * certificate, and an operator whose own ends later goes on from there.
 * @throws E_REVOCATION_ROLLBACK where that would be above that end
 */
export function nextVersion(
  register: Register,
  retained: RevokedMessage | undefined,
  { identity, notAfter }: ListSigner,
): number {
  const version = Math.max(register.version, retained?.version ?? 0) + 1;
  if (version <= notAfter) return version;
  const spent = `revocation list ${version - 1} was used, and the certificate of ${identity.id} ends before the next could be of its time`;
  throw new ChunkmeshError('E_REVOCATION_SPENT', spent);
}

/**
 * The register after a newer list of another operator: who is on it, with what is known here of each.
 * @param ids of the roster: a record names its member by a hash
 * @param serialsOf the certificates of a member that a record with that `since` means
 */
export function adopt(
  register: Register,
  message: RevokedMessage,
  by: string,
  ids: Iterable<string>,
  serialsOf: (device: string, since: number) => readonly string[] = () => [],
): Register {
  const idOf = new Map<string, string>();
  for (const id of ids) idOf.set(recordName(id), id);
  const entryBefore = new Map(register.entries.map((entry) => [entry.name, entry]));
  const entries = LISTS.flatMap((list) =>
    unpackRecords(message[list]).map(({ name, since }): Entry => {
      const known = entryBefore.get(name);
      const device = known?.device ?? idOf.get(name);
      const found = device === undefined ? [] : serialsOf(device, since);
      const serials = [...new Set([...(known?.serials ?? []), ...found])].slice(-MAX_SERIALS);
      const foreign = { by, reason: 'by another operator', at: Math.min(message.at, MAX_SINCE) };
      const { at, by: who, reason: why } = known ?? foreign;
      const revoked = list === 'revoked' || known === undefined ? undefined : revokedBefore(known, since);
      const more = { ...(device !== undefined && { device }), ...(revoked !== undefined && { revoked }) };
      return { name, list, since, at, by: who, reason: why, serials, ...more };
    }),
  );
  // What was said here since, and did not get through, is not forgotten over it.
  const named = new Set(entries.map(({ name }) => name));
  const unsent = register.entries.filter(({ name, at }) => at > message.at && !named.has(name));
  const version = Math.max(register.version, message.version);
  const all = [...unsent, ...withRoom(entries, unsent)];
  return { ...register, version, entries: all.slice(0, MAX_REVOKED_ENTRIES) };
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

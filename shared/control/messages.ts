import { z } from 'zod';
import { ChunkmeshError } from '../errors.js';
import {
  INDEX_CHUNK,
  MAX_ALERT_TEXT,
  MAX_ALERTS,
  MAX_ARTIFACT_BYTES,
  MAX_CANDIDATES,
  MAX_CERTIFICATE_BYTES,
  MAX_CHUNKS,
  MAX_COMMAND_SECONDS,
  MAX_DIGEST_BITS,
  MAX_INSTALLED,
  MAX_INTEGRITY_RANGES,
  MAX_OFFER_SECONDS,
  MAX_REPORTS,
  MAX_REQUEST_BYTES,
  MAX_ROLLOUTS,
} from '../limits.js';
import type { Audience } from '../trust/audience.js';
import { isId, isVersion } from './ids.js';
import { decodeMap, encodeMap } from './message_pack.js';
import { areRecords, isOfItsTime, isWithinLimit } from './revocation.js';

/** The payloads of P-4: one schema a message, parsed from unknown. Unknown keys are dropped (P-1.5). */

const bin = (length: number) =>
  z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.length === length, `not ${length} bytes`);
const seconds = z
  .int()
  .min(0)
  .max(2 ** 40);
const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
const id = z.string().refine(isId, 'breaks P-1.1');
const version = z.string().refine(isVersion, 'breaks P-1.2');

/** P-4.1. What is in the bundle is P-12's to say. */
const trust = z.object({
  t: z.literal('trust'),
  v: z.literal(2),
  bundle: z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.length > 0, 'not a bundle'),
});

const have = z.object({
  t: z.literal('have'),
  at: seconds,
  held: z.int().min(0).max(MAX_CHUNKS),
  room: z.int().min(0).max(255),
  digest: z.custom<Uint8Array>(
    (value) => value instanceof Uint8Array && value.length > 0 && value.length <= MAX_DIGEST_BITS / 8,
    'not a digest',
  ),
  hold: z.boolean().optional(),
  again: z.boolean().optional(),
});

const candidate = z.tuple([z.string().min(2).max(45), z.int().min(1).max(65_535)]);
const agreement = {
  at: seconds,
  expires: seconds,
  artifact: bin(32),
  session: bin(8),
  key: bin(32),
  candidates: z.array(candidate).max(MAX_CANDIDATES),
  /** P-14.4: the number of the revocation list that its sender holds. */
  revoked: count.optional(),
};
const shortLived = ({ at, expires }: { at: number; expires: number }) =>
  expires >= at && expires - at <= MAX_OFFER_SECONDS;
const offer = z.object({ t: z.literal('offer'), ...agreement }).refine(shortLived, 'breaks P-5.2');
const answer = z.object({ t: z.literal('answer'), offer: bin(32), ...agreement }).refine(shortLived, 'breaks P-5.2');

/** P-4.7. What a device says of itself ends on an operator's terminal: nothing that a terminal would obey. */
const code = z.string().regex(/^[A-Z_]{0,64}$/, 'not a code');
const printable = z.string().regex(/^[ -~]{0,64}$/, 'not printable ASCII');

export const TRANSFER_STATES = ['waiting', 'indexing', 'fetching', 'paused', 'complete', 'blocked', 'failed'] as const;

const progress = z.object({
  name: id,
  version,
  artifact: bin(32),
  state: z.enum(TRANSFER_STATES),
  hold: z.boolean().optional(),
  held: count,
  chunks: count,
  size: count,
  fromSeed: count,
  fromPeers: count,
  fromDisk: count,
  fromHttp: count.optional(),
  wasted: count,
  seconds: z.number().min(0),
  error: code,
});

/** P-15.2: of one device, what it sent last that was wrong. */
const report = z.object({
  device: id,
  artifact: bin(32),
  chunk: z
    .int()
    .min(0)
    .refine((chunk) => chunk < MAX_CHUNKS || chunk === INDEX_CHUNK, 'neither a chunk nor the index'),
  expected: bin(32),
  found: bin(32),
  at: seconds,
  count: count.min(1),
});

export const INTEGRITY_STATES = ['ok', 'mismatch', 'unreadable', 'other'] as const;

const position = z.int().min(0).max(MAX_ARTIFACT_BYTES);

/** P-15.5 */
const integrity = z.object({
  name: id,
  version: version.optional(),
  state: z.enum(INTEGRITY_STATES),
  at: seconds,
  ranges: z
    .array(z.tuple([position, position]))
    .max(MAX_INTEGRITY_RANGES)
    .optional(),
  more: z.boolean().optional(),
  repaired: count.optional(),
});

/** P-15.8 */
const alert = z.object({
  n: count,
  kind: id,
  text: z
    .string()
    .regex(/^[ -~]*$/, 'not printable ASCII')
    .max(MAX_ALERT_TEXT),
  at: seconds,
  count: z.int().min(1),
});

const status = z.object({
  t: z.literal('status'),
  at: seconds,
  online: z.boolean(),
  agent: printable,
  peers: count,
  metered: z.enum(['fetch', 'urgent']).optional(),
  rollouts: z.array(progress).max(MAX_ROLLOUTS),
  reports: z
    .array(report)
    .max(MAX_REPORTS)
    .refine((list) => new Set(list.map((entry) => entry.device)).size === list.length, 'two reports of one device')
    .optional(),
  integrity: z.array(integrity).max(MAX_INSTALLED).optional(),
  alerts: z.array(alert).max(MAX_ALERTS).optional(),
  moreAlerts: count.optional(),
  /** P-14.7: what the revocation list says of the device itself, and the list's number. */
  standing: z.enum(['quarantined', 'revoked', 'wiped']).optional(),
  revoked: count.optional(),
  /** P-14.8: nothing is left of what it held; its last word. */
  wiped: z.boolean().optional(),
});

const bytes = (most: number) =>
  z.custom<Uint8Array>(
    (value) => value instanceof Uint8Array && value.length > 0 && value.length <= most,
    `not 1 to ${most} bytes`,
  );

/** P-13.9 */
const enroll = z.object({ t: z.literal('enroll'), at: seconds, csr: bytes(MAX_REQUEST_BYTES) });
const enrolled = z
  .object({
    t: z.literal('enrolled'),
    at: seconds,
    request: bin(32),
    certificate: bytes(MAX_CERTIFICATE_BYTES).optional(),
    error: z
      .string()
      .regex(/^[A-Z_]{1,64}$/, 'not a code')
      .optional(),
  })
  .refine(({ certificate, error }) => (certificate === undefined) !== (error === undefined), 'breaks P-13.9');

/** P-4.8 */
const command = z
  .object({
    t: z.literal('command'),
    v: z.literal(1),
    do: z.literal('acknowledge'),
    from: count.optional(),
    upto: count,
    at: seconds,
    expires: seconds,
  })
  .refine(({ at, expires }) => expires >= at && expires - at <= MAX_COMMAND_SECONDS, 'breaks P-4.8');

const records = z.custom<Uint8Array>(
  (value) => value instanceof Uint8Array && areRecords(value),
  'not sorted records of P-14.1',
);
const revoked = z
  .object({
    ...{ t: z.literal('revoked'), v: z.literal(1), fleet: id },
    ...{ version: count.min(1), at: seconds },
    ...{ revoked: records, quarantined: records, wiped: records },
  })
  .refine(isWithinLimit, 'more entries than P-14.1 has')
  // P-14.2: who steals an operator's key cannot spend all numbers that there will ever be.
  .refine(({ version, at }) => version <= at, 'a version above its time')
  .refine((list) => isOfItsTime(list, list.at), 'a record from after its time');

const SCHEMAS = { trust, have, offer, answer, status, command, revoked, enroll, enrolled } as const;

export type MessageType = keyof typeof SCHEMAS;
export type Message<T extends MessageType> = z.infer<(typeof SCHEMAS)[T]>;
/** What a device is to have, as a trust bundle says it (P-12.7). */
export interface Rollout {
  readonly name: string;
  readonly version: string;
  /** The index hash, 32 bytes. */
  readonly artifact: Uint8Array;
  /** Bytes. */
  readonly size: number;
  readonly chunks: number;
  /** P-2.4 */
  readonly shards: number;
  readonly urgent?: true;
  /** P-10.13 */
  readonly emergency?: true;
  readonly priority?: number;
  /** P-11 */
  readonly urls?: readonly string[];
  /** P-12.3 */
  readonly audience?: Audience;
}
export type TrustMessage = Message<'trust'>;
export type HaveMessage = Message<'have'>;
export type OfferMessage = Message<'offer'>;
export type AnswerMessage = Message<'answer'>;
export type StatusMessage = Message<'status'>;
export type EnrollMessage = Message<'enroll'>;
export type EnrolledMessage = Message<'enrolled'>;
export type WrongChunkReport = z.infer<typeof report>;
export type CommandMessage = Message<'command'>;
export type IntegrityRow = z.infer<typeof integrity>;
export type AlertRow = z.infer<typeof alert>;
export type RolloutProgress = z.infer<typeof progress>;
export type Candidate = z.infer<typeof candidate>;

export function encodeMessage(message: { [T in MessageType]: Message<T> }[MessageType]): Uint8Array {
  return encodeMap(message);
}

/**
 * @throws E_MESSAGE_MALFORMED; E_TRUST_VERSION for a trust message of another version (P-4.1).
 */
export function decodeMessage<T extends MessageType>(type: T, payload: Uint8Array): Message<T> {
  const map = decodeMap(payload);
  if (map.t !== type) throw new ChunkmeshError('E_MESSAGE_MALFORMED', `not a message of type ${type}`);
  if (type === 'trust' && map.v !== 2) {
    // Nothing but a number is shown: a map with a `toString` of its own would throw here.
    const version = typeof map.v === 'number' ? ` of version ${map.v}` : ' without a version';
    throw new ChunkmeshError('E_TRUST_VERSION', `trust message${version}`);
  }
  const parsed = SCHEMAS[type].safeParse(map);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new ChunkmeshError('E_MESSAGE_MALFORMED', `${type}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`);
  }
  return parsed.data as Message<T>;
}

/** The `t` of a payload, for topics that carry more than one type; undefined where there is none. */
export function messageType(payload: Uint8Array): unknown {
  return decodeMap(payload).t;
}

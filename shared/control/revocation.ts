import { createHash } from 'node:crypto';
import { ChunkmeshError } from '../errors.js';
import { MAX_CLOCK_AHEAD_SECONDS, MAX_REVOKED_ENTRIES } from '../limits.js';
import type { Message } from './messages.js';
import type { Identity } from './topics.js';

/**
 * The revocation list (P-14.1): who is not to be believed any more, from when on. Three runs of records, each sorted and without
 * repetition:
 *
 *     +-------------------------------------+------------------+
 *     | first 8 bytes of SHA-256 of the id  | since u32 (s)    |   12 bytes
 *     +-------------------------------------+------------------+
 */

const NAME_BYTES = 8;
const SINCE_BYTES = 4;
export const RECORD_BYTES = 12;
/** A u32 of seconds ends in 2106. */
export const MAX_SINCE = 0xffff_ffff;

/** What the list says of a certificate. */
export type Standing = 'good' | 'quarantined' | 'revoked' | 'wiped';
/** The lists of the message. A member is on one of them at most. */
export const LISTS = ['revoked', 'quarantined', 'wiped'] as const satisfies readonly Standing[];
export type ListName = (typeof LISTS)[number];

export type RevokedMessage = Message<'revoked'>;
export type Records = Readonly<Record<ListName, Uint8Array>>;

export interface Listed {
  /** The member's id; or, where only its record is known, the hash in hex. */
  readonly device?: string | undefined;
  readonly name?: string | undefined;
  /** Seconds since the epoch: certificates that are valid from then on or from before are meant. */
  readonly since: number;
}

const hashOf = (device: string): Buffer => createHash('sha256').update(device).digest().subarray(0, NAME_BYTES);

/** The hash by which a record names a member, in hex. */
export const recordName = (device: string): string => hashOf(device).toString('hex');

/** P-14.1, in the order of the hashes. @throws RangeError where `since` is no u32 or a device is there twice */
export function packRecords(entries: readonly Listed[]): Uint8Array {
  const records = entries.map(({ device = '', name = recordName(device), since }) => {
    if (!Number.isInteger(since) || since < 0 || since > MAX_SINCE) throw new RangeError(`since ${since} is no u32`);
    const record = Buffer.alloc(RECORD_BYTES);
    record.write(name, 'hex');
    record.writeUInt32BE(since, NAME_BYTES);
    return record;
  });
  const packed = new Uint8Array(Buffer.concat(records.sort(Buffer.compare)));
  if (!areRecords(packed)) throw new RangeError('a device is listed twice');
  return packed;
}

/** P-14.1: whole records, each name above the one before. */
export function areRecords(bytes: Uint8Array): boolean {
  if (bytes.length % RECORD_BYTES !== 0) return false;
  for (let at = RECORD_BYTES; at < bytes.length; at += RECORD_BYTES) {
    if (compareNames(bytes, at - RECORD_BYTES, bytes, at) >= 0) return false;
  }
  return true;
}

/** What `packRecords` packed, by hash. */
export function unpackRecords(bytes: Uint8Array): { readonly name: string; readonly since: number }[] {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: bytes.length / RECORD_BYTES }, (_, i) => ({
    name: view.toString('hex', i * RECORD_BYTES, i * RECORD_BYTES + NAME_BYTES),
    since: view.readUInt32BE(i * RECORD_BYTES + NAME_BYTES),
  }));
}

/** P-14.1: what all three have together. */
export function isWithinLimit(records: Records): boolean {
  return LISTS.reduce((sum, list) => sum + records[list].length, 0) <= MAX_REVOKED_ENTRIES * RECORD_BYTES;
}

/**
 * P-14.1: of the times of a list, the latest. What is further ahead than clocks differ would date the next certificate of a member ahead (P-14.10).
 * @param at of the list, seconds since the epoch
 */
export function isOfItsTime(records: Records, at: number): boolean {
  return LISTS.every((list) => {
    const bytes = records[list];
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let end = RECORD_BYTES; end <= bytes.length; end += RECORD_BYTES) {
      if (view.getUint32(end - SINCE_BYTES) > at + MAX_CLOCK_AHEAD_SECONDS) return false;
    }
    return true;
  });
}

/** An operator, as far as the time of a list goes. */
export interface ListSigner {
  readonly identity: Pick<Identity, 'id'>;
  /** Of its certificate, seconds since the epoch. */
  readonly notAfter: number;
}

/** P-14.2: of time a list is held against what the CA said alone, and no clock. @throws E_MESSAGE_TIME */
export function checkDated({ version, at }: RevokedMessage, { identity, notAfter }: ListSigner): void {
  if (at <= notAfter) return;
  const late = `revocation list ${version} is dated past the end of the certificate of ${identity.id}`;
  throw new ChunkmeshError('E_MESSAGE_TIME', late);
}

export class RevocationList {
  /** P-14.2: from 1; 0 is that of a fleet that never revoked. */
  readonly version: number;
  readonly #records: Records;

  private constructor(version: number, records: Records) {
    this.version = version;
    this.#records = records;
  }

  static readonly none = new RevocationList(0, {
    revoked: new Uint8Array(),
    quarantined: new Uint8Array(),
    wiped: new Uint8Array(),
  });

  /** @param message as `decodeMessage` gives it: its records were checked. */
  static of({ version, revoked, quarantined, wiped }: RevokedMessage): RevocationList {
    return new RevocationList(version, { revoked, quarantined, wiped });
  }

  get size(): number {
    return LISTS.reduce((sum, list) => sum + this.#records[list].length / RECORD_BYTES, 0);
  }

  /**
   * P-14.5: a certificate that was issued later for the same id is good again.
   * @param notBefore of the certificate, seconds since the epoch; left out, any that the member may have is meant
   */
  standing(device: string, notBefore = 0): Standing {
    if (this.size === 0) return 'good';
    const name = hashOf(device);
    for (const list of LISTS) {
      const since = find(this.#records[list], name);
      if (since !== undefined && notBefore <= since) return list;
    }
    return 'good';
  }
}

/** The `since` of the record of that name. */
function find(records: Uint8Array, name: Buffer): number | undefined {
  let [low, high] = [0, records.length / RECORD_BYTES];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const order = compareNames(records, middle * RECORD_BYTES, name, 0);
    if (order === 0)
      return Buffer.from(records.buffer, records.byteOffset).readUInt32BE(middle * RECORD_BYTES + NAME_BYTES);
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return undefined;
}

function compareNames(one: Uint8Array, at: number, other: Uint8Array, otherAt: number): number {
  for (let i = 0; i < NAME_BYTES; i++) {
    const difference = (one[at + i] ?? 0) - (other[otherAt + i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

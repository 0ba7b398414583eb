import { X509Certificate } from 'node:crypto';
import { checkId } from '../../shared/control/ids.js';
import type { Identity, Role } from '../../shared/control/topics.js';
import { rawPublicKey } from '../../shared/crypto/signature.js';
import { ChunkmeshError } from '../../shared/errors.js';
import { MAX_GROUPS } from '../../shared/limits.js';
import { AUTHORITY_DAYS, type Validity } from './authority.js';
import { fingerprintOf, MAX_EARLIER, MAX_REPLACED, type Member } from './fleet_file.js';

/** What a member is given, checked, and its row of the roster. */

const DEFAULT_NAME = 'default';

export interface EnrolOptions {
  readonly role?: Role;
  readonly site?: string;
  readonly groups?: readonly string[];
  /** How long the certificate is valid. Default 365. */
  readonly days?: number;
  /** Instead of `days`. */
  readonly validity?: Validity;
}

/** P-13.6: what a bundle has in the place of a key that it does not hold. */
export const keyFileOf = (id: string): { file: string } => ({ file: `${id}.key` });

/** Without what has ended: newcomers, and certificates that were renewed. @param now seconds since the epoch */
export function stillValid(roster: readonly Member[], now: number): Member[] {
  return roster
    .filter(({ role, notAfter }) => role !== 'newcomer' || notAfter > now)
    .map(({ before, replaced, ...member }) => {
      const good = (before ?? []).filter(({ notAfter }) => notAfter > now);
      const bad = (replaced ?? []).filter(({ notAfter }) => notAfter > now);
      return { ...member, ...(good.length > 0 && { before: good }), ...(bad.length > 0 && { replaced: bad }) };
    });
}

/** A member's certificates as those that are good no more, the newest first; of those from before serials were kept nothing is known. */
export function replacedBy({ serial, notAfter, notBefore, before = [], replaced = [] }: Member): Member['replaced'] {
  return [{ serial, notAfter, notBefore }, ...before].flatMap(replacedRow).concat(replaced).slice(0, MAX_REPLACED);
}

/** The row that is kept of a certificate which is good no more; none where its serial is not known. */
export function replacedRow(row: Pick<Member, 'serial' | 'notAfter' | 'notBefore'>): NonNullable<Member['replaced']> {
  const { serial, notAfter, notBefore } = row;
  return serial === undefined ? [] : [{ serial, notAfter, ...(notBefore !== undefined && { notBefore }) }];
}

/**
 * P-14.5: the serials of a member's certificates, hex, that a record with that `since` means. Where it is not known from when on one is
 * valid, it is older than the newest.
 */
export function serialsMeant({ serial, notBefore = 0, before = [], replaced = [] }: Member, since: number): string[] {
  return [{ serial, notBefore }, ...before, ...replaced]
    .filter((row) => (row.notBefore ?? notBefore) <= since)
    .flatMap((row) => row.serial ?? []);
}

/** @throws E_ID, E_ARGUMENT */
export function identityOf(fleet: string, id: string, options: EnrolOptions): Identity {
  const groups = [...new Set(options.groups ?? [DEFAULT_NAME])];
  if (groups.length > MAX_GROUPS) throw new ChunkmeshError('E_ARGUMENT', `at most ${MAX_GROUPS} groups (P-3.5)`);
  for (const group of groups) checkId(group, 'group');
  return { fleet, id, role: options.role ?? 'device', site: checkId(options.site ?? DEFAULT_NAME, 'site'), groups };
}

/** The row of the roster for a certificate, PEM. */
export function memberOf({ id, role, site, groups }: Identity, certificate: string): Member {
  const parsed = new X509Certificate(certificate);
  const [notBefore = 0, notAfter = 0] = [parsed.validFrom, parsed.validTo].map((date) =>
    Math.floor(Date.parse(date) / 1000),
  );
  const serial = parsed.serialNumber.toLowerCase();
  const fingerprint = fingerprintOf(parsed.raw);
  return { id, role, site, groups: [...groups], fingerprint, notAfter, notBefore, serial };
}

/** P-13.12: the row of a member that was renewed; what it had stays good, save for what is more than the roster keeps. */
export function renewedRow(member: Member, renewed: Member): Member {
  const { fingerprint, notAfter, notBefore, serial, before = [], replaced = [] } = member;
  const own = { fingerprint, notAfter, ...(notBefore !== undefined && { notBefore }), ...(serial && { serial }) };
  const earlier = [own, ...before];
  const gone = earlier.slice(MAX_EARLIER).flatMap(replacedRow);
  return { ...renewed, before: earlier.slice(0, MAX_EARLIER), replaced: [...gone, ...replaced].slice(0, MAX_REPLACED) };
}

/** @throws E_ARGUMENT */
export function checkDays(days: number): number {
  if (Number.isInteger(days) && days >= 1 && days <= AUTHORITY_DAYS) return days;
  throw new ChunkmeshError('E_ARGUMENT', `a certificate is valid for 1 to ${AUTHORITY_DAYS} days, not ${days}`);
}

/** Whether the certificate is of this key, Ed25519, 32 bytes. */
export function isKeyOf(certificate: X509Certificate, publicKey: Uint8Array): boolean {
  return Buffer.from(rawPublicKey(certificate.publicKey)).equals(publicKey);
}

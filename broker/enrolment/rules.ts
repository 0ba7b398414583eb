import type { Standing } from '../../shared/control/revocation.js';
import type { ErrorCode } from '../../shared/errors.js';
import type { Holder } from '../../shared/identity/certificate.js';
import { keyFingerprint } from '../../shared/identity/request.js';
import type { Member } from '../fleet/fleet_file.js';
import type { CertificateRequest } from './request.js';
import type { TokenRow } from './token_file.js';

/** What a registrar does with a request (P-13.10, P-13.12). Pure: no file, no clock. Times are seconds since the epoch. */

export type Decision =
  /** Make it, and note first for whom. */
  | { readonly what: 'issue' }
  /** It was noted for this very key: give what was made, or make it if it was not. */
  | { readonly what: 'again' }
  | { readonly what: 'refuse'; readonly code: ErrorCode; readonly why: string };

/** A certificate is renewed once half of its life has passed: who asks sooner has a wrong clock, or means to wear the registrar out. */
const LEAST_PART_PASSED = 1 / 2;

const refuse = (code: ErrorCode, why: string): Decision => ({ what: 'refuse', code, why });

export interface JoinCase {
  /** By the certificate that signed; undefined where there is none. */
  readonly token: TokenRow | undefined;
  /** Of the newcomer, as its certificate names it. */
  readonly newcomer: Holder;
  readonly request: CertificateRequest;
  /** Of the id that is asked for. */
  readonly member: Member | undefined;
  /** P-14.5, of the newcomer's certificate and of any that the id may have had. */
  readonly standing: { readonly newcomer: Standing; readonly id: Standing };
  readonly now: number;
}

/** P-13.10, in its order. */
export function decideJoin({ token, newcomer, request, member, standing, now }: JoinCase): Decision {
  const { id, publicKey } = request;
  if (standing.newcomer !== 'good')
    return refuse('E_PEER_REVOKED', `${newcomer.identity.id} is on the revocation list`);
  if (token === undefined) return refuse('E_TOKEN_UNKNOWN', 'no such token');
  if (Buffer.from(newcomer.publicKey).equals(publicKey)) {
    return refuse('E_REQUEST_INVALID', 'the key is the token’s, which is not the device’s alone');
  }
  if (standing.id !== 'good') return refuse('E_DEVICE_EXISTS', `${id} is on the revocation list (${standing.id})`);
  if (token.used !== undefined) {
    const same = token.used.key === keyFingerprint(publicKey) && token.used.device === id;
    return same ? { what: 'again' } : refuse('E_TOKEN_USED', `used by ${token.used.device}, with another key or id`);
  }
  if (now >= token.expires) return refuse('E_TOKEN_EXPIRED', `expired ${now - token.expires} s ago`);
  if (token.device !== undefined && token.device !== id) {
    return refuse('E_TOKEN_DEVICE', `the token is for ${token.device}`);
  }
  if (member !== undefined) return refuse('E_DEVICE_EXISTS', `${id} is in the roster already`);
  return { what: 'issue' };
}

export interface RenewalCase {
  /** The signer, and the fingerprint of the certificate that signed. */
  readonly signer: Holder;
  readonly fingerprint: string;
  readonly request: CertificateRequest;
  /** The signer's row; undefined where it left the roster. */
  readonly member: Member | undefined;
  /** The public key of the newest certificate that the roster has of it. */
  readonly newestKey: Uint8Array | undefined;
  /** Revoked members, and those in quarantine, may not. */
  readonly mayRenew: boolean;
  readonly now: number;
}

/** P-13.12, in its order. */
export function decideRenewal(about: RenewalCase): Decision {
  const { signer, fingerprint, request, member, newestKey, mayRenew, now } = about;
  const { id } = signer.identity;
  if (request.id !== id) return refuse('E_REQUEST_INVALID', `${id} asks for a certificate of ${request.id}`);
  const known = member && [member, ...(member.before ?? [])].some((one) => one.fingerprint === fingerprint);
  if (member === undefined || !known) return refuse('E_RENEWAL_REFUSED', 'the roster has no such certificate');
  if (!mayRenew) return refuse('E_RENEWAL_REFUSED', 'revoked, or in quarantine');
  if (member.fingerprint !== fingerprint) {
    const same = newestKey !== undefined && Buffer.from(newestKey).equals(request.publicKey);
    return same ? { what: 'again' } : refuse('E_RENEWAL_REFUSED', 'renewed already, for another key');
  }
  const { notBefore, notAfter } = signer;
  if (now < notBefore + (notAfter - notBefore) * LEAST_PART_PASSED) {
    return refuse('E_RENEWAL_REFUSED', 'less than half of its life has passed');
  }
  return { what: 'issue' };
}

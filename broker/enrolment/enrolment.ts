import { randomBytes } from 'node:crypto';
import { checkId } from '../../shared/control/ids.js';
import type { Standing } from '../../shared/control/revocation.js';
import type { Identity } from '../../shared/control/topics.js';
import { rawPublicKey, SigningKey } from '../../shared/crypto/signature.js';
import { writeToken } from '../../shared/enrolment/token.js';
import { ChunkmeshError } from '../../shared/errors.js';
import { type Holder, parseX509 } from '../../shared/identity/certificate.js';
import { keyFingerprint } from '../../shared/identity/request.js';
import { MEMBER_DAYS, type Validity, validFor } from '../fleet/authority.js';
import type { Fleet, FleetDraft } from '../fleet/fleet.js';
import { fingerprintOf, type Member } from '../fleet/fleet_file.js';
import { checkDays, identityOf, isKeyOf, memberOf } from '../fleet/member.js';
import { graver, standingIn } from '../revocation/register.js';
import { readRegister } from '../revocation/register_file.js';
import { type CertificateRequest, readRequest } from './request.js';
import { type Decision, decideJoin, decideRenewal } from './rules.js';
import { MAX_TOKENS, readTokens, writeTokens } from './token_file.js';

/** Tokens, and the certificates that are given for them and for those that end (P-13.8 to P-13.12): the files, without a broker. */

export const MAX_TOKENS_AT_ONCE = 1000;
const MIN_TOKEN_SECONDS = 60;
const MAX_TOKEN_SECONDS = 366 * 86_400;
const NEWCOMER_ID_BYTES = 16;
const SEED_BYTES = 32;

export interface Grant {
  readonly count: number;
  readonly role?: 'device' | 'seed';
  readonly site?: string;
  readonly groups?: readonly string[];
  /** Only this id may be asked for: then there is one token. */
  readonly device?: string;
  /** How long the token is good. */
  readonly expiresSeconds: number;
  /** How long the device's certificate is valid. Default 365. */
  readonly days?: number;
}

export interface MadeToken {
  readonly newcomer: string;
  /** Seconds since the epoch. */
  readonly expires: number;
  /** The line that goes to the device: a secret. */
  readonly token: string;
}

/** Who asks, as the envelope says: it was opened, so the signature and the certificate are good. */
export interface Asker {
  readonly signer: Holder;
  /** SHA-256 of the certificate that signed, hex. */
  readonly fingerprint: string;
}

export interface Issued {
  readonly how: 'joined' | 'renewed';
  /** Whether it had been made before. */
  readonly again: boolean;
  readonly device: string;
  /** DER. */
  readonly certificate: Uint8Array;
}

/** P-14.5. `refresh` looks again at where the list is kept. */
export interface Listed {
  refresh(): Promise<unknown>;
  of(member: { readonly id: string }, notBefore: number): Standing;
}

export interface EnrolmentOptions {
  readonly fleet: Fleet;
  /** Seconds since the epoch. */
  readonly now: () => number;
  /** Whether a member's certificate may be renewed, of those that are on no list. Default: everyone's that is in the roster. */
  readonly mayRenew?: (id: string) => boolean;
  /** What the fleet's list says, where it is known beside the folder's register: another operator may have published it. */
  readonly list?: Listed;
  /** How long a renewed certificate is valid. Default: as long as the one before it. */
  readonly renewDays?: number;
}

export class Enrolment {
  readonly #fleet: Fleet;
  readonly #options: EnrolmentOptions;

  constructor(options: EnrolmentOptions) {
    this.#fleet = options.fleet;
    this.#options = options;
  }

  /** @throws E_ARGUMENT, E_ID, E_TIMEOUT, E_FLEET_MISSING, E_CONFIG, E_FILE_UNREADABLE */
  async makeTokens(grant: Grant): Promise<MadeToken[]> {
    checkGrant(grant);
    const { role = 'device', device, days = MEMBER_DAYS, expiresSeconds } = grant;
    const { site, groups } = identityOf(this.#fleet.fleet, 'newcomer', grant);
    const now = Math.floor(this.#options.now());
    const validity = { ...validFor(now * 1000, 0), notAfter: new Date((now + expiresSeconds) * 1000) };
    return this.#fleet.locked(async (draft) => {
      const tokens = (await readTokens(this.#fleet.folder)).filter(({ expires }) => expires > now);
      if (tokens.length + grant.count > MAX_TOKENS) {
        throw new ChunkmeshError('E_ARGUMENT', `${tokens.length} tokens are good: a fleet has at most ${MAX_TOKENS}`);
      }
      const root = new Uint8Array(Buffer.from(await draft.root()));
      const rows: Member[] = [];
      const made: MadeToken[] = [];
      for (let i = 0; i < grant.count; i++) {
        const { member, token } = await this.#newcomer(draft, root, validity);
        rows.push(member);
        made.push({ newcomer: member.id, expires: member.notAfter, token });
        const { id: newcomer, fingerprint, notAfter: expires } = member;
        tokens.push({
          ...{ newcomer, fingerprint, role, site, groups: [...groups], days, expires },
          ...(device !== undefined && { device }),
        });
      }
      // What they grant first: a newcomer whom no token stands behind is refused, and one without a row is not let in.
      await writeTokens(this.#fleet.folder, tokens, now);
      await draft.admitNewcomers(rows);
      return made;
    });
  }

  /**
   * P-13.10, P-13.12: what a request gets. The mark that a token is used is on the disk before anything is made for it.
   * @throws E_REQUEST_INVALID, E_TOKEN_*, E_DEVICE_EXISTS, E_RENEWAL_REFUSED; what the files throw
   */
  async answer(asker: Asker, csr: Uint8Array): Promise<Issued> {
    const request = readRequest(csr);
    return this.#fleet.locked((draft) =>
      asker.signer.identity.role === 'newcomer'
        ? this.#join(draft, asker, request)
        : this.#renew(draft, asker, request),
    );
  }

  /**
   * What register and list say of a certificate, the graver of both.
   * @param notBefore seconds since the epoch; 0: any that the member may have had @throws E_FILE_UNREADABLE
   */
  async standing(id: string, notBefore: number): Promise<Standing> {
    return (await this.#standings())(id, notBefore);
  }

  async #standings(): Promise<(id: string, notBefore: number) => Standing> {
    const { list } = this.#options;
    await list?.refresh();
    const register = await readRegister(this.#fleet.folder);
    return (id, notBefore) => graver(standingIn(register, id, notBefore), list?.of({ id }, notBefore));
  }

  async #newcomer(
    { authority }: FleetDraft,
    root: Uint8Array,
    validity: Validity,
  ): Promise<{ member: Member; token: string }> {
    const { fleet, prefix, broker, ca } = this.#fleet;
    const seed = new Uint8Array(randomBytes(SEED_BYTES));
    const id = `n-${randomBytes(NEWCOMER_ID_BYTES).toString('base64url')}`;
    const identity: Identity = { fleet, id, role: 'newcomer', site: 'newcomers', groups: [] };
    const pem = await authority.issueMember(identity, SigningKey.fromSeed(seed).publicKey, validity);
    const token = writeToken({
      ...{ fleet, prefix, broker, seed, root },
      ca: new Uint8Array(parseX509(ca).raw),
      certificate: new Uint8Array(parseX509(pem).raw),
    });
    return { member: memberOf(identity, pem), token };
  }

  async #join(draft: FleetDraft, asker: Asker, request: CertificateRequest): Promise<Issued> {
    const now = Math.floor(this.#options.now());
    const { id: device, publicKey } = request;
    const tokens = await readTokens(this.#fleet.folder);
    const token = tokens.find(({ fingerprint }) => fingerprint === asker.fingerprint);
    const member = draft.roster.find(({ id }) => id === device);
    const { signer: newcomer } = asker;
    const standingOf = await this.#standings();
    const standing = { newcomer: standingOf(newcomer.identity.id, newcomer.notBefore), id: standingOf(device, 0) };
    const decision = decideJoin({ token, newcomer, request, member, standing, now });
    if (token === undefined || decision.what === 'refuse') throw refusal(decision);
    if (decision.what === 'issue') {
      token.used = { device, key: keyFingerprint(publicKey), at: now };
      await writeTokens(this.#fleet.folder, tokens, now);
    } else if (member !== undefined) {
      const certificate = await this.#given(member, publicKey);
      if (certificate === null) throw new ChunkmeshError('E_TOKEN_USED', `${device} has another certificate by now`);
      return { how: 'joined', again: true, device, certificate };
    }
    const { role, site, groups, days } = token;
    await draft.admitKey(device, publicKey, { role, site, groups, days });
    const made = await this.#fleet.certificateOf(device);
    if (made === null) throw new ChunkmeshError('E_INTERNAL', `no bundle of ${device} was written`);
    return { how: 'joined', again: decision.what === 'again', device, certificate: new Uint8Array(made.raw) };
  }

  async #renew(draft: FleetDraft, { signer, fingerprint }: Asker, request: CertificateRequest): Promise<Issued> {
    const { id: device } = signer.identity;
    const member = draft.roster.find(({ id }) => id === device);
    const kept = member && (await this.#fleet.certificateOf(device));
    // A bundle that was carried away, or one that a crash left before the roster had it, is not what is in force.
    const newest = kept && fingerprintOf(kept.raw) === member?.fingerprint ? kept : undefined;
    const isGood = (await this.standing(device, signer.notBefore)) === 'good'; // P-14.5
    const decision = decideRenewal({
      ...{ signer, fingerprint, request, member },
      newestKey: newest && rawPublicKey(newest.publicKey),
      mayRenew: isGood && (this.#options.mayRenew?.(device) ?? true),
      now: this.#options.now(),
    });
    if (member === undefined || decision.what === 'refuse') throw refusal(decision);
    if (decision.what === 'again' && newest !== undefined) {
      return { how: 'renewed', again: true, device, certificate: new Uint8Array(newest.raw) };
    }
    const certificate = await draft.renewKey(member, request.publicKey, this.#validityAfter(signer));
    return { how: 'renewed', again: false, device, certificate };
  }

  #validityAfter({ notBefore, notAfter }: Holder): Validity {
    const now = this.#options.now() * 1000;
    const { renewDays } = this.#options;
    if (renewDays !== undefined) return validFor(now, renewDays);
    const from = validFor(now, 0).notBefore;
    return { notBefore: from, notAfter: new Date(from.getTime() + (notAfter - notBefore) * 1000) };
  }

  /** The member's certificate, DER, where it is the one that the roster has, and of that key. */
  async #given({ id, fingerprint }: Member, publicKey: Uint8Array): Promise<Uint8Array | null> {
    const kept = await this.#fleet.certificateOf(id);
    if (kept === null || !isKeyOf(kept, publicKey) || fingerprintOf(kept.raw) !== fingerprint) return null;
    return new Uint8Array(kept.raw);
  }
}

function refusal(decision: Decision): ChunkmeshError {
  if (decision.what === 'refuse') return new ChunkmeshError(decision.code, decision.why);
  return new ChunkmeshError('E_INTERNAL', 'a decision without what it is about');
}

function checkGrant({ count, device, expiresSeconds, days }: Grant): void {
  if (device !== undefined) checkId(device, 'device');
  if (!Number.isInteger(count) || count < 1 || count > MAX_TOKENS_AT_ONCE) {
    throw new ChunkmeshError('E_ARGUMENT', `1 to ${MAX_TOKENS_AT_ONCE} tokens are made at a time, not ${count}`);
  }
  if (device !== undefined && count !== 1) throw new ChunkmeshError('E_ARGUMENT', 'a token for one device is one');
  if (!(expiresSeconds >= MIN_TOKEN_SECONDS && expiresSeconds <= MAX_TOKEN_SECONDS)) {
    throw new ChunkmeshError('E_ARGUMENT', 'a token is good for one minute to 366 days');
  }
  if (days !== undefined) checkDays(days);
}

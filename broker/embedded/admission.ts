import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { Standing } from '../../shared/control/revocation.js';
import { ChunkmeshError } from '../../shared/errors.js';
import { checkValidity, readCertificate } from '../../shared/identity/certificate.js';
import { fingerprintOf } from '../fleet/fleet_file.js';
import { AccessList } from '../policy/access.js';
import type { Standings } from '../revocation/standings.js';
import type { Roster } from './roster.js';

/** Who a client is and what it may do, from its certificate and the roster. */
export interface Admitted {
  readonly access: AccessList;
  readonly fingerprint: string;
  /** Of its certificate, seconds since the epoch. */
  readonly notBefore: number;
  /** P-14.9: as it was when it came; with another it has to come anew. */
  readonly standing: Standing;
}

export class Admission {
  readonly #authority: X509Certificate;
  readonly #fleet: string;
  readonly #prefix: string;
  readonly #roster: Roster;
  readonly #standings: Standings;

  constructor(authority: X509Certificate, fleet: string, prefix: string, roster: Roster, standings: Standings) {
    this.#authority = authority;
    this.#fleet = fleet;
    this.#prefix = prefix;
    this.#roster = roster;
    this.#standings = standings;
  }

  /**
   * The handshake has proved that the client holds the key, and has judged the chain; the judgement is read here. Dates are checked
   * again because a resumed TLS session does not.
   * @throws E_CERT_INVALID, E_CERT_FOREIGN, E_CERT_EXPIRED, E_BROKER_REFUSED, or why the roster cannot be read
   */
  async admit(socket: TLSSocket): Promise<Admitted> {
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined) throw new ChunkmeshError('E_CERT_INVALID', 'the client has no certificate');
    const holder = readCertificate(certificate, this.#authority, this.#fleet);
    checkValidity(holder, Math.floor(Date.now() / 1000));
    if (!socket.authorized) {
      throw new ChunkmeshError('E_CERT_INVALID', `the chain does not verify: ${String(socket.authorizationError)}`);
    }
    await this.#roster.refresh();
    const fingerprint = fingerprintOf(certificate.raw);
    if (!this.#roster.has(fingerprint)) {
      throw new ChunkmeshError('E_BROKER_REFUSED', `the roster has no such certificate of ${holder.identity.id}`);
    }
    await this.#standings.refresh();
    const { identity, notBefore } = holder;
    const standing = this.#standings.of(identity, notBefore);
    if (standing === 'revoked') throw new ChunkmeshError('E_BROKER_REFUSED', `${identity.id} is revoked (P-14.9)`);
    return { access: new AccessList(this.#prefix, identity, standing !== 'good'), fingerprint, notBefore, standing };
  }

  /** By the roster and the list as they were read last; null where it is not admitted any more. */
  again(admitted: Admitted): Admitted | null {
    const { access, fingerprint, notBefore } = admitted;
    const standing = this.#standings.of(access.identity, notBefore);
    if (standing === 'revoked' || !this.#roster.has(fingerprint)) return null;
    if (standing === admitted.standing) return admitted;
    return { ...admitted, access: new AccessList(this.#prefix, access.identity, standing !== 'good'), standing };
  }
}

import { X509Certificate } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { checkId, checkPrefix } from '../../shared/control/ids.js';
import type { Identity, Role } from '../../shared/control/topics.js';
import { SigningKey } from '../../shared/crypto/signature.js';
import { ChunkmeshError, systemCode } from '../../shared/errors.js';
import { type BundleFile, loadCredential, readPrivateFile } from '../../shared/identity/bundle.js';
import { MAX_GROUPS } from '../../shared/limits.js';
import { dynamicSecurityConfig } from '../mosquitto/dynamic_security.js';
import { writeAcl, writeCrl } from '../revocation/broker_files.js';
import { firstList } from '../revocation/first_list.js';
import { entryOf, type Register } from '../revocation/register.js';
import { readRegister } from '../revocation/register_file.js';
import { initTrust } from '../trust/ceremony.js';
import { TrustRepository } from '../trust/repository.js';
import { AUTHORITY_DAYS, Authority, MEMBER_DAYS, validFor } from './authority.js';
import { type FleetFile, fingerprintOf, type Member, readFleetFile, writeFleetFile } from './fleet_file.js';
import { withFleetLock } from './fleet_lock.js';
import { buildFolder } from './new_folder.js';
import { writePrivateFile } from './private_file.js';

/**
 * A fleet folder, mode 0700:
 *
 *     fleet.json                          names, publishers' keys, roster
 *     ca.key ca.crt                       the CA; ca.key is what an attacker wants most, and only enrolment needs it
 *     broker/server.key server.crt        the broker's; with ca.crt and fleet.json all that a broker's machine needs
 *     broker/acl ca.crl revoked           what it may do, whom it refuses (RFC 5280), and the revocation list as it is sealed (P-14)
 *     broker/dynamic-security.json        for that plugin of a Mosquitto: the operator may end connections
 *     revoked.json                        who is revoked, when, by whom and why
 *     trust/                              metadata and the keys that sign it (broker/trust)
 *     publisher.json operator.json auditor.json
 *     devices/<id>.json                   one credential bundle each
 */

const DEFAULT_PORT = 8883;
const DEFAULT_NAME = 'default';

export interface FleetOptions {
  readonly fleet: string;
  /** Default `chunkmesh/<fleet>` (P-1.4). */
  readonly prefix?: string;
  /** Names and addresses of the broker besides loopback; the first is what bundles name. */
  readonly hosts?: readonly string[];
  /** What bundles name. Default 8883. */
  readonly port?: number;
}

export interface EnrolOptions {
  readonly role?: Role;
  readonly site?: string;
  readonly groups?: readonly string[];
  /** How long the certificate is valid. Default 365. */
  readonly days?: number;
}

export interface RenewOptions extends EnrolOptions {
  /** Of a member that is there; what is not given stays as it is. */
  readonly renew?: boolean;
}

export class Fleet {
  readonly folder: string;
  readonly #authority: Authority;
  #file: FleetFile;

  private constructor(folder: string, authority: Authority, file: FleetFile) {
    this.folder = folder;
    this.#authority = authority;
    this.#file = file;
  }

  get fleet(): string {
    return this.#file.fleet;
  }

  get prefix(): string {
    return this.#file.prefix;
  }

  /** `mqtts://host:port` */
  get broker(): string {
    return this.#file.broker;
  }

  /** As of opening, or of this object's last enrolment. */
  get roster(): readonly Member[] {
    return this.#file.roster;
  }

  /** PEM, of the CA. */
  get ca(): string {
    return this.#authority.certificate;
  }

  /** The bundles that a new fleet comes with. */
  static readonly bundles = ['publisher', 'operator', 'auditor'] as const satisfies readonly Role[];

  /**
   * Makes a fleet in `folder`, whole or not at all.
   * @throws E_ID, E_TOPIC_PREFIX, E_ARGUMENT, E_FLEET_EXISTS, E_FILE_UNREADABLE
   */
  static async init(folder: string, options: FleetOptions): Promise<Fleet> {
    const fleet = checkId(options.fleet, 'fleet');
    const prefix = checkPrefix(options.prefix ?? `chunkmesh/${fleet}`);
    const hosts = (options.hosts ?? []).map(checkHost);
    const broker = brokerAddress(hosts[0] ?? 'localhost', options.port ?? DEFAULT_PORT);
    await buildFolder(resolve(folder), 'broker', 'fleet.json', async (draft) => {
      const caKey = SigningKey.generate();
      const validity = validFor(Date.now(), AUTHORITY_DAYS);
      const authority = await Authority.create(fleet, caKey, validity);
      await writePrivateFile(join(draft, 'ca.key'), caKey.exportPem());
      await writePrivateFile(join(draft, 'ca.crt'), authority.certificate);
      const serverKey = SigningKey.generate();
      await mkdir(join(draft, 'broker'), { mode: 0o700 });
      await mkdir(join(draft, 'devices'), { mode: 0o700 });
      await writePrivateFile(join(draft, 'broker/server.key'), serverKey.exportPem());
      const certificate = await authority.issueServer(fleet, hosts, serverKey.publicKey, validity);
      await writePrivateFile(join(draft, 'broker/server.crt'), certificate);
      await initTrust(await TrustRepository.open(draft), Math.floor(Date.now() / 1000));
      const file: FleetFile = { v: 2, fleet, prefix, broker, roster: [] };
      await writeFleetFile(draft, file);
      const made = new Fleet(draft, authority, file);
      for (const role of Fleet.bundles) await made.#admit(role, { role, groups: [] });
      await writePrivateFile(
        join(draft, 'broker/dynamic-security.json'),
        dynamicSecurityConfig({ username: 'operator' }),
      );
      await writeCrl(draft, authority, await firstList(draft, await loadCredential(made.bundlePath('operator'))));
    });
    return Fleet.open(folder);
  }

  /** @throws E_FLEET_MISSING, E_CONFIG, E_FILE_UNREADABLE, E_KEY_FILE_MODE, E_BUNDLE, E_CERT_INVALID */
  static async open(folder: string): Promise<Fleet> {
    const path = resolve(folder);
    const file = await readFleetFile(path);
    const key = await readPrivateFile(join(path, 'ca.key'));
    let certificate: string;
    try {
      certificate = await readFile(join(path, 'ca.crt'), 'utf8');
    } catch (cause) {
      throw new ChunkmeshError('E_FILE_UNREADABLE', `${path}/ca.crt: ${systemCode(cause) ?? ''}`, { cause });
    }
    return new Fleet(path, await Authority.fromPem(key, certificate), file);
  }

  /** Where the bundle of a member is or would be. */
  bundlePath(id: string): string {
    const own = (Fleet.bundles as readonly string[]).includes(id);
    return own ? join(this.folder, `${id}.json`) : join(this.folder, 'devices', `${id}.json`);
  }

  /**
   * Gives `id` a key, a certificate and a place in the roster; with `renew`, instead of those that it has.
   * @returns the path of its credential bundle, mode 0600
   * @throws E_ID, E_ARGUMENT, E_DEVICE_EXISTS, E_FILE_UNREADABLE, E_TIMEOUT, E_FLEET_MISSING, E_CONFIG
   */
  async enroll(id: string, { renew = false, ...options }: RenewOptions = {}): Promise<string> {
    checkId(id, 'device');
    return withFleetLock(this.folder, async () => {
      this.#file = await readFleetFile(this.folder);
      const before = this.#file.roster.find((member) => member.id === id);
      if (!renew) return this.#admit(id, options);
      if (before === undefined) {
        throw new ChunkmeshError('E_ARGUMENT', `${id} is not in the roster: enroll it without --renew`);
      }
      this.#forget(before);
      const { role, site, groups } = before;
      return this.#admit(id, { role, site, groups, ...options });
    });
  }

  /** `broker/ca.crl` as the register says (P-14.9). @throws E_STORE_IO */
  writeCrl(register: Register): Promise<void> {
    return writeCrl(this.folder, this.#authority, register);
  }

  /** In memory alone: the file is written with the next member. */
  #forget({ id }: Member): void {
    this.#file = { ...this.#file, roster: this.#file.roster.filter((member) => member.id !== id) };
  }

  async #admit(id: string, options: EnrolOptions): Promise<string> {
    const { roster } = this.#file;
    if (roster.some((member) => member.id === id)) {
      throw new ChunkmeshError('E_DEVICE_EXISTS', `${id} is in the roster already`);
    }
    const identity = identityOf(this.fleet, id, options);
    const key = SigningKey.generate();
    const register = await readRegister(this.folder);
    const revokedSince = entryOf(register, id)?.since;
    const validity = validFor(Date.now(), checkDays(options.days ?? MEMBER_DAYS), revokedSince);
    const certificate = await this.#authority.issueMember(identity, key.publicKey, validity);
    const bundle: BundleFile = {
      v: 2,
      fleet: this.fleet,
      prefix: this.prefix,
      broker: this.broker,
      ca: this.ca,
      certificate,
      key: key.exportPem(),
      root: await newestRoot(this.folder),
    };
    // The bundle first: what is cut short here leaves no member without a bundle, and the bundle is written anew.
    await writePrivateFile(this.bundlePath(id), `${JSON.stringify(bundle, null, 2)}\n`);
    roster.push(memberOf(identity, certificate));
    await writeFleetFile(this.folder, this.#file);
    // For a broker that is not ours: always what the roster says.
    await writeAcl(this.folder, this.#file, register);
    return this.bundlePath(id);
  }
}

/** JSON text: what a new bundle pins (P-12.1). @throws E_TRUST_SIGNATURE where none is signed yet */
async function newestRoot(folder: string): Promise<string> {
  const repository = await TrustRepository.open(folder);
  return (await repository.root()).bytes.toString('utf8');
}

function identityOf(fleet: string, id: string, options: EnrolOptions): Identity {
  const groups = [...new Set(options.groups ?? [DEFAULT_NAME])];
  if (groups.length > MAX_GROUPS) throw new ChunkmeshError('E_ARGUMENT', `at most ${MAX_GROUPS} groups (P-3.5)`);
  for (const group of groups) checkId(group, 'group');
  return { fleet, id, role: options.role ?? 'device', site: checkId(options.site ?? DEFAULT_NAME, 'site'), groups };
}

function memberOf({ id, role, site, groups }: Identity, certificate: string): Member {
  const parsed = new X509Certificate(certificate);
  const [notBefore, notAfter] = [parsed.validFrom, parsed.validTo].map((date) => Math.floor(Date.parse(date) / 1000));
  const serial = parsed.serialNumber.toLowerCase();
  const fingerprint = fingerprintOf(parsed.raw);
  return {
    id,
    role,
    site,
    groups: [...groups],
    fingerprint,
    notAfter: notAfter ?? 0,
    notBefore: notBefore ?? 0,
    serial,
  };
}

function checkDays(days: number): number {
  if (Number.isInteger(days) && days >= 1 && days <= AUTHORITY_DAYS) return days;
  throw new ChunkmeshError('E_ARGUMENT', `a certificate is valid for 1 to ${AUTHORITY_DAYS} days, not ${days}`);
}

/** A DNS name or an IP address, as a certificate names it. */
function checkHost(host: string): string {
  if (/^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/.test(host) || /^[0-9A-Fa-f:]{2,39}$/.test(host)) return host;
  throw new ChunkmeshError('E_ARGUMENT', `${JSON.stringify(host.slice(0, 80))} is not a host name or address`);
}

function brokerAddress(host: string, port: number): string {
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new ChunkmeshError('E_ARGUMENT', `port ${port} is not from 1 to 65535`);
  }
  return `mqtts://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

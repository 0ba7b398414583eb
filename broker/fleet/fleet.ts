import type { X509Certificate } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { checkId, checkPrefix } from '../../shared/control/ids.js';
import type { Role } from '../../shared/control/topics.js';
import { SigningKey } from '../../shared/crypto/signature.js';
import { ChunkmeshError, systemCode } from '../../shared/errors.js';
import { type BundleFile, loadCredential, parseBundle, readPrivateFile } from '../../shared/identity/bundle.js';
import { parseX509 } from '../../shared/identity/certificate.js';
import { writePrivateFile } from '../../shared/private_file.js';
import { dynamicSecurityConfig } from '../mosquitto/dynamic_security.js';
import { writeAcl, writeCrl } from '../revocation/broker_files.js';
import { firstList } from '../revocation/first_list.js';
import { entryOf, type Register } from '../revocation/register.js';
import { readRegister } from '../revocation/register_file.js';
import { initTrust } from '../trust/ceremony.js';
import { TrustRepository } from '../trust/repository.js';
import { AUTHORITY_DAYS, Authority, MEMBER_DAYS, type Validity, validFor } from './authority.js';
import { brokerAddress, checkHost } from './broker_name.js';
import { type FleetFile, type Member, readFleetFile, writeFleetFile } from './fleet_file.js';
import { withFleetLock } from './fleet_lock.js';
import {
  checkDays,
  type EnrolOptions,
  identityOf,
  isKeyOf,
  keyFileOf,
  memberOf,
  renewedRow,
  replacedBy,
  stillValid,
} from './member.js';
import { buildFolder } from './new_folder.js';

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
 *     publisher.json operator.json auditor.json registrar.json
 *     devices/<id>.json                   one credential bundle each; without its key where that was made on the device
 *     tokens.json                         what one-time tokens grant; none of them opens anything
 */

const DEFAULT_PORT = 8883;

export type { EnrolOptions } from './member.js';

export interface FleetOptions {
  readonly fleet: string;
  /** Default `chunkmesh/<fleet>` (P-1.4). */
  readonly prefix?: string;
  /** Names and addresses of the broker besides loopback; the first is what bundles name. */
  readonly hosts?: readonly string[];
  /** What bundles name. Default 8883. */
  readonly port?: number;
}

/** What may be done to a fleet while nobody else changes it. */
export interface FleetDraft {
  readonly roster: readonly Member[];
  /** The newest root metadata, JSON text: what bundles and tokens pin (P-12.1). */
  root(): Promise<string>;
  readonly authority: Authority;
  /** As `enrollKey`, of an id that is not there. */
  admitKey(id: string, publicKey: Uint8Array, options: EnrolOptions): Promise<string>;
  /** Another certificate for a member that is there; those that it has stay good until they end (P-13.12). @returns DER */
  renewKey(member: Member, publicKey: Uint8Array, validity: Validity): Promise<Uint8Array>;
  /** Rows for newcomers, and all at once (P-13.8). */
  admitNewcomers(rows: readonly Member[]): Promise<void>;
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
  static readonly bundles = ['publisher', 'operator', 'auditor', 'registrar'] as const satisfies readonly Role[];

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
    return this.#enroll(id, options, renew);
  }

  /**
   * As `enroll`, for a key that stays where it is (P-13.6): the bundle names a file for it, `<id>.key` beside it.
   * @param publicKey Ed25519, 32 bytes
   */
  async enrollKey(
    id: string,
    publicKey: Uint8Array,
    { renew = false, ...options }: RenewOptions = {},
  ): Promise<string> {
    return this.#enroll(id, options, renew, publicKey);
  }

  async #enroll(id: string, options: EnrolOptions, renew: boolean, publicKey?: Uint8Array): Promise<string> {
    checkId(id, 'device');
    return this.locked(async () => {
      const before = this.#file.roster.find((member) => member.id === id);
      if (!renew) return this.#admit(id, options, publicKey);
      if (before === undefined) {
        throw new ChunkmeshError('E_ARGUMENT', `${id} is not in the roster: enroll it without --renew`);
      }
      this.#forget(before);
      const { role, site, groups } = before;
      return this.#admit(id, { role, site, groups, ...options }, publicKey, replacedBy(before));
    });
  }

  /** Runs `change` on the fleet as it stands, while nobody else changes it. @throws E_TIMEOUT, E_FLEET_MISSING, E_CONFIG */
  async locked<T>(change: (draft: FleetDraft) => Promise<T>): Promise<T> {
    return withFleetLock(this.folder, async () => {
      this.#file = await readFleetFile(this.folder);
      return change({
        ...{ roster: this.#file.roster, authority: this.#authority },
        root: () => newestRoot(this.folder),
        admitKey: (id, publicKey, options) => this.#admit(id, options, publicKey),
        renewKey: (member, publicKey, validity) => this.#renewKey(member, publicKey, validity),
        admitNewcomers: async (rows) => {
          this.#file.roster.push(...rows);
          await this.#save();
        },
      });
    });
  }

  /** `broker/ca.crl` as the register says (P-14.9). @throws E_STORE_IO */
  writeCrl(register: Register): Promise<void> {
    return writeCrl(this.folder, this.#authority, register);
  }

  /**
   * The certificate of the bundle that the fleet has of a member; null where it was carried to the device and not kept.
   * @throws E_FILE_UNREADABLE, E_KEY_FILE_MODE, E_BUNDLE, E_CERT_INVALID
   */
  async certificateOf(id: string): Promise<X509Certificate | null> {
    const bundle = await this.#bundleOf(id);
    return bundle && parseX509(bundle.certificate);
  }

  async #bundleOf(id: string): Promise<BundleFile | null> {
    const path = this.bundlePath(id);
    try {
      return parseBundle(await readPrivateFile(path), path);
    } catch (error) {
      if (error instanceof ChunkmeshError && systemCode(error.cause) === 'ENOENT') return null;
      throw error;
    }
  }

  async #renewKey(member: Member, publicKey: Uint8Array, validity: Validity): Promise<Uint8Array> {
    const bundle = await this.#bundleOf(member.id);
    const same = bundle !== null && isKeyOf(parseX509(bundle.certificate), publicKey);
    const identity = { ...member, fleet: this.fleet };
    const certificate = await this.#authority.issueMember(identity, publicKey, validity);
    await this.#writeBundle(member.id, certificate, same ? bundle.key : keyFileOf(member.id));
    const renewed = renewedRow(member, memberOf(identity, certificate));
    const roster = this.#file.roster.map((one) => (one.id === member.id ? renewed : one));
    this.#file = { ...this.#file, roster };
    await this.#save();
    return new Uint8Array(parseX509(certificate).raw);
  }

  async #writeBundle(id: string, certificate: string, key: BundleFile['key']): Promise<void> {
    const { fleet, prefix, broker } = this.#file;
    const root = await newestRoot(this.folder);
    const bundle: BundleFile = { v: 2, fleet, prefix, broker, ca: this.ca, certificate, key, root };
    await writePrivateFile(this.bundlePath(id), `${JSON.stringify(bundle, null, 2)}\n`);
  }

  /** Without what has ended: newcomers, and certificates that were renewed. */
  async #save(): Promise<void> {
    const roster = stillValid(this.#file.roster, Date.now() / 1000);
    this.#file = { ...this.#file, roster };
    await writeFleetFile(this.folder, this.#file);
    // For a broker that is not ours: always what the roster says.
    await writeAcl(this.folder, this.#file, await readRegister(this.folder));
  }

  /** In memory alone: the file is written with the next member. */
  #forget({ id }: Member): void {
    this.#file = { ...this.#file, roster: this.#file.roster.filter((member) => member.id !== id) };
  }

  async #admit(
    id: string,
    options: EnrolOptions,
    asked?: Uint8Array,
    replaced: Member['replaced'] = [],
  ): Promise<string> {
    const { roster } = this.#file;
    if (roster.some((member) => member.id === id)) {
      throw new ChunkmeshError('E_DEVICE_EXISTS', `${id} is in the roster already`);
    }
    const identity = identityOf(this.fleet, id, options);
    const key = asked === undefined ? SigningKey.generate() : null;
    const publicKey = asked ?? key?.publicKey ?? new Uint8Array();
    const revokedSince = entryOf(await readRegister(this.folder), id)?.since;
    const validity = options.validity ?? validFor(Date.now(), checkDays(options.days ?? MEMBER_DAYS), revokedSince);
    const certificate = await this.#authority.issueMember(identity, publicKey, validity);
    // The bundle first: what is cut short here leaves no member without a bundle, and the bundle is written anew.
    await this.#writeBundle(id, certificate, key?.exportPem() ?? keyFileOf(id));
    roster.push({ ...memberOf(identity, certificate), replaced });
    await this.#save();
    return this.bundlePath(id);
  }
}

/** JSON text: what a new bundle pins (P-12.1). @throws E_TRUST_SIGNATURE where none is signed yet */
async function newestRoot(folder: string): Promise<string> {
  const repository = await TrustRepository.open(folder);
  return (await repository.root()).bytes.toString('utf8');
}

import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Logger } from 'pino';
import { topics } from '../../shared/control/topics.js';
import { ChunkmeshError } from '../../shared/errors.js';
import { writePrivateFile } from '../../shared/private_file.js';
import { readFleetFile } from '../fleet/fleet_file.js';
import { mosquittoAcl } from '../policy/mosquitto_acl.js';
import { mosquittoConf } from '../policy/mosquitto_conf.js';
import { aclOf } from '../revocation/broker_files.js';
import { readRegister } from '../revocation/register_file.js';
import type { Standings } from '../revocation/standings.js';
import { AdminClient } from './admin_client.js';
import { BrokerProcess } from './broker_process.js';
import { dynamicSecurityConfig, findDynamicSecurity } from './dynamic_security.js';
import { findMosquitto, INSTALL_MOSQUITTO } from './executable.js';
import { freePort } from './free_port.js';
import { Revocations } from './revocations.js';

/** Between choosing a free port and Mosquitto's taking it, another program may. */
const MAX_PORT_ATTEMPTS = 5;
/** No certificate can have this name (P-1.1). */
const ADMIN = '$chunkmesh';
const SECURITY_FILE = 'dynamic-security.json';
const SOCKET = 'admin.sock';

export interface MosquittoOptions {
  readonly fleetDir: string;
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  readonly logger: Logger;
}

/** The installed `mosquitto` on a fleet folder, with a configuration and an access list made from the fleet. */
export class Mosquitto {
  readonly address: { readonly host: string; readonly port: number };
  readonly #fleetDir: string;
  readonly #runDir: string;
  readonly #process: BrokerProcess;
  #revocations: Revocations | undefined;

  private constructor(options: MosquittoOptions, port: number, runDir: string, process: BrokerProcess) {
    this.address = { host: options.host, port };
    this.#fleetDir = resolve(options.fleetDir);
    this.#runDir = runDir;
    this.#process = process;
  }

  /**
   * Resolves when the port accepts.
   * @throws E_NOT_INSTALLED, E_FLEET_MISSING, E_CONFIG, and E_BROKER_START with the program's last lines
   */
  static async start(options: MosquittoOptions): Promise<Mosquitto> {
    const program = findMosquitto();
    if (program === null) {
      throw new ChunkmeshError('E_NOT_INSTALLED', `mosquitto is not installed; run \`${INSTALL_MOSQUITTO}\``);
    }
    const acl = await compileAcl(options.fleetDir);
    const runDir = await mkdtemp(join(tmpdir(), 'chunkmesh-mosquitto-'));
    try {
      await writePrivateFile(join(runDir, 'acl'), acl);
      const { prefix } = await readFleetFile(options.fleetDir);
      const password = randomBytes(24).toString('base64url');
      const topic = topics.revoked(prefix);
      await writePrivateFile(
        join(runDir, SECURITY_FILE),
        dynamicSecurityConfig({ username: ADMIN, password, topics: [topic] }),
      );
      const broker = await Mosquitto.#run(options, program, runDir);
      await broker.#followList(password, topic, options.logger);
      return broker;
    } catch (error) {
      await rm(runDir, { recursive: true, force: true });
      throw error;
    }
  }

  static async #run(options: MosquittoOptions, program: string, runDir: string): Promise<Mosquitto> {
    for (let attempt = 1; ; attempt++) {
      const port = options.port === 0 ? await freePort(options.host) : options.port;
      await writeFile(join(runDir, 'mosquitto.conf'), configuration(options, port, runDir), { mode: 0o600 });
      const process = BrokerProcess.spawn(program, ['-c', join(runDir, 'mosquitto.conf')], options.logger);
      const started = await process.ready(options.host, port);
      if (started) return new Mosquitto(options, port, runDir, process);
      await process.close();
      if (options.port === 0 && attempt < MAX_PORT_ATTEMPTS && process.output.includes('in use')) continue;
      throw new ChunkmeshError('E_BROKER_START', `mosquitto on port ${port}: ${process.output || 'said nothing'}`);
    }
  }

  /** Makes the access list anew from the roster and the revocation list. */
  async reload(): Promise<void> {
    const standings = this.#revocations?.standings;
    await writePrivateFile(join(this.#runDir, 'acl'), await compileAcl(this.#fleetDir, standings));
    await this.#process.hangUp();
  }

  /** Resolves when it has ended; by force after a while. */
  async close(): Promise<void> {
    await this.#revocations?.close();
    await this.#process.close();
    await rm(this.#runDir, { recursive: true, force: true });
  }

  async #followList(password: string, topic: string, logger: Logger): Promise<void> {
    const socket = findDynamicSecurity() === null ? null : join(this.#runDir, SOCKET);
    try {
      const admin = socket === null ? null : await AdminClient.connect(socket, ADMIN, password);
      if (admin === null) logger.warn('without its dynamic-security plugin, mosquitto leaves who is revoked connected');
      this.#revocations = await Revocations.follow({
        ...{ folder: this.#fleetDir, topic, admin, logger },
        reload: () => this.reload(),
      });
    } catch (error) {
      await this.#process.close();
      throw error;
    }
  }
}

/**
 * The access list of a fleet folder as it stands.
 * @param standings by the list that the broker goes by, where it is not the folder's own @throws E_FLEET_MISSING, E_CONFIG
 */
export async function compileAcl(fleetDir: string, standings?: Standings): Promise<string> {
  const file = await readFleetFile(fleetDir);
  if (standings === undefined) return aclOf(file, await readRegister(fleetDir));
  const { fleet, prefix, roster } = file;
  return mosquittoAcl(fleet, prefix, roster, (member) => standings.of(member, member.notBefore ?? 0));
}

function configuration({ fleetDir, host }: MosquittoOptions, port: number, runDir: string): string {
  const plugin = findDynamicSecurity();
  const crlFile = join(resolve(fleetDir), 'broker/ca.crl');
  return mosquittoConf({
    fleetDir: resolve(fleetDir),
    aclFile: join(runDir, 'acl'),
    host,
    port,
    ...(existsSync(crlFile) && { crlFile }),
    ...(plugin !== null && {
      dynamicSecurity: { plugin, file: join(runDir, SECURITY_FILE), socket: join(runDir, SOCKET) },
    }),
    // Started by root it would become `mosquitto`, who cannot look into a private fleet folder; opening the folder to that user
    // would be worse than a broker that keeps its rights for the minutes that it runs.
    ...(process.getuid?.() === 0 && { user: 'root' }),
  });
}

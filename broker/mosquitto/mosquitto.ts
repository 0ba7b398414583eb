import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Logger } from 'pino';
import { ChunkmeshError } from '../../shared/errors.js';
import { readFleetFile } from '../fleet/fleet_file.js';
import { writePrivateFile } from '../fleet/private_file.js';
import { mosquittoAcl } from '../policy/mosquitto_acl.js';
import { mosquittoConf } from '../policy/mosquitto_conf.js';
import { BrokerProcess } from './broker_process.js';
import { findMosquitto, INSTALL_MOSQUITTO } from './executable.js';
import { freePort } from './free_port.js';

/** Between choosing a free port and Mosquitto's taking it, another program may. */
const MAX_PORT_ATTEMPTS = 5;

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
    } catch (error) {
      await rm(runDir, { recursive: true, force: true });
      throw error;
    }
  }

  /** Makes the access list anew from the roster, for members enrolled since. */
  async reload(): Promise<void> {
    await writePrivateFile(join(this.#runDir, 'acl'), await compileAcl(this.#fleetDir));
    this.#process.hangUp();
  }

  /** Resolves when it has ended; by force after a while. */
  async close(): Promise<void> {
    await this.#process.close();
    await rm(this.#runDir, { recursive: true, force: true });
  }
}

/** The access list of a fleet folder as it stands. @throws E_FLEET_MISSING, E_CONFIG */
export async function compileAcl(fleetDir: string): Promise<string> {
  const { fleet, prefix, roster } = await readFleetFile(fleetDir);
  return mosquittoAcl(fleet, prefix, roster);
}

function configuration({ fleetDir, host }: MosquittoOptions, port: number, runDir: string): string {
  return mosquittoConf({
    fleetDir: resolve(fleetDir),
    aclFile: join(runDir, 'acl'),
    host,
    port,
    // Started by root it would become `mosquitto`, who cannot look into a private fleet folder; opening the folder to that user
    // would be worse than a broker that keeps its rights for the minutes that it runs.
    ...(process.getuid?.() === 0 && { user: 'root' }),
  });
}

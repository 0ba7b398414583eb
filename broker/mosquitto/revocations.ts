import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Standing } from '../../shared/control/revocation.js';
import { readFleetFile } from '../fleet/fleet_file.js';
import { Standings } from '../revocation/standings.js';
import type { AdminClient } from './admin_client.js';
import { CONTROL_TOPIC, inMessages, kickCommands } from './dynamic_security.js';

/** The revocation list on a Mosquitto of our own (P-14.9): refused at the handshake, denied by the access list, and cut off. */

/** A list that the operator's command could write, and not publish, is in force within this. */
const INTERVAL_MS = 500;

export interface RevocationsOptions {
  readonly folder: string;
  /** Of the list. */
  readonly topic: string;
  /** Null where there is no plugin that could end a connection. */
  readonly admin: AdminClient | null;
  readonly logger: Logger;
  /** Has Mosquitto read access list and CRL; resolves when it does. */
  reload(): Promise<void>;
}

export class Revocations {
  readonly standings: Standings;
  readonly #options: RevocationsOptions;
  readonly #timer: NodeJS.Timeout;
  /** What was said of each member, that was in force last. */
  #before = new Map<string, Standing>();
  #work: Promise<void> = Promise.resolve();

  private constructor(options: RevocationsOptions, standings: Standings) {
    this.#options = options;
    this.standings = standings;
    this.#timer = setInterval(() => void this.#refresh(), INTERVAL_MS);
    this.#timer.unref();
  }

  /** @throws E_FLEET_MISSING, E_CONFIG, E_FILE_UNREADABLE */
  static async follow(options: RevocationsOptions): Promise<Revocations> {
    const { folder, topic, admin, logger } = options;
    const file = await readFleetFile(folder);
    const ca = await readFile(join(folder, 'ca.crt'), 'utf8');
    const standings = new Standings(folder, { ...file, ca }, logger);
    await standings.refresh();
    const followed = new Revocations(options, standings);
    followed.#before = await followed.#standingsNow();
    await followed.#retain();
    await admin?.listen(topic, (envelope) => {
      if (standings.heard(envelope)) followed.#enforce();
    });
    return followed;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#work;
    await this.#options.admin?.close();
  }

  async #refresh(): Promise<void> {
    try {
      if (!(await this.standings.refresh())) return;
    } catch (error) {
      this.#options.logger.error({ err: error }, 'the revocation list cannot be read; the last one stands');
      return;
    }
    this.#enforce();
    await this.#retain();
  }

  /** What was retained is gone with the process that retained it: the folder has it. */
  async #retain(): Promise<void> {
    const { topic, admin } = this.#options;
    const { envelope } = this.standings;
    if (envelope !== null) await admin?.publish(topic, envelope, true);
  }

  /** Files first, then the connection: who comes again at once is to find the door shut. */
  #enforce(): void {
    const { admin, reload, logger } = this.#options;
    this.#work = this.#work
      .then(async () => {
        const now = await this.#standingsNow();
        const ids = [...now]
          .filter(([id, standing]) => (this.#before.get(id) ?? 'good') !== standing)
          .map(([id]) => id);
        this.#before = now;
        await reload();
        for (const message of inMessages(kickCommands(ids))) await admin?.publish(CONTROL_TOPIC, message);
        if (ids.length > 0) logger.warn({ clients: ids }, 'the revocation list says otherwise of them');
      })
      .catch((error: unknown) => logger.error({ err: error }, 'the revocation list'));
  }

  async #standingsNow(): Promise<Map<string, Standing>> {
    const { roster } = await readFleetFile(this.#options.folder);
    return new Map(roster.map((member) => [member.id, this.standings.of(member, member.notBefore ?? 0)]));
  }
}

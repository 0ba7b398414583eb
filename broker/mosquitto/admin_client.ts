import { connect as connectSocket } from 'node:net';
import { MqttClient } from 'mqtt';
import { ChunkmeshError } from '../../shared/errors.js';

/** This process's own connection to the Mosquitto that it runs: a socket in a private folder, and a password of the run. */

const CONNECT_TIMEOUT_MS = 5_000;
const RECONNECT_MS = 200;

export class AdminClient {
  readonly #client: MqttClient;

  private constructor(client: MqttClient) {
    this.#client = client;
  }

  /** @throws E_BROKER_START */
  static async connect(socket: string, username: string, password: string): Promise<AdminClient> {
    const client = new MqttClient(() => connectSocket(socket), {
      ...{ protocolVersion: 4, clientId: username, username, password, clean: true },
      ...{ reconnectPeriod: RECONNECT_MS, connectTimeout: CONNECT_TIMEOUT_MS },
    });
    client.on('error', () => {});
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        client.end(true);
        reject(new ChunkmeshError('E_BROKER_START', `mosquitto does not take connections on ${socket}`));
      }, CONNECT_TIMEOUT_MS);
      client.once('connect', () => {
        clearTimeout(timer);
        resolve();
      });
    });
    return new AdminClient(client);
  }

  async publish(topic: string, payload: Uint8Array | string, retain = false): Promise<void> {
    await this.#client.publishAsync(topic, Buffer.from(payload), { qos: 1, retain });
  }

  async listen(topic: string, heard: (payload: Uint8Array) => void): Promise<void> {
    this.#client.on('message', (on, payload) => {
      if (on === topic) heard(new Uint8Array(payload));
    });
    await this.#client.subscribeAsync(topic, { qos: 1 });
  }

  async close(): Promise<void> {
    await this.#client.endAsync(true).catch(() => {});
  }
}

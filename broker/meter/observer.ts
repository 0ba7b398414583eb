import { connect, type IClientOptions, type MqttClient } from 'mqtt';
import type { Logger } from 'pino';
import { ChunkmeshError } from '../../shared/errors.js';
import type { Credential } from '../../shared/identity/bundle.js';
import type { PayloadScanner } from './payload_scanner.js';

const CONNECT_TIMEOUT_MS = 10_000;
const RECONNECT_MS = 1000;

export interface ObserverOptions {
  /** Of an auditor: it may read everything below the prefix (P-2.2). */
  readonly credential: Credential;
  /** Instead of the bundle's. `mqtts://host:port` */
  readonly broker?: string;
  readonly scanner: PayloadScanner;
  readonly logger: Logger;
}

/**
 * Looks into every message that a broker delivers, for brokers that are not ours. It sees what the broker accepts: a message that the
 * access list refuses reaches nobody, this observer included.
 */
export class Observer {
  readonly #client: MqttClient;
  #messages = 0;
  #payloadBytes = 0;
  #unscanned = 0;
  #interruptions = 0;
  #closed = false;

  private constructor(client: MqttClient, scanner: PayloadScanner, log: Logger) {
    this.#client = client;
    client.on('message', (topic, payload) => {
      this.#messages++;
      try {
        const found = scanner.scan(payload);
        this.#payloadBytes += found;
        if (found > 0) log.warn({ topic, found }, 'a message carries payload');
      } catch (error) {
        this.#unscanned++;
        log.error({ err: error, topic }, 'a message could not be looked into');
      }
    });
    client.on('close', () => {
      if (!this.#closed) this.#interruptions++;
    });
    client.on('error', (error) => log.warn({ reason: error.message }, 'observer'));
  }

  /**
   * Resolves when the broker has confirmed that it will deliver.
   * @throws E_BROKER_UNREACHABLE, E_BROKER_REFUSED
   */
  static async start({ credential, broker, scanner, logger }: ObserverOptions): Promise<Observer> {
    const address = broker ?? credential.broker;
    const client = connect(address, clientOptions(credential));
    try {
      await connected(client, address);
      const filter = `${credential.prefix}/#`;
      const observer = new Observer(client, scanner, logger);
      const [grant] = await client.subscribeAsync(filter, { qos: 1 });
      if (grant === undefined || grant.qos > 2) throw new Error('not granted');
      return observer;
    } catch (cause) {
      client.end(true);
      if (cause instanceof ChunkmeshError) throw cause;
      throw new ChunkmeshError('E_BROKER_REFUSED', `${address}: no subscription to everything`, { cause });
    }
  }

  /** Messages looked into. */
  get messages(): number {
    return this.#messages;
  }

  /** Bytes of the artifact found in them. */
  get payloadBytes(): number {
    return this.#payloadBytes;
  }

  /** Messages that could not be looked into, since the artifact could no longer be read. */
  get unscanned(): number {
    return this.#unscanned;
  }

  /** How often the connection was lost; what passed meanwhile was not seen, unless it is retained. */
  get interruptions(): number {
    return this.#interruptions;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#client.endAsync(!this.#client.connected);
  }
}

function clientOptions(credential: Credential): IClientOptions {
  return {
    protocolVersion: 4,
    clientId: credential.identity.id,
    clean: true,
    ca: credential.tls.ca,
    cert: credential.tls.certificate,
    key: credential.tls.exportKey(),
    connectTimeout: CONNECT_TIMEOUT_MS,
    reconnectPeriod: RECONNECT_MS,
  };
}

function connected(client: MqttClient, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error?: Error & { code?: unknown }): void => {
      const refused = error?.code === 4 || error?.code === 5 || /alert|certificate/i.test(error?.message ?? '');
      const code = refused ? 'E_BROKER_REFUSED' : 'E_BROKER_UNREACHABLE';
      reject(new ChunkmeshError(code, `${address}: ${error?.message || 'no answer'}`, { cause: error }));
    };
    client.once('error', fail);
    client.once('close', fail);
    client.once('connect', () => {
      client.off('error', fail).off('close', fail);
      resolve();
    });
  });
}

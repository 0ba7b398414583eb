import { Socket } from 'node:net';
import { connect, type MqttClient } from 'mqtt';
import { ChunkmeshError } from '../../shared/errors.js';
import type { Credential } from '../../shared/identity/bundle.js';

const CONNECT_TIMEOUT_MS = 8000;
const WAIT_TIMEOUT_MS = 10_000;

export interface ProbeClientOptions {
  /** MQTT 5 brokers say in a PUBACK whether they took a message; 3.1.1 has no word for it. Default 4. */
  readonly protocolVersion?: 4 | 5;
  /** Default the credential's own. */
  readonly clientId?: string;
}

/** A member that tries things on a broker, and sees what comes back. It connects once and never again by itself. */
export class ProbeClient {
  readonly #client: MqttClient;
  readonly #received: { readonly topic: string; readonly text: string }[] = [];
  readonly #waiting = new Map<string, () => void>();

  private constructor(client: MqttClient) {
    this.#client = client;
    client.on('error', () => {});
    client.on('message', (topic, payload) => {
      const text = String(payload);
      this.#received.push({ topic, text });
      this.#waiting.get(text)?.();
    });
  }

  /** @throws E_BROKER_REFUSED with whatever the broker or TLS said, or that it said nothing */
  static async connect(credential: Credential, broker: string, options: ProbeClientOptions = {}): Promise<ProbeClient> {
    const client = connect(broker, {
      protocolVersion: options.protocolVersion ?? 4,
      clientId: options.clientId ?? credential.identity.id,
      clean: true,
      ca: credential.tls.ca,
      cert: credential.tls.certificate,
      key: credential.tls.exportKey(),
      reconnectPeriod: 0,
      connectTimeout: CONNECT_TIMEOUT_MS,
    });
    // Many small packets, each waiting for the answer to the last: Nagle's algorithm would add 40 ms to each.
    if (client.stream instanceof Socket) client.stream.setNoDelay(true);
    const probe = new ProbeClient(client);
    await new Promise<void>((resolve, reject) => {
      const refuse = (error?: Error): void => {
        client.end(true);
        reject(new ChunkmeshError('E_BROKER_REFUSED', `${broker}: ${error?.message ?? 'closed'}`, { cause: error }));
      };
      client.once('error', refuse);
      client.once('close', () => refuse());
      client.once('connect', () => resolve());
    });
    return probe;
  }

  /** At QoS 1. False where an MQTT 5 broker says that it refused; true says only that it acknowledged. */
  async publish(topic: string, payload: string | Buffer, retain = false): Promise<boolean> {
    try {
      await this.#client.publishAsync(topic, payload, { qos: 1, retain });
      return true;
    } catch (error) {
      if (this.#client.connected) return false;
      throw error;
    }
  }

  /** Whether the broker granted it; some grant anything and deliver nothing. */
  async subscribe(filter: string): Promise<boolean> {
    try {
      const grants = await this.#client.subscribeAsync(filter, { qos: 1 });
      return grants.every(({ qos }) => qos < 128);
    } catch (error) {
      if (this.#client.connected) return false;
      throw error;
    }
  }

  async unsubscribe(filter: string): Promise<void> {
    await this.#client.unsubscribeAsync(filter);
  }

  /** Resolves when a message with this text has come. @throws E_TIMEOUT */
  async waitFor(text: string): Promise<void> {
    if (this.#received.some((message) => message.text === text)) return;
    await new Promise<void>((resolve, reject) => {
      const late = (): void => reject(new ChunkmeshError('E_TIMEOUT', `${text} did not come`));
      const timer = setTimeout(late, WAIT_TIMEOUT_MS);
      this.#waiting.set(text, () => {
        clearTimeout(timer);
        resolve();
      });
    }).finally(() => this.#waiting.delete(text));
  }

  /** The topics and texts that have come since the last call. */
  take(): { readonly topic: string; readonly text: string }[] {
    return this.#received.splice(0);
  }

  get connected(): boolean {
    return this.#client.connected;
  }

  async close(): Promise<void> {
    await this.#client.endAsync(!this.#client.connected);
  }
}

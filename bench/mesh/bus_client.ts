import { EventEmitter } from 'node:events';
import type { MqttClient } from 'mqtt';
import type { FromMember, Message } from './wire.js';

/** What an agent uses of an MQTT client, over the pipe to the mesh: so that a member in a network namespace needs no broker there. */
class BusClient extends EventEmitter {
  readonly connected = true;
  readonly stream = new EventEmitter();
  readonly #send: (message: FromMember) => void;

  constructor(send: (message: FromMember) => void) {
    super();
    this.#send = send;
  }

  deliver({ topic, payload, retained }: Message): void {
    this.emit('message', topic, Buffer.from(payload), { retain: retained });
  }

  subscribe(filter: string, _options: object, done: (error: null, granted: readonly []) => void): void {
    this.#send({ kind: 'subscribe', filter });
    done(null, []);
  }

  /** What comes still is not read: nobody counts messages here. */
  unsubscribe(_filter: string, done: () => void): void {
    done();
  }

  async unsubscribeAsync(): Promise<void> {}

  publish(topic: string, payload: Uint8Array, { retain }: { readonly retain: boolean }, done: () => void): void {
    this.#send({ kind: 'publish', message: { topic, payload, retained: retain } });
    done();
  }

  async publishAsync(topic: string, payload: Uint8Array, options: { readonly retain: boolean }): Promise<void> {
    this.publish(topic, payload, options, () => {});
  }
}

export function busClient(send: (message: FromMember) => void): {
  client: MqttClient;
  deliver: (message: Message) => void;
} {
  const client = new BusClient(send);
  // The agent uses no more of it than this class has.
  return { client: client as unknown as MqttClient, deliver: (message) => client.deliver(message) };
}

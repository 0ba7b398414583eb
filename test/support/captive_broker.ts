import { EventEmitter } from 'node:events';
import type { MqttClient } from 'mqtt';
import { covers } from '../../shared/control/topics.js';

/** A broker in the test's hand, without a network: it keeps what clients say, and delivers it as the test likes. */

export interface Said {
  readonly from: string;
  readonly topic: string;
  readonly payload: Buffer;
  readonly retain: boolean;
}

type Done = (error: null, granted?: readonly { topic: string; qos: number }[]) => void;

/** As much of an MqttClient as a ControlLink uses of one that is its caller's own. */
class CaptiveClient extends EventEmitter {
  readonly connected = true;
  readonly filters = new Set<string>();
  readonly #id: string;
  readonly #broker: CaptiveBroker;

  constructor(id: string, broker: CaptiveBroker) {
    super();
    this.#id = id;
    this.#broker = broker;
  }

  subscribe(filter: string, _options: object, done: Done): void {
    this.filters.add(filter);
    setImmediate(() => {
      done(null, [{ topic: filter, qos: 1 }]);
      this.#broker.subscribed(this.#id, filter);
    });
  }

  unsubscribe(filter: string, done: Done): void {
    this.filters.delete(filter);
    setImmediate(() => done(null));
  }

  publish(topic: string, payload: Buffer, { retain }: { retain: boolean }, done: Done): void {
    this.#broker.hear({ from: this.#id, topic, payload, retain });
    setImmediate(() => done(null));
  }

  async publishAsync(topic: string, payload: Buffer, options: { retain: boolean }): Promise<void> {
    return new Promise((resolve) => this.publish(topic, payload, options, () => resolve()));
  }

  async unsubscribeAsync(filters: readonly string[]): Promise<void> {
    for (const filter of filters) this.filters.delete(filter);
  }
}

export class CaptiveBroker {
  /** Everything, in order. */
  readonly said: Said[] = [];
  /** What is done with it; an honest broker delivers it. */
  pass: (said: Said) => void = (said) => this.deliver(said);
  /** Every filter that was subscribed, by whom. */
  readonly asked: { readonly by: string; readonly filter: string }[] = [];
  readonly #clients = new Map<string, CaptiveClient>();
  readonly #retained = new Map<string, Said>();

  connect(id: string): MqttClient {
    const client = new CaptiveClient(id, this);
    this.#clients.set(id, client);
    return client as unknown as MqttClient;
  }

  hear(said: Said): void {
    this.said.push(said);
    if (said.retain) this.#retained.set(said.topic, said);
    setImmediate(() => this.pass(said));
  }

  subscribed(by: string, filter: string): void {
    this.asked.push({ by, filter });
    for (const { topic, payload } of this.#retained.values()) {
      if (covers(filter, topic)) this.tell(by, topic, payload, true);
    }
  }

  /** To all who subscribed its topic. */
  deliver({ topic, payload }: Said): void {
    for (const [id, { filters }] of this.#clients) {
      if ([...filters].some((filter) => covers(filter, topic))) this.tell(id, topic, payload);
    }
  }

  /** To one, whatever it subscribed. */
  tell(id: string, topic: string, payload: Uint8Array, retained = false): void {
    this.#clients.get(id)?.emit('message', topic, Buffer.from(payload), { retain: retained });
  }
}

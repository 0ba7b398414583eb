import { EventEmitter } from 'node:events';
import type { MqttClient } from 'mqtt';
import { covers } from '../../../shared/control/topics.js';
import type { World } from '../world.js';

/** An honest broker in virtual time, for clients as a ControlLink takes of its caller. */

/** From a client to the broker, and the other way. */
const WAY_MS = 10;

type Done = (error: null, granted?: readonly { topic: string; qos: number }[]) => void;

class VirtualClient extends EventEmitter {
  readonly connected = true;
  readonly filters = new Set<string>();
  readonly #broker: VirtualBroker;

  constructor(broker: VirtualBroker) {
    super();
    this.#broker = broker;
  }

  subscribe(filter: string, _options: object, done: Done): void {
    this.#broker.world.at(this.#broker.world.now + WAY_MS, () => {
      this.filters.add(filter);
      this.#broker.changed();
      done(null, [{ topic: filter, qos: 1 }]);
    });
  }

  unsubscribe(filter: string, done: Done): void {
    this.#broker.world.at(this.#broker.world.now + WAY_MS, () => {
      this.filters.delete(filter);
      this.#broker.changed();
      done(null);
    });
  }

  publish(topic: string, payload: Buffer): void {
    this.#broker.publish(topic, payload);
  }
}

export class VirtualBroker {
  readonly world: World;
  readonly #clients: VirtualClient[] = [];
  /** By topic. */
  readonly #readers = new Map<string, readonly VirtualClient[]>();

  constructor(world: World) {
    this.world = world;
  }

  connect(): MqttClient {
    const client = new VirtualClient(this);
    this.#clients.push(client);
    return client as unknown as MqttClient;
  }

  publish(topic: string, payload: Buffer): void {
    this.world.at(this.world.now + 2 * WAY_MS, () => {
      for (const client of this.#readersOf(topic)) client.emit('message', topic, payload, {});
    });
  }

  /** Somebody reads something else from now on. */
  changed(): void {
    this.#readers.clear();
  }

  #readersOf(topic: string): readonly VirtualClient[] {
    const known = this.#readers.get(topic);
    if (known !== undefined) return known;
    const readers = this.#clients.filter(({ filters }) => [...filters].some((filter) => covers(filter, topic)));
    this.#readers.set(topic, readers);
    return readers;
  }
}

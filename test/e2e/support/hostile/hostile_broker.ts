import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { onTestFinished } from 'vitest';
import { covers } from '../../../../shared/control/topics.js';
import {
  type Delivery,
  number,
  type Packet,
  PacketCutter,
  packet,
  publishPacket,
  Reader,
  TYPE,
} from './mqtt_packets.js';

/**
 * A broker in an enemy's hand: it has the fleet's own server certificate, takes whoever comes, keeps all that it hears, and does with it
 * what the test likes. With nothing set it is an honest one, without an access list.
 */

export interface Said {
  readonly from: string;
  readonly topic: string;
  readonly payload: Buffer;
  readonly retain: boolean;
}

interface Will {
  readonly topic: string;
  readonly payload: Buffer;
}

interface Client {
  readonly id: string;
  readonly socket: TLSSocket;
  readonly filters: Set<string>;
  will: Will | null;
}

export class HostileBroker {
  /** All that was published, wills too, in order. */
  readonly said: Said[] = [];
  /** All bytes that came within TLS: what a broker could know. */
  readonly heard: Buffer[] = [];
  /** What is done with what is said. */
  pass: (said: Said) => void = (said) => this.deliver(said);
  /** Whether a subscription, which is always acknowledged, counts now. */
  grants: (id: string, filter: string) => boolean = () => true;
  /** Whether a publish is acknowledged, where it is to be. */
  acknowledges: (said: Said) => boolean = () => true;
  readonly #server: Server;
  readonly #clients = new Map<string, Client>();
  readonly #retained = new Map<string, Said>();
  #packetId = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @param fleetFolder with the broker's certificate */
  static async start(fleetFolder: string): Promise<HostileBroker> {
    const read = (name: string): Promise<string> => readFile(join(fleetFolder, 'broker', name), 'utf8');
    const [key, cert] = await Promise.all([read('server.key'), read('server.crt')]);
    const server = createServer({ key, cert });
    const broker = new HostileBroker(server);
    server.on('secureConnection', (socket) => broker.#join(socket));
    server.on('tlsClientError', () => {});
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return broker;
  }

  get url(): string {
    return `mqtts://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get ids(): string[] {
    return [...this.#clients.keys()];
  }

  /** Nothing that was set holds any more. */
  behave(): void {
    this.pass = (said) => this.deliver(said);
    this.grants = () => true;
    this.acknowledges = () => true;
  }

  /** To all who subscribed its topic, and kept where that is asked. */
  deliver(said: Said): void {
    this.keep(said);
    for (const { id, filters } of this.#clients.values()) {
      const reads = [...filters].some((filter) => covers(filter, said.topic) && this.grants(id, filter));
      if (reads) this.tell(id, said.topic, said.payload);
    }
  }

  keep(said: Said): void {
    if (!said.retain) return;
    if (said.payload.length === 0) this.#retained.delete(said.topic);
    else this.#retained.set(said.topic, said);
  }

  /** To one, whatever it subscribed. */
  tell(id: string, topic: string, payload: Uint8Array, how: Delivery = {}): void {
    this.#packetId = (this.#packetId % 65_535) + 1;
    this.raw(id, publishPacket(topic, payload, this.#packetId, how));
  }

  raw(id: string, bytes: Uint8Array): void {
    this.#clients.get(id)?.socket.write(bytes);
  }

  /** Ends the connection of one, or of all. */
  disconnect(id?: string): void {
    for (const client of this.#clients.values()) if (id === undefined || client.id === id) client.socket.destroy();
  }

  /** Whether the client waits for more than it was given. */
  backlog(id: string): number {
    return this.#clients.get(id)?.socket.writableLength ?? 0;
  }

  async close(): Promise<void> {
    this.disconnect();
    this.#server.close();
    await once(this.#server, 'close').catch(() => {});
  }

  #join(socket: TLSSocket): void {
    const cutter = new PacketCutter();
    let client: Client | null = null;
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      this.heard.push(bytes);
      for (const one of cutter.push(bytes)) {
        if (one.type === TYPE.connect) client = this.#connected(socket, one);
        else if (client !== null) this.#onPacket(client, one);
      }
    });
    socket.on('close', () => {
      if (client === null || this.#clients.get(client.id) !== client) return;
      this.#clients.delete(client.id);
      if (client.will !== null) this.#hear({ from: client.id, ...client.will, retain: true });
    });
  }

  /** §3.1 */
  #connected(socket: TLSSocket, { body }: Packet): Client {
    const reader = new Reader(body);
    reader.text();
    reader.byte();
    const flags = reader.byte();
    reader.number();
    const id = reader.text();
    const will = (flags & 0x04) === 0 ? null : { topic: reader.text(), payload: Buffer.from(reader.field()) };
    if (will !== null) this.said.push({ from: id, ...will, retain: true });
    const client = { id, socket, filters: new Set<string>(), will };
    this.#clients.get(id)?.socket.destroy();
    this.#clients.set(id, client);
    socket.write(packet(2, 0, Buffer.from([0, 0])));
    return client;
  }

  #onPacket(client: Client, { type, flags, body }: Packet): void {
    const reader = new Reader(body);
    if (type === TYPE.publish) this.#onPublish(client, flags, reader);
    else if (type === TYPE.subscribe) this.#onSubscribe(client, reader);
    else if (type === TYPE.unsubscribe) {
      const id = reader.number();
      while (!reader.isAtEnd) client.filters.delete(reader.text());
      client.socket.write(packet(11, 0, number(id)));
    } else if (type === TYPE.ping) client.socket.write(packet(13, 0));
    else if (type === TYPE.disconnect) client.will = null;
  }

  #onPublish({ id: from, socket }: Client, flags: number, reader: Reader): void {
    const topic = reader.text();
    const id = (flags & 0x06) === 0 ? null : reader.number();
    const said = { from, topic, payload: Buffer.from(reader.rest()), retain: (flags & 1) !== 0 };
    if (id !== null && this.acknowledges(said)) socket.write(packet(4, 0, number(id)));
    this.#hear(said);
  }

  #onSubscribe(client: Client, reader: Reader): void {
    const id = reader.number();
    const filters: string[] = [];
    while (!reader.isAtEnd) {
      filters.push(reader.text());
      reader.byte();
    }
    client.socket.write(packet(9, 0, number(id), Buffer.from(filters.map(() => 1))));
    for (const filter of filters) {
      client.filters.add(filter);
      if (!this.grants(client.id, filter)) continue;
      for (const { topic, payload } of this.#retained.values()) {
        if (covers(filter, topic)) this.tell(client.id, topic, payload, { retain: true });
      }
    }
  }

  #hear(said: Said): void {
    this.said.push(said);
    this.pass(said);
  }
}

/** One that keeps none of a broker's rules. Gone with the test. @returns its address */
export async function hostileBroker({ folder }: { readonly folder: string }): Promise<string> {
  const broker = await HostileBroker.start(folder);
  onTestFinished(() => broker.close());
  return broker.url;
}

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { pipeline } from 'node:stream';
import type { Logger } from 'pino';
import { ChunkmeshError, systemCode } from '../../shared/errors.js';
import { type ByteCount, SocketMeter } from './socket_meter.js';

/** As the broker behind it. */
const MAX_CONNECTIONS = 10_000;

interface Address {
  readonly host: string;
  readonly port: number;
}

export interface RelayOptions {
  /** Where a broker that does not count listens. */
  readonly target: Address;
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  readonly logger: Logger;
}

/** Stands before a broker that is not ours and counts: TLS passes through it end to end, and nothing is read. */
export class Relay {
  readonly #server: Server;
  readonly #target: Address;
  readonly #log: Logger;
  readonly #near = new SocketMeter();
  readonly #far = new Set<Socket>();

  private constructor({ target, logger }: RelayOptions) {
    this.#target = target;
    this.#log = logger;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#join(socket));
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  /** @throws E_BROKER_START where the address cannot be had */
  static async start(options: RelayOptions): Promise<Relay> {
    const relay = new Relay(options);
    const { host, port } = options;
    try {
      relay.#server.listen({ host, port });
      await once(relay.#server, 'listening');
    } catch (cause) {
      throw new ChunkmeshError('E_BROKER_START', `${host}:${port}: ${systemCode(cause) ?? 'cannot listen'}`, { cause });
    }
    relay.#server.on('error', (error) => relay.#log.error({ err: error }, 'relay'));
    return relay;
  }

  get address(): Address {
    const { address, port } = this.#server.address() as AddressInfo;
    return { host: address, port };
  }

  /** As the broker's own sockets move them: `received` from clients, `sent` to them. Closed connections included. */
  bytes(): ByteCount {
    return this.#near.bytes();
  }

  /** Ends every connection. */
  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of [...this.#near.open, ...this.#far]) socket.destroy();
    await closed;
  }

  #join(near: Socket): void {
    this.#near.watch(near);
    const far = connect({ ...this.#target, allowHalfOpen: true, noDelay: true });
    this.#far.add(far);
    far.once('close', () => this.#far.delete(far));
    // Heard before `pipeline` hears it, which would end the other side in order.
    near.on('error', (error) => this.#failed(error, far));
    far.on('error', (error) => this.#failed(error, near));
    // Each direction ends by itself, and holds its source back while its other end is slow.
    pipeline(near, far, () => {});
    pipeline(far, near, () => {});
  }

  /** What failed on one side fails on the other: an orderly end would look like the end of the stream. */
  #failed(error: Error, other: Socket): void {
    this.#log.debug({ reason: error.message }, 'relayed connection failed');
    if (other.connecting) other.destroy();
    else if (!other.destroyed) other.resetAndDestroy();
  }
}

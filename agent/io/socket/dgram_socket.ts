import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIP } from 'node:net';
import { MAX_DATAGRAM_BYTES } from '../../../shared/limits.js';
import { FragmentWatch } from '../fragments.js';
import { type Address, askBuffers, type DatagramListener, type UdpSocket } from './udp_socket.js';

/** Buffers that the kernel may still be reading from. With one left in its queue sending stops, so that this is never reached. */
const SEND_RING = 64;

/** One buffer of the ring, and the view of it that was last sent: nearly always the next one's length too. */
class Slot {
  readonly buffer = Buffer.allocUnsafeSlow(MAX_DATAGRAM_BYTES);
  #view = this.buffer;

  view(length: number): Buffer {
    if (this.#view.length !== length) this.#view = this.buffer.subarray(0, length);
    return this.#view;
  }
}

/** Node's own socket: one system call, and some of Node's work, for each datagram. Everywhere. */
export class DgramSocket implements UdpSocket {
  readonly kind = 'dgram';
  readonly bound: { readonly address: string; readonly port: number };
  readonly grantedReceiveBytes: number;
  sendErrors = 0;
  readonly #socket: Socket;
  readonly #fragments = FragmentWatch.open();
  readonly #ring: readonly Slot[] = Array.from({ length: SEND_RING }, () => new Slot());
  #next = 0;
  #lastFrom: Address = { host: '', port: 0 };

  private constructor(socket: Socket, onDatagram: DatagramListener) {
    this.#socket = socket;
    socket.on('message', (bytes, from) => onDatagram(bytes, this.#addressOf(from)));
    // A send that a host refuses (ICMP, a route that is gone) is a lost datagram; the socket lives on.
    socket.on('error', () => {
      this.sendErrors++;
    });
    this.bound = socket.address();
    this.grantedReceiveBytes = askBuffers(socket);
  }

  /** @throws what the system says where the address is not of this host or the port is taken. */
  static async open(host: string, port: number, onDatagram: DatagramListener): Promise<DgramSocket> {
    const socket = createSocket({
      type: isIP(host) === 6 ? 'udp6' : 'udp4',
      // Every destination is a literal: the default would go through getaddrinfo for each datagram.
      lookup: (name, _options, callback) => callback(null, name, isIP(name)),
    });
    try {
      // With a look-up that answers at once, `listening` may be told before `bind` returns.
      const listening = once(socket, 'listening');
      socket.bind(port, host);
      await listening;
    } catch (error) {
      socket.close();
      throw error;
    }
    return new DgramSocket(socket, onDatagram);
  }

  get seesFragments(): boolean {
    return this.#fragments !== null;
  }

  get isBlocked(): boolean {
    return this.#socket.getSendQueueCount() > 0;
  }

  slot(): Buffer {
    return this.#slot.buffer;
  }

  /** Without a callback, which would cost more than all else here: what fails is a lost datagram. */
  send(length: number, { host, port }: Address): void {
    try {
      this.#socket.send(this.#slot.view(length), port, host);
    } catch {
      // An address that nothing can be sent to: as a host that refuses.
      this.sendErrors++;
    }
    this.#next = (this.#next + 1) % SEND_RING;
  }

  /** The kernel takes a datagram, and cuts it up where it must, before `send` returns. */
  sendWhole(length: number, to: Address): boolean {
    const before = this.#fragments?.count();
    this.send(length, to);
    return before === this.#fragments?.count();
  }

  flush(): void {
    // Nothing is held back.
  }

  readPending(): void {
    // Node hands on what it finds as it finds it.
  }

  async close(): Promise<void> {
    this.#fragments?.close();
    this.#socket.close();
    await once(this.#socket, 'close');
  }

  get #slot(): Slot {
    const slot = this.#ring[this.#next];
    if (slot === undefined) throw new RangeError('the ring has no such slot');
    return slot;
  }

  #addressOf({ address, port }: RemoteInfo): Address {
    const last = this.#lastFrom;
    if (last.port !== port || last.host !== address) this.#lastFrom = { host: address, port };
    return this.#lastFrom;
  }
}

import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIP } from 'node:net';
import { getSystemErrorName } from 'node:util';
import type { Libc } from './libc.js';
import { ReceiveBatch, SOL_UDP, UDP_GRO } from './receive_batch.js';
import { SendBatch } from './send_batch.js';
import { encodeSockaddr, type Family, familyNumber } from './sockaddr.js';
import { type Address, askBuffers, type DatagramListener, type UdpSocket } from './udp_socket.js';

/** Numbers of Linux, the same on every machine of libc.ts. */
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const IPPROTO_IP = 0;
const IP_MTU_DISCOVER = 10;
const IPPROTO_IPV6 = 41;
const IPV6_MTU_DISCOVER = 23;
const INT_BYTES = 4;
/** Datagrams leave whole or not at all, whatever the kernel has heard of the path: what RFC 8899 wants of it. */
const PMTUDISC_PROBE = 3;

/**
 * A socket of Linux that moves many datagrams in one system call, and forbids fragments. Node watches it: its `message` says that
 * something has arrived, and brings the first of it.
 */
export class BatchSocket implements UdpSocket {
  readonly kind = 'batch';
  readonly seesFragments = true;
  readonly bound: { readonly address: string; readonly port: number };
  readonly grantedReceiveBytes: number;
  sendErrors = 0;
  readonly #socket: Socket;
  readonly #sending: SendBatch;
  readonly #receiving: ReceiveBatch;
  #blocked = false;
  #closed = false;

  private constructor(libc: Libc, fd: number, family: Family, socket: Socket, listener: DatagramListener) {
    this.#socket = socket;
    this.#sending = new SendBatch(libc, fd, family);
    this.#receiving = new ReceiveBatch(libc, fd, listener, () => !this.#closed);
    socket.on('message', (bytes, { address, port }) => {
      this.#receiving.takeRead(bytes, { host: address, port });
      this.#receiving.drain();
    });
    // What a host refuses (ICMP, a route that is gone) is a lost datagram; the socket lives on.
    socket.on('error', () => {
      this.sendErrors++;
    });
    this.bound = socket.address();
    this.grantedReceiveBytes = askBuffers(socket);
  }

  /** @throws an error with the system's `code` where the address is not of this host or the port is taken. */
  static async open(libc: Libc, host: string, port: number, listener: DatagramListener): Promise<BatchSocket> {
    const family: Family = isIP(host) === 6 ? 6 : 4;
    const fd = checked(libc, libc.socket(familyNumber(family), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
    let handedOver = false;
    try {
      forbidFragments(libc, fd, family);
      takeTogether(libc, fd);
      const sockaddr = encodeSockaddr({ host, port }, family);
      checked(libc, libc.bind(fd, sockaddr, sockaddr.length));
      const listening = once(socket, 'listening');
      socket.bind({ fd, exclusive: true });
      handedOver = true;
      await listening;
      // Node lets the address be used again by whoever asks, of any user: he would get every datagram.
      setOption(libc, fd, SOL_SOCKET, SO_REUSEADDR, 0);
    } catch (error) {
      if (!handedOver) libc.close(fd);
      socket.close();
      throw error;
    }
    return new BatchSocket(libc, fd, family, socket, listener);
  }

  get isBlocked(): boolean {
    return this.#blocked;
  }

  slot(): Buffer {
    return this.#sending.slot;
  }

  send(length: number, to: Address): void {
    const batch = this.#sending;
    if (!batch.takes(length, to)) {
      const { slot } = batch;
      this.flush();
      if (this.#blocked) {
        // The one that has no place is lost, as on any full queue.
        this.sendErrors++;
        return;
      }
      batch.moveFirst(slot, length);
    }
    if (batch.add(length, to)) this.flush();
  }

  sendWhole(length: number, to: Address): boolean {
    const { slot } = this.#sending;
    if (!this.#sending.isEmpty) {
      this.flush();
      if (this.#blocked) return true;
      this.#sending.moveFirst(slot, length);
    }
    this.#sending.add(length, to);
    const sent = this.#closed ? 'failed' : this.#sending.send();
    this.#blocked = sent === 'full';
    return sent !== 'tooLarge';
  }

  flush(): void {
    if (this.#closed || this.#sending.isEmpty) return;
    const sent = this.#sending.send();
    this.#blocked = sent === 'full';
    if (sent === 'failed' || sent === 'tooLarge') this.sendErrors++;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#socket.close();
    await once(this.#socket, 'close');
  }
}

function forbidFragments(libc: Libc, fd: number, family: Family): void {
  // A socket of IPv6 takes IPv4 addresses too.
  setOption(libc, fd, IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_PROBE);
  if (family === 6) setOption(libc, fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_PROBE);
}

/** What the sender's kernel, a card or this one has as one packet comes as one message (udp(7)). */
function takeTogether(libc: Libc, fd: number): void {
  // Kernels before 5.0 do not know it, and then each datagram comes alone.
  libc.setsockopt(fd, SOL_UDP, UDP_GRO, int(1), INT_BYTES);
}

function setOption(libc: Libc, fd: number, level: number, name: number, value: number): void {
  checked(libc, libc.setsockopt(fd, level, name, int(value), INT_BYTES));
}

function int(value: number): Buffer {
  const bytes = Buffer.alloc(INT_BYTES);
  bytes.writeInt32LE(value);
  return bytes;
}

function checked(libc: Libc, result: number): number {
  if (result >= 0) return result;
  const code = getSystemErrorName(-libc.errno());
  throw Object.assign(new Error(code), { code });
}

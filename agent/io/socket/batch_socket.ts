import { isIP } from 'node:net';
import { getSystemErrorName } from 'node:util';
import type { Libc, PollHandle } from './libc.js';
import { ReceiveBatch, SOL_UDP, UDP_GRO } from './receive_batch.js';
import { SendBatch } from './send_batch.js';
import { decodeSockaddr, encodeSockaddr, type Family, familyNumber, MAX_SOCKADDR_BYTES } from './sockaddr.js';
import { type Address, type DatagramListener, SOCKET_BUFFER_BYTES, type UdpSocket } from './udp_socket.js';

/** Numbers of Linux, the same on every machine of libc.ts. */
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const IPPROTO_IP = 0;
const IP_MTU_DISCOVER = 10;
const IPPROTO_IPV6 = 41;
const IPV6_MTU_DISCOVER = 23;
/** Datagrams leave whole or not at all, whatever the kernel has heard of the path: what RFC 8899 wants of it. */
const PMTUDISC_PROBE = 3;
const INT_BYTES = 4;

/** A socket of Linux that moves many datagrams in one system call, and forbids fragments. Nobody else may be bound beside it. */
export class BatchSocket implements UdpSocket {
  readonly kind = 'batch';
  readonly seesFragments = true;
  readonly bound: { readonly address: string; readonly port: number };
  readonly grantedReceiveBytes: number;
  sendErrors = 0;
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #sending: SendBatch;
  readonly #receiving: ReceiveBatch;
  #poll: PollHandle;
  #isDrainDue = false;
  #blocked = false;
  #closed = false;

  private constructor(libc: Libc, fd: number, family: Family, bound: Address, onDatagram: DatagramListener) {
    this.#libc = libc;
    this.#fd = fd;
    this.#sending = new SendBatch(libc, fd, family);
    this.#receiving = new ReceiveBatch(libc, fd, onDatagram, () => !this.#closed);
    this.bound = { address: bound.host, port: bound.port };
    this.grantedReceiveBytes = getOption(libc, fd, SOL_SOCKET, SO_RCVBUF);
    this.#poll = this.#watch();
  }

  /** @throws an error with the system's `code` where the address is not of this host or the port is taken. */
  static async open(libc: Libc, host: string, port: number, onDatagram: DatagramListener): Promise<BatchSocket> {
    const family: Family = isIP(host) === 6 ? 6 : 4;
    const fd = checked(libc, libc.socket(familyNumber(family), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    try {
      forbidFragments(libc, fd, family);
      askOfKernel(libc, fd);
      const sockaddr = encodeSockaddr({ host, port }, family);
      checked(libc, libc.bind(fd, sockaddr, sockaddr.length));
      return new BatchSocket(libc, fd, family, boundAddress(libc, fd), onDatagram);
    } catch (error) {
      libc.close(fd);
      throw error;
    }
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

  readPending(): void {
    if (!this.#isDrainDue || this.#closed) return;
    this.#isDrainDue = false;
    this.#receiving.drain();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#poll.close();
    this.#libc.close(this.#fd);
  }

  #watch(): PollHandle {
    return this.#libc.poll(this.#fd, (status) => this.#onReadable(status));
  }

  /** @param status negative where the socket has an error, which reading takes from it, and where nobody watches it any more. */
  #onReadable(status: number): void {
    if (this.#isDrainDue) return;
    this.#isDrainDue = true;
    // In a callback of Node's own, in this turn still: what throws, or promises, in the other goes unseen.
    setImmediate(() => {
      this.readPending();
      if (status >= 0 || this.#closed) return;
      this.sendErrors++;
      this.#poll.close();
      this.#poll = this.#watch();
    });
  }
}

function forbidFragments(libc: Libc, fd: number, family: Family): void {
  // A socket of IPv6 takes IPv4 addresses too.
  checked(libc, libc.setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, int(PMTUDISC_PROBE), INT_BYTES));
  if (family === 6) checked(libc, libc.setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, int(PMTUDISC_PROBE), INT_BYTES));
}

/** What is good to have, and goes without saying where it is refused. */
function askOfKernel(libc: Libc, fd: number): void {
  for (const name of [SO_SNDBUF, SO_RCVBUF]) libc.setsockopt(fd, SOL_SOCKET, name, int(SOCKET_BUFFER_BYTES), INT_BYTES);
  // What the sender's kernel, a card or this one has as one packet comes as one message (udp(7)); kernels before 5.0 do not know it.
  libc.setsockopt(fd, SOL_UDP, UDP_GRO, int(1), INT_BYTES);
}

function boundAddress(libc: Libc, fd: number): Address {
  const sockaddr = Buffer.alloc(MAX_SOCKADDR_BYTES);
  checked(libc, libc.getsockname(fd, sockaddr, int(sockaddr.length)));
  const bound = decodeSockaddr(sockaddr);
  if (bound === null) throw new TypeError('bound to an address of no known family');
  return bound;
}

function getOption(libc: Libc, fd: number, level: number, name: number): number {
  const value = int(0);
  checked(libc, libc.getsockopt(fd, level, name, value, int(INT_BYTES)));
  return value.readInt32LE();
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

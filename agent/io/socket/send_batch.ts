import { MAX_DATAGRAM_BYTES } from '../../../shared/limits.js';
import type { Libc } from './libc.js';
import { encodeSockaddr, type Family, MAX_SOCKADDR_BYTES } from './sockaddr.js';
import type { Address } from './udp_socket.js';

/**
 * Datagrams of one length to one address in one system call, which the kernel or the network card cuts apart (UDP_SEGMENT, udp(7)).
 * One shorter may be the last. The structures, of 64-bit Linux:
 *
 *     msghdr   name *8 | namelen 4 | pad 4 | iov *8 | iovlen 8 | control *8 | controllen 8 | flags 4 | pad 4
 *     iovec    base *8 | len 8
 *     cmsghdr  len 8 | level 4 | type 4 | data
 */

/** UDP_MAX_SEGMENTS of the kernel. */
const MAX_SEGMENTS = 64;
/** What one IPv4 packet carries of UDP: the whole is one until it is cut. */
const MAX_BATCH_BYTES = 65_507;

const MSGHDR_BYTES = 56;
const IOVEC_BYTES = 16;
const NAME_LENGTH_AT = 8;
const IOV_AT = 16;
const IOV_LENGTH_AT = 24;
const CONTROL_AT = 32;
const CONTROL_LENGTH_AT = 40;
/** CMSG_LEN and CMSG_SPACE of two bytes. */
const CONTROL_LENGTH = 18;
const CONTROL_SPACE = 24;

const SOL_UDP = 17;
const UDP_SEGMENT = 103;
const MSG_DONTWAIT = 0x40;

const EINTR = 4;
const EIO = 5;
const EAGAIN = 11;
const EINVAL = 22;
const EMSGSIZE = 90;

/** What became of a call: `tooLarge` for the path or the interface. */
export type Sent = 'sent' | 'full' | 'tooLarge' | 'failed';
/** `refused`: what the kernel answers where it, the card or the path takes no batches. */
type Answer = Sent | 'refused';

export class SendBatch {
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #family: Family;
  readonly #slots = Array.from({ length: MAX_SEGMENTS }, () => Buffer.allocUnsafeSlow(MAX_DATAGRAM_BYTES));
  readonly #header = Buffer.alloc(MSGHDR_BYTES);
  readonly #iovecs = Buffer.alloc(MAX_SEGMENTS * IOVEC_BYTES);
  readonly #name = Buffer.alloc(MAX_SOCKADDR_BYTES);
  readonly #control = Buffer.alloc(CONTROL_SPACE);
  readonly #sockaddrs = new WeakMap<Address, Buffer>();
  /** Whether the kernel cuts batches here: not every network card and tunnel lets it. */
  #segments = true;
  #count = 0;
  #to: Address | null = null;
  #length = 0;
  #bytes = 0;
  /** The last one was shorter: nothing may follow it. */
  #ended = false;

  constructor(libc: Libc, fd: number, family: Family) {
    this.#libc = libc;
    this.#fd = fd;
    this.#family = family;
    this.#header.writeBigUInt64LE(libc.addressOf(this.#name), 0);
    this.#control.writeBigUInt64LE(BigInt(CONTROL_LENGTH), 0);
    this.#control.writeInt32LE(SOL_UDP, 8);
    this.#control.writeInt32LE(UDP_SEGMENT, 12);
    this.#header.writeBigUInt64LE(libc.addressOf(this.#control), CONTROL_AT);
    for (const [i, slot] of this.#slots.entries()) {
      this.#iovecs.writeBigUInt64LE(libc.addressOf(slot), i * IOVEC_BYTES);
    }
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** Where the next datagram is to be written. */
  get slot(): Buffer {
    const slot = this.#slots[this.#count];
    if (slot === undefined) throw new RangeError('the batch is full');
    return slot;
  }

  /** Whether the datagram in the slot may go with those before it; else they are to be sent first. */
  takes(length: number, to: Address): boolean {
    if (this.#count === 0) return true;
    return to === this.#to && length <= this.#length && !this.#ended && this.#bytes + length <= MAX_BATCH_BYTES;
  }

  /** Adds the datagram in the slot. @returns whether nothing may follow. */
  add(length: number, to: Address): boolean {
    if (this.#count === 0) {
      this.#to = to;
      this.#length = length;
    }
    this.#ended = length < this.#length;
    this.#iovecs.writeUInt32LE(length, this.#count * IOVEC_BYTES + 8);
    this.#count++;
    this.#bytes += length;
    return this.#ended || !this.#segments || this.#count === MAX_SEGMENTS;
  }

  /** The datagram in the slot, which those before it did not take, is the first of the next batch: they have been sent. */
  moveFirst(from: Buffer, length: number): void {
    from.copy(this.slot, 0, 0, length);
  }

  /** Sends all of it. `full`: nothing was sent, and the same is to be called again. */
  send(): Sent {
    if (this.#count === 0) return 'sent';
    if (this.#count > 1 && !this.#segments) return this.#sendSingly();
    const answer = this.#call(0, this.#count);
    if (answer === 'full') return answer;
    if (answer === 'sent' || this.#count === 1) {
      this.#clear();
      return answer === 'refused' ? 'failed' : answer;
    }
    const singly = this.#sendSingly();
    // One path may take no batches of this size for a while: only where each datagram goes alone is it the batches that are refused.
    if (answer === 'refused' && singly === 'sent') this.#segments = false;
    return singly;
  }

  #sendSingly(): Sent {
    let worst: Answer = 'sent';
    for (let i = 0; i < this.#count; i++) {
      const sent = this.#call(i, 1);
      if (sent !== 'sent') worst = sent;
    }
    this.#clear();
    // What the kernel had no room for now is lost, as on any full queue.
    return worst === 'full' || worst === 'refused' ? 'failed' : worst;
  }

  #clear(): void {
    this.#count = 0;
    this.#bytes = 0;
    this.#ended = false;
  }

  #call(first: number, count: number): Answer {
    const header = this.#header;
    header.writeUInt32LE(this.#writeName(), NAME_LENGTH_AT);
    header.writeBigUInt64LE(this.#libc.addressOf(this.#iovecs) + BigInt(first * IOVEC_BYTES), IOV_AT);
    header.writeUInt32LE(count, IOV_LENGTH_AT);
    this.#control.writeUInt16LE(this.#length, 16);
    header.writeUInt32LE(count > 1 ? CONTROL_SPACE : 0, CONTROL_LENGTH_AT);
    if (this.#libc.sendmsg(this.#fd, header, MSG_DONTWAIT) >= 0) return 'sent';
    switch (this.#libc.errno()) {
      case EAGAIN:
      case EINTR:
        return 'full';
      case EMSGSIZE:
        return 'tooLarge';
      case EIO:
      case EINVAL:
        return 'refused';
      default:
        return 'failed';
    }
  }

  #writeName(): number {
    const to = this.#to;
    if (to === null) return 0;
    let sockaddr = this.#sockaddrs.get(to);
    if (sockaddr === undefined) {
      sockaddr = encodeSockaddr(to, this.#family);
      this.#sockaddrs.set(to, sockaddr);
    }
    sockaddr.copy(this.#name);
    return sockaddr.length;
  }
}

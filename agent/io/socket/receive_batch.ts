import type { Libc } from './libc.js';
import { RecentAddresses } from './recent_addresses.js';
import { MAX_SOCKADDR_BYTES } from './sockaddr.js';
import type { Address, DatagramListener } from './udp_socket.js';

/**
 * Many datagrams in one system call (recvmmsg(2)), and many of one length in one message where the kernel left together what it
 * got together (UDP_GRO, udp(7)). The structures, of 64-bit Linux: as in send_batch.ts, and
 *
 *     mmsghdr   msghdr 56 | len 4 | pad 4
 */

/** Datagrams in one call: most of what a burst brings while the one before is worked through. */
const BATCH = 32;
/** The longest message: longer than any datagram may be, so that one too long shows itself as such (P-6.6). */
const SLOT_BYTES = 65_536;
/** Datagrams taken before all else in the process has its turn: less than a millisecond's work. */
const MAX_AT_ONCE = 128;

const MMSGHDR_BYTES = 64;
const IOVEC_BYTES = 16;
const NAME_LENGTH_AT = 8;
const IOV_AT = 16;
const IOV_LENGTH_AT = 24;
const CONTROL_AT = 32;
const CONTROL_LENGTH_AT = 40;
const LENGTH_AT = 56;
/** CMSG_SPACE of an int, and CMSG_LEN. */
const CONTROL_SPACE = 24;
const CONTROL_LENGTH = 20;
const MSG_DONTWAIT = 0x40;
const NAME_WORDS = MAX_SOCKADDR_BYTES / 4;

export const SOL_UDP = 17;
export const UDP_GRO = 104;

/** Where a message lies, and the views of its datagrams that were last handed on: nearly always the next ones too. */
class Slot {
  readonly buffer = Buffer.allocUnsafeSlow(SLOT_BYTES);
  readonly #views: Buffer[] = [];

  /** @param segment the length of each datagram but the last. @returns how many there were. */
  hand(length: number, segment: number, from: Address, take: DatagramListener, isOpen: () => boolean): number {
    let at = 0;
    let count = 0;
    do {
      take(this.#view(count++, at, Math.min(segment, length - at)), from);
      at += segment;
    } while (at < length && isOpen());
    return count;
  }

  #view(i: number, at: number, length: number): Buffer {
    const last = this.#views[i];
    // Buffers of this kind begin where their memory does.
    if (last !== undefined && last.byteOffset === at && last.length === length) return last;
    const view = this.buffer.subarray(at, at + length);
    this.#views[i] = view;
    return view;
  }
}

export class ReceiveBatch {
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #take: DatagramListener;
  readonly #isOpen: () => boolean;
  readonly #headers = Buffer.alloc(BATCH * MMSGHDR_BYTES);
  readonly #slots = Array.from({ length: BATCH }, () => new Slot());
  readonly #iovecs = Buffer.alloc(BATCH * IOVEC_BYTES);
  readonly #names = Buffer.alloc(BATCH * MAX_SOCKADDR_BYTES);
  readonly #nameWords: Uint32Array;
  readonly #controls = Buffer.alloc(BATCH * CONTROL_SPACE);
  readonly #recent = new RecentAddresses();
  /** Messages to ask for: fewer where each brings many datagrams. */
  #ask = 1;

  /** @param isOpen whether the socket still is: its number may by now be another file's. */
  constructor(libc: Libc, fd: number, take: DatagramListener, isOpen: () => boolean) {
    this.#libc = libc;
    this.#fd = fd;
    this.#take = take;
    this.#isOpen = isOpen;
    this.#nameWords = new Uint32Array(this.#names.buffer, this.#names.byteOffset, BATCH * NAME_WORDS);
    const [iovecs, names] = [libc.addressOf(this.#iovecs), libc.addressOf(this.#names)];
    const controls = libc.addressOf(this.#controls);
    for (const [i, { buffer }] of this.#slots.entries()) {
      const at = i * MMSGHDR_BYTES;
      this.#iovecs.writeBigUInt64LE(libc.addressOf(buffer), i * IOVEC_BYTES);
      this.#iovecs.writeBigUInt64LE(BigInt(SLOT_BYTES), i * IOVEC_BYTES + 8);
      this.#headers.writeBigUInt64LE(names + BigInt(i * MAX_SOCKADDR_BYTES), at);
      this.#headers.writeBigUInt64LE(iovecs + BigInt(i * IOVEC_BYTES), at + IOV_AT);
      this.#headers.writeUInt32LE(1, at + IOV_LENGTH_AT);
      this.#headers.writeBigUInt64LE(controls + BigInt(i * CONTROL_SPACE), at + CONTROL_AT);
    }
  }

  /** Takes what has arrived, as much of it as the rest of the process can wait for. */
  drain(): void {
    for (let taken = 0; taken < MAX_AT_ONCE && this.#isOpen(); ) {
      const ask = this.#ask;
      for (let i = 0; i < ask; i++) {
        this.#headers.writeUInt32LE(MAX_SOCKADDR_BYTES, i * MMSGHDR_BYTES + NAME_LENGTH_AT);
        this.#headers.writeUInt32LE(CONTROL_SPACE, i * MMSGHDR_BYTES + CONTROL_LENGTH_AT);
      }
      const count = this.#libc.recvmmsg(this.#fd, this.#headers, ask, MSG_DONTWAIT, null);
      let most = 1;
      for (let i = 0; i < count && this.#isOpen(); i++) {
        const datagrams = this.#hand(i);
        taken += datagrams;
        most = Math.max(most, datagrams);
      }
      if (count > 0) this.#ask = Math.min(2 * ask, Math.ceil(BATCH / most));
      if (count < ask) return;
    }
  }

  #hand(i: number): number {
    const from = this.#recent.of(this.#names, this.#nameWords, i);
    if (from === null) return 1;
    const length = this.#headers.readUInt32LE(i * MMSGHDR_BYTES + LENGTH_AT);
    const segment = this.#segmentOf(i) || length;
    return (this.#slots[i] as Slot).hand(length, segment, from, this.#take, this.#isOpen);
  }

  /** 0 where the message is one datagram. */
  #segmentOf(i: number): number {
    if (this.#headers.readUInt32LE(i * MMSGHDR_BYTES + CONTROL_LENGTH_AT) < CONTROL_LENGTH) return 0;
    const at = i * CONTROL_SPACE;
    const isSegment = this.#controls.readInt32LE(at + 8) === SOL_UDP && this.#controls.readInt32LE(at + 12) === UDP_GRO;
    return isSegment ? Math.max(0, this.#controls.readInt32LE(at + 16)) : 0;
  }
}

import { MAX_DATAGRAM_BYTES } from '../../../shared/limits.js';
import type { Libc } from './libc.js';
import { RecentAddresses } from './recent_addresses.js';
import { MAX_SOCKADDR_BYTES } from './sockaddr.js';
import type { DatagramListener } from './udp_socket.js';

/**
 * Many datagrams in one system call (recvmmsg(2)). The structures, of 64-bit Linux: as in send_batch.ts, and
 *
 *     mmsghdr   msghdr 56 | len 4 | pad 4
 */

/** Datagrams in one call: most of what a burst brings while the one before is worked through. */
const BATCH = 32;
/** One byte more than a datagram may have: what is longer shows itself as such (P-6.6). */
const SLOT_BYTES = MAX_DATAGRAM_BYTES + 8;
/** Datagrams taken before Node looks again: it does so 32 times at most before all else in the process has its turn. */
const MAX_AT_ONCE = 64;

const MMSGHDR_BYTES = 64;
const IOVEC_BYTES = 16;
const NAME_LENGTH_AT = 8;
const IOV_AT = 16;
const IOV_LENGTH_AT = 24;
const LENGTH_AT = 56;
const MSG_DONTWAIT = 0x40;
const NAME_WORDS = MAX_SOCKADDR_BYTES / 4;

export class ReceiveBatch {
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #headers = Buffer.alloc(BATCH * MMSGHDR_BYTES);
  readonly #slots = Array.from({ length: BATCH }, () => Buffer.allocUnsafeSlow(SLOT_BYTES));
  readonly #iovecs = Buffer.alloc(BATCH * IOVEC_BYTES);
  readonly #names = Buffer.alloc(BATCH * MAX_SOCKADDR_BYTES);
  readonly #nameWords: Uint32Array;
  /** The view of each slot that was last handed on: nearly always the next one's length too. */
  readonly #views: Buffer[];
  readonly #recent = new RecentAddresses();

  constructor(libc: Libc, fd: number) {
    this.#libc = libc;
    this.#fd = fd;
    this.#views = [...this.#slots];
    this.#nameWords = new Uint32Array(this.#names.buffer, this.#names.byteOffset, BATCH * NAME_WORDS);
    const [iovecs, names] = [libc.addressOf(this.#iovecs), libc.addressOf(this.#names)];
    for (const [i, slot] of this.#slots.entries()) {
      const at = i * MMSGHDR_BYTES;
      this.#iovecs.writeBigUInt64LE(libc.addressOf(slot), i * IOVEC_BYTES);
      this.#iovecs.writeBigUInt64LE(BigInt(SLOT_BYTES), i * IOVEC_BYTES + 8);
      this.#headers.writeBigUInt64LE(names + BigInt(i * MAX_SOCKADDR_BYTES), at);
      this.#headers.writeBigUInt64LE(iovecs + BigInt(i * IOVEC_BYTES), at + IOV_AT);
      this.#headers.writeUInt32LE(1, at + IOV_LENGTH_AT);
    }
  }

  /**
   * Takes what has arrived, as much of it as the rest of the process can wait for.
   * @param isOpen whether the socket still is: its number may by now be another file's.
   */
  drain(take: DatagramListener, isOpen: () => boolean): void {
    for (let taken = 0; taken < MAX_AT_ONCE && isOpen(); ) {
      for (let i = 0; i < BATCH; i++)
        this.#headers.writeUInt32LE(MAX_SOCKADDR_BYTES, i * MMSGHDR_BYTES + NAME_LENGTH_AT);
      const count = this.#libc.recvmmsg(this.#fd, this.#headers, BATCH, MSG_DONTWAIT, null);
      for (let i = 0; i < count && isOpen(); i++) this.#hand(i, take);
      if (count < BATCH) return;
      taken += count;
    }
  }

  #hand(i: number, take: DatagramListener): void {
    const length = this.#headers.readUInt32LE(i * MMSGHDR_BYTES + LENGTH_AT);
    let view = this.#views[i];
    if (view?.length !== length) {
      view = (this.#slots[i] as Buffer).subarray(0, length);
      this.#views[i] = view;
    }
    const from = this.#recent.of(this.#names, this.#nameWords, i);
    if (from !== null) take(view, from);
  }
}

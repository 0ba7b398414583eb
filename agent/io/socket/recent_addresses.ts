import { decodeSockaddr, MAX_SOCKADDR_BYTES } from './sockaddr.js';
import type { Address } from './udp_socket.js';

/** As many as a seed has sessions: peers that send in turn are told apart without a new object each time. */
const KEPT = 64;
const WORDS = MAX_SOCKADDR_BYTES / 4;

/** The addresses that datagrams came from lately, as the kernel wrote them and as they are handed on: one object as long as it is kept. */
export class RecentAddresses {
  readonly #words = new Uint32Array(KEPT * WORDS);
  readonly #addresses: (Address | null)[] = new Array(KEPT).fill(null);
  #last = 0;
  #next = 0;

  /** Of the name that is in row `i` of `names`; null where it is neither IPv4 nor IPv6. @param words the same bytes */
  of(names: Buffer, words: Uint32Array, i: number): Address | null {
    if (!this.#isAt(this.#last, words, i)) this.#last = this.#find(words, i) ?? this.#keep(names, words, i);
    return this.#addresses[this.#last] ?? null;
  }

  #isAt(kept: number, words: Uint32Array, i: number): boolean {
    if (this.#addresses[kept] === null) return false;
    for (let word = 0; word < WORDS; word++) {
      if (this.#words[kept * WORDS + word] !== words[i * WORDS + word]) return false;
    }
    return true;
  }

  #find(words: Uint32Array, i: number): number | undefined {
    for (let kept = 0; kept < KEPT; kept++) if (this.#isAt(kept, words, i)) return kept;
    return undefined;
  }

  #keep(names: Buffer, words: Uint32Array, i: number): number {
    const kept = this.#next;
    this.#next = (kept + 1) % KEPT;
    this.#words.set(words.subarray(i * WORDS, (i + 1) * WORDS), kept * WORDS);
    this.#addresses[kept] = decodeSockaddr(names.subarray(i * MAX_SOCKADDR_BYTES, (i + 1) * MAX_SOCKADDR_BYTES));
    return kept;
  }
}

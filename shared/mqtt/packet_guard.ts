/**
 * Follows the fixed headers of MQTT packets (MQTT 3.1.1 §2.2) through a stream and holds nothing but where it is:
 *
 *     type and flags (1) | remaining length, 7 bits a byte, least first (1..4) | the rest, skipped
 */

/** MQTT 3.1.1 §3.3.1: PUBLISH is type 3, its QoS in bits 2 and 1. */
const PUBLISH = 3;
const TYPE_SHIFT = 4;
const QOS_SHIFT = 1;
const QOS_MASK = 3;

const CONTINUES = 0x80;
/** MQTT 3.1.1 §2.2.3: four bytes of length at most. */
const MAX_LENGTH_SHIFT = 21;

export type Verdict = 'pass' | 'too large' | 'malformed';

export class PacketGuard {
  readonly #maxBytes: number;
  readonly #maxQos: number;
  /** Bytes of the current packet's rest still to come. */
  #rest = 0;
  #inLength = false;
  #length = 0;
  #shift = 0;

  /** @param maxBytes of a whole packet; @param maxQos of a message, above which it is malformed */
  constructor(maxBytes: number, maxQos = QOS_MASK) {
    this.#maxBytes = maxBytes;
    this.#maxQos = maxQos;
  }

  /** Anything but `pass` ends the connection: the stream cannot be followed further. */
  check(chunk: Uint8Array): Verdict {
    let at = 0;
    while (at < chunk.length) {
      if (this.#rest > 0) {
        const skipped = Math.min(this.#rest, chunk.length - at);
        this.#rest -= skipped;
        at += skipped;
      } else if (!this.#inLength) {
        this.#inLength = true;
        this.#length = 0;
        this.#shift = 0;
        const header = chunk[at++] ?? 0;
        if (header >> TYPE_SHIFT === PUBLISH && ((header >> QOS_SHIFT) & QOS_MASK) > this.#maxQos) return 'malformed';
      } else {
        const verdict = this.#lengthByte(chunk[at++] ?? 0);
        if (verdict !== 'pass') return verdict;
      }
    }
    return 'pass';
  }

  #lengthByte(byte: number): Verdict {
    this.#length += (byte & ~CONTINUES) * 2 ** this.#shift;
    if ((byte & CONTINUES) !== 0) {
      if (this.#shift === MAX_LENGTH_SHIFT) return 'malformed';
      this.#shift += 7;
      return 'pass';
    }
    const headerBytes = 2 + this.#shift / 7;
    if (headerBytes + this.#length > this.#maxBytes) return 'too large';
    this.#inLength = false;
    this.#rest = this.#length;
    return 'pass';
  }
}

/** As much of MQTT 3.1.1 as a broker needs, by hand: one that a library made could not break its rules. */

export interface Packet {
  /** The high half of the first byte. */
  readonly type: number;
  readonly flags: number;
  readonly body: Buffer;
}

export const TYPE = {
  connect: 1,
  publish: 3,
  subscribe: 8,
  unsubscribe: 10,
  ping: 12,
  disconnect: 14,
} as const;

/** Cuts a stream into packets. */
export class PacketCutter {
  #left = Buffer.alloc(0);

  push(bytes: Buffer): Packet[] {
    this.#left = Buffer.concat([this.#left, bytes]);
    const packets: Packet[] = [];
    for (;;) {
      const header = remainingLength(this.#left);
      if (header === null || this.#left.length < header.at + header.length) return packets;
      const [first = 0] = this.#left;
      packets.push({
        type: first >> 4,
        flags: first & 0x0f,
        body: this.#left.subarray(header.at, header.at + header.length),
      });
      this.#left = this.#left.subarray(header.at + header.length);
    }
  }
}

/** §2.2.3 */
function remainingLength(bytes: Buffer): { at: number; length: number } | null {
  let length = 0;
  for (let i = 0; i < 4; i++) {
    const byte = bytes[1 + i];
    if (byte === undefined) return null;
    length += (byte & 0x7f) * 128 ** i;
    if ((byte & 0x80) === 0) return { at: 2 + i, length };
  }
  throw new Error('a length of more than four bytes');
}

/** Reads a packet's body from its start. */
export class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  byte(): number {
    return this.#bytes[this.#at++] ?? 0;
  }

  number(): number {
    return this.byte() * 256 + this.byte();
  }

  field(): Buffer {
    const length = this.number();
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  text(): string {
    return this.field().toString();
  }

  rest(): Buffer {
    return this.#bytes.subarray(this.#at);
  }
}

export function packet(type: number, flags: number, ...body: readonly Buffer[]): Buffer {
  const all = Buffer.concat(body);
  const length: number[] = [];
  let left = all.length;
  do {
    const more = Math.floor(left / 128);
    length.push((left % 128) | (more > 0 ? 0x80 : 0));
    left = more;
  } while (left > 0);
  return Buffer.concat([Buffer.from([(type << 4) | flags, ...length]), all]);
}

export function number(value: number): Buffer {
  return Buffer.from([value >> 8, value & 0xff]);
}

export interface Delivery {
  readonly retain?: boolean;
  readonly dup?: boolean;
  readonly qos?: 0 | 1;
}

/** @param id of the packet, where its quality of service is 1 */
export function publishPacket(topic: string, payload: Uint8Array, id: number, how: Delivery = {}): Buffer {
  const { retain = false, dup = false, qos = 1 } = how;
  const name = Buffer.from(topic);
  const flags = (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0);
  const numbered = qos === 0 ? [] : [number(id)];
  return packet(TYPE.publish, flags, number(name.length), name, ...numbered, Buffer.from(payload));
}

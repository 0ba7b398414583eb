import { Packr } from 'msgpackr';
import { ChunkmeshError } from '../errors.js';
import { MAX_MESSAGE_DEPTH } from '../limits.js';

/** The only door to MessagePack: plain maps out, and nothing in but what was measured first (P-3.3). */

const packr = new Packr({
  useRecords: false,
  variableMapSize: true,
  mapsAsObjects: true,
  moreTypes: false,
  // Past 2^53 it is rounded to what is no safe integer, which no schema takes.
  int64AsType: 'number',
});
const MAX_UINT32 = 0xffff_ffff;

export function encodeMap(value: Readonly<Record<string, unknown>>): Uint8Array {
  return new Uint8Array(packr.pack(withWideIntegers(value)));
}

/** Integers of more than 32 bits as int 64: the packer would write a float, which no other language takes for a size. */
function withWideIntegers(value: unknown): unknown {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value > MAX_UINT32 ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map(withWideIntegers);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, withWideIntegers(entry)]));
}

/**
 * @returns the map, its values still of unknown type.
 * @throws E_MESSAGE_MALFORMED where the bytes are not exactly one map of P-3.3.
 */
export function decodeMap(bytes: Uint8Array): Record<string, unknown> {
  const measure = new Measure(bytes);
  if (!measure.isMap() || !measure.value(0) || !measure.atEnd()) throw malformed();
  let value: unknown;
  try {
    value = packr.unpack(bytes);
  } catch (cause) {
    throw malformed(cause);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed();
  return value as Record<string, unknown>;
}

function malformed(cause?: unknown): ChunkmeshError {
  return new ChunkmeshError('E_MESSAGE_MALFORMED', 'not one plain MessagePack map', { cause });
}

/** Walks the bytes without building anything, so that a lying count or a deep nest costs nothing. */
class Measure {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  isMap(): boolean {
    const type = this.#bytes[0] ?? 0;
    return (type & 0xf0) === 0x80 || type === 0xde || type === 0xdf;
  }

  atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /**
   * The MessagePack specification's table of formats; false for an extension (0xc7-0xc9, 0xd4-0xd8) and for 0xc1.
   * @param depth how many maps and arrays are around it
   */
  value(depth: number): boolean {
    const type = this.#bytes[this.#at++];
    if (type === undefined) return false;
    if (type < 0x80 || type >= 0xe0) return true;
    if (type < 0x90) return this.#map(type & 0x0f, depth);
    if (type < 0xa0) return this.#items(type & 0x0f, depth);
    if (type < 0xc0) return this.#skip(type & 0x1f);
    switch (type) {
      case 0xc0:
      case 0xc2:
      case 0xc3:
        return true;
      case 0xc4:
      case 0xd9:
        return this.#skip(this.#count(1));
      case 0xc5:
      case 0xda:
        return this.#skip(this.#count(2));
      case 0xc6:
      case 0xdb:
        return this.#skip(this.#count(4));
      case 0xcc:
      case 0xd0:
        return this.#skip(1);
      case 0xcd:
      case 0xd1:
        return this.#skip(2);
      case 0xca:
      case 0xce:
      case 0xd2:
        return this.#skip(4);
      case 0xcb:
      case 0xcf:
      case 0xd3:
        return this.#skip(8);
      case 0xdc:
        return this.#items(this.#count(2), depth);
      case 0xdd:
        return this.#items(this.#count(4), depth);
      case 0xde:
        return this.#map(this.#count(2), depth);
      case 0xdf:
        return this.#map(this.#count(4), depth);
      default:
        return false;
    }
  }

  /** -1, which nothing accepts, where the bytes end first. */
  #count(width: 1 | 2 | 4): number {
    const at = this.#at;
    if (at + width > this.#bytes.length) return -1;
    this.#at += width;
    if (width === 1) return this.#view.getUint8(at);
    return width === 2 ? this.#view.getUint16(at) : this.#view.getUint32(at);
  }

  #skip(length: number): boolean {
    if (length < 0 || length > this.#bytes.length - this.#at) return false;
    this.#at += length;
    return true;
  }

  #items(count: number, depth: number): boolean {
    if (depth >= MAX_MESSAGE_DEPTH || count < 0 || count > this.#bytes.length - this.#at) return false;
    for (let i = 0; i < count; i++) if (!this.value(depth + 1)) return false;
    return true;
  }

  #map(count: number, depth: number): boolean {
    if (depth >= MAX_MESSAGE_DEPTH || count < 0 || count * 2 > this.#bytes.length - this.#at) return false;
    for (let i = 0; i < count; i++)
      if (!this.#isText() || !this.value(depth + 1) || !this.value(depth + 1)) return false;
    return true;
  }

  #isText(): boolean {
    const type = this.#bytes[this.#at] ?? 0;
    return (type >= 0xa0 && type < 0xc0) || (type >= 0xd9 && type <= 0xdb);
  }
}

/** What node:crypto does not say of a certificate's extensions (RFC 5280 §4.2), read from its DER (X.690). Pure. */

const BOOLEAN = 0x01;
const INTEGER = 0x02;
const OCTET_STRING = 0x04;
const OBJECT_IDENTIFIER = 0x06;
const SEQUENCE = 0x30;
/** RFC 5280 §4.1: `extensions [3] EXPLICIT` */
const EXTENSIONS = 0xa3;
/** A certificate has less than 16 MiB. */
const MAX_LENGTH_BYTES = 3;
const BASIC_CONSTRAINTS = '551d13';

interface Element {
  readonly tag: number;
  readonly body: Buffer;
}

export interface Extension {
  /** The object identifier as DER has it, hex: 2.5.29.19 is `551d13`. */
  readonly oid: string;
  readonly isCritical: boolean;
  readonly value: Buffer;
}

/** @throws RangeError where it is not the DER of a certificate */
export function extensionsOf(certificate: Uint8Array): Extension[] {
  const [whole] = elements(Buffer.from(certificate));
  const [signed] = elements(bodyOf(whole, SEQUENCE));
  const wrapped = elements(bodyOf(signed, SEQUENCE)).find(({ tag }) => tag === EXTENSIONS);
  if (wrapped === undefined) return [];
  return elements(bodyOf(elements(wrapped.body)[0], SEQUENCE)).map((one) => {
    const parts = elements(bodyOf(one, SEQUENCE));
    const critical = parts.find(({ tag }) => tag === BOOLEAN);
    return {
      oid: bodyOf(parts[0], OBJECT_IDENTIFIER).toString('hex'),
      isCritical: critical !== undefined && critical.body[0] !== 0,
      value: bodyOf(parts.at(-1), OCTET_STRING),
    };
  });
}

/** RFC 5280 §4.2.1.9: how many CAs may be below this one; Infinity where it does not say. @throws RangeError */
export function pathLengthOf(extensions: readonly Extension[]): number {
  const constraints = extensions.find(({ oid }) => oid === BASIC_CONSTRAINTS);
  if (constraints === undefined) return Number.POSITIVE_INFINITY;
  const [sequence] = elements(constraints.value);
  const length = elements(bodyOf(sequence, SEQUENCE)).find(({ tag }) => tag === INTEGER);
  if (length === undefined) return Number.POSITIVE_INFINITY;
  // A negative one is none that anything could be below.
  if ((length.body[0] ?? 0x80) >= 0x80) return -1;
  return Number.parseInt(length.body.toString('hex'), 16);
}

function elements(bytes: Buffer): Element[] {
  const found: Element[] = [];
  for (let at = 0; at < bytes.length; ) {
    const [from, length] = extent(bytes, at + 1);
    if (from + length > bytes.length) throw new RangeError('an element that is longer than what it is in');
    found.push({ tag: bytes.readUInt8(at), body: bytes.subarray(from, from + length) });
    at = from + length;
  }
  return found;
}

/** X.690 §8.1.3 @returns where the body begins, and its length in bytes */
function extent(bytes: Buffer, at: number): [from: number, length: number] {
  const first = bytes.readUInt8(at);
  if (first < 0x80) return [at + 1, first];
  const count = first & 0x7f;
  if (count < 1 || count > MAX_LENGTH_BYTES) throw new RangeError('an element without a length');
  return [at + 1 + count, bytes.readUIntBE(at + 1, count)];
}

function bodyOf(element: Element | undefined, tag: number): Buffer {
  if (element?.tag !== tag) throw new RangeError('an element of another kind');
  return element.body;
}

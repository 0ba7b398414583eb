/**
 * What libsodium refuses of a signature and a key on their bytes alone (RFC 8032 §5.1.2, §5.1.3, §5.1.7, and small order, which the RFC
 * leaves open). A point is 255 bits of y, little-endian, and the sign of x in the top bit:
 *
 *     byte 0 ... 30 | byte 31
 *     y             | sign (1 bit), y (7 bits)
 */

const SIGN = 0x80;
const LAST = 31;
/** p = 2^255 - 19: its lowest byte; all above are 0xff, and 0x7f the last. */
const LOWEST_OF_P = 0xed;
/** L = 2^252 + 27742317777372353535851937790883648493, the order of the base point, little-endian. */
const ORDER = Buffer.from('edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010', 'hex');

/**
 * The y of every point of order 1, 2, 4 or 8: 1, -1, 0, the two of order 8, and of those the encodings past p that fit (p is 0 again,
 * p + 1 is 1). With either sign.
 */
const SMALL_ORDER = [
  '0100000000000000000000000000000000000000000000000000000000000000',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  '0000000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
].map((y) => Buffer.from(y, 'hex'));

/** S < L (RFC 8032 §5.1.7). @param scalar 32 bytes */
export function isCanonicalScalar(scalar: Uint8Array): boolean {
  for (let i = LAST; i >= 0; i--) {
    const difference = (scalar[i] ?? 0) - (ORDER[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

/** y < p (RFC 8032 §5.1.3 step 1). @param point 32 bytes */
export function isCanonicalPoint(point: Uint8Array): boolean {
  if (((point[LAST] ?? 0) | SIGN) !== 0xff) return true;
  for (let i = LAST - 1; i > 0; i--) if (point[i] !== 0xff) return true;
  return (point[0] ?? 0) < LOWEST_OF_P;
}

/** Whether it encodes a point of order 1, 2, 4 or 8, canonically or not. @param point 32 bytes */
export function isOfSmallOrder(point: Uint8Array): boolean {
  return SMALL_ORDER.some((y) => {
    for (let i = 0; i < LAST; i++) if (point[i] !== y[i]) return false;
    return ((point[LAST] ?? 0) & ~SIGN) === y[LAST];
  });
}

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { extensionsOf, pathLengthOf } from '../../../shared/identity/x509_extensions.js';
import { Issuer, identityOf, x509 } from '../../support/members.js';

const issuer = await Issuer.authority();
const leaf = (await issuer.member()).certificateDer;

const constraints = (length?: number) => {
  const { rawData } = new x509.BasicConstraintsExtension(true, length, true);
  const extension = new x509.Extension(rawData);
  return [{ oid: '551d13', isCritical: true, value: Buffer.from(extension.value) }];
};

describe('RFC 5280 §4.2 extensions', () => {
  it('are told apart, with whether they are critical', () => {
    expect(extensionsOf(leaf).map(({ oid, isCritical }) => [oid, isCritical])).toEqual([
      ['551d13', true],
      ['551d25', false],
      ['551d11', false],
    ]);
  });

  it.each([
    [0, 0],
    [3, 3],
    [127, 127],
    [128, 128],
    [70_000, 70_000],
    [undefined, Number.POSITIVE_INFINITY],
  ])('§4.2.1.9: a path length of %s', (length, read) => {
    expect(pathLengthOf(constraints(length))).toBe(read);
  });

  it('§4.2.1.9: a negative one, or one of no bytes, lets nothing be below', () => {
    for (const integer of ['0201ff', '0200']) {
      const value = Buffer.from(`30${(3 + integer.length / 2).toString(16).padStart(2, '0')}0101ff${integer}`, 'hex');
      expect(pathLengthOf([{ oid: '551d13', isCritical: true, value }])).toBe(-1);
    }
  });

  it('of what is no certificate are a RangeError, whatever it is, and never more than that', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.tuple(fc.nat(leaf.length - 1), fc.nat(255)).map(([at, value]) => leaf.with(at, value)),
      fc.nat(leaf.length).map((length) => leaf.subarray(0, length)),
    );
    fc.assert(
      fc.property(bytes, (certificate) => {
        try {
          pathLengthOf(extensionsOf(certificate));
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
      { numRuns: 2000 },
    );
    expect(() => extensionsOf(Buffer.from('3085ffffffffff', 'hex'))).toThrow(RangeError);
    expect(() => extensionsOf(new Uint8Array())).toThrow(RangeError);
  });

  it('a certificate that names another is read alike', async () => {
    const other = await issuer.member(identityOf({ id: 'x'.repeat(64) }));
    expect(extensionsOf(other.certificateDer)).toHaveLength(3);
  });
});

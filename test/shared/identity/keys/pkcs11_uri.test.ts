import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parsePkcs11Uri } from '../../../../shared/identity/keys/pkcs11_uri.js';
import { codeOf } from '../../../support/members.js';

const MODULE = 'module-path=/usr/lib/softhsm/libsofthsm2.so';
const GOOD = `pkcs11:token=mesh;object=cam-1?${MODULE}`;

describe('P-13.3 a pkcs11: reference', () => {
  it('names token and key, percent-encoded (RFC 7512 §2.3)', () => {
    const uri = parsePkcs11Uri(
      `pkcs11:token=My%20token;serial=00:1f;object=caf%C3%A9;id=%00%ff%2fA;type=private?${MODULE}`,
    );
    expect(uri).toEqual({
      ...{ token: 'My token', serial: '00:1f', object: 'café', id: Uint8Array.of(0, 0xff, 0x2f, 0x41) },
      modulePath: '/usr/lib/softhsm/libsofthsm2.so',
    });
    expect(parsePkcs11Uri(GOOD)).not.toHaveProperty('pinSource');
  });

  it.each([
    ['file:/etc/chunkmesh/pin', { file: '/etc/chunkmesh/pin' }],
    ['file:///etc/chunkmesh/pin', { file: '/etc/chunkmesh/pin' }],
    ['/etc/a%20pin', { file: '/etc/a pin' }],
    ['env:MESH_PIN', { environment: 'MESH_PIN' }],
    ['credential:pin', { credential: 'pin' }],
  ])('takes a PIN from %s', (source, pinSource) => {
    expect(parsePkcs11Uri(`${GOOD}&pin-source=${source}`)).toMatchObject({ pinSource });
  });

  it.each([
    ['another scheme', `file:token=mesh;object=a?${MODULE}`],
    ['no token', `pkcs11:object=cam-1?${MODULE}`],
    ['no key', `pkcs11:token=mesh?${MODULE}`],
    ['nothing', 'pkcs11:'],
    ['no module', 'pkcs11:token=mesh;object=cam-1'],
    ['a module by a relative path', 'pkcs11:token=mesh;object=cam-1?module-path=libsofthsm2.so'],
    ['a module by name', 'pkcs11:token=mesh;object=cam-1?module-name=softhsm2'],
    ['a public key', `pkcs11:token=mesh;object=cam-1;type=public?${MODULE}`],
    ['an attribute that is not known', `pkcs11:token=mesh;object=cam-1;slot-id=1?${MODULE}`],
    ['an attribute twice', `pkcs11:token=mesh;token=mesh;object=cam-1?${MODULE}`],
    ['an attribute that is empty', `pkcs11:token=;object=cam-1?${MODULE}`],
    ['an attribute without a value', `pkcs11:token;object=cam-1?${MODULE}`],
    ['a separator too many', `pkcs11:token=mesh;;object=cam-1?${MODULE}`],
    ['a second query', `${GOOD}?${MODULE}`],
    ['half an octet', `pkcs11:token=mesh;object=%4?${MODULE}`],
    ['a space', `pkcs11:token=my token;object=a?${MODULE}`],
    ['a PIN from a program (RFC 7512 §2.4)', `${GOOD}&pin-source=|cat%20pin`],
    ['a PIN from a relative path', `${GOOD}&pin-source=file:pin`],
    ['a PIN from a variable that cannot be', `${GOOD}&pin-source=env:A-B`],
    ['a PIN from elsewhere', `${GOOD}&pin-source=https://example/pin`],
  ])('is refused with %s', (_what, uri) => {
    expect(codeOf(() => parsePkcs11Uri(uri))).toBe('E_KEY_REFERENCE');
  });

  it.each([`${GOOD}&pin-value=s3cret`, `${GOOD}&pin=s3cret`, `${GOOD}&s3cret`, `${GOOD}&pin-source=s3cret`])(
    'is refused with a PIN in it, which is not repeated: %s',
    (uri) => {
      let error: unknown;
      try {
        parsePkcs11Uri(uri);
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toMatchObject({ code: 'E_KEY_REFERENCE' });
      expect(inspect(error, { depth: null, showHidden: true }).split('\n')[0]).not.toContain('s3cret');
    },
  );

  it('throws nothing but its own error', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((text) => GOOD + text),
        ),
        (text) => {
          return ['accepted', 'E_KEY_REFERENCE'].includes(codeOf(() => parsePkcs11Uri(text)));
        },
      ),
      { numRuns: 500 },
    );
  });
});

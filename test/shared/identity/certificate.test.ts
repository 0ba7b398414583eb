import { webcrypto, X509Certificate } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { SigningKey } from '../../../shared/crypto/signature.js';
import {
  CertificateVerifier,
  checkValidity,
  identityUris,
  parseX509,
  readCertificate,
} from '../../../shared/identity/certificate.js';
import { MAX_CERTIFICATE_BYTES } from '../../../shared/limits.js';
import {
  codeOf,
  FLEET,
  Issuer,
  identityOf,
  type LeafOptions,
  NOW,
  pemOf,
  urlNames,
  x509,
} from '../../support/members.js';

const identity = identityOf({ groups: ['cameras', 'all'] });
const uri = (rest: string): string => `chunkmesh://${FLEET}/${rest}`;
const key = SigningKey.generate();
let fleet: Issuer;

beforeAll(async () => {
  fleet = await Issuer.authority();
});

const verdict = async (options: LeafOptions, over = identity): Promise<string> => {
  const der = await fleet.leaf(over, key, options);
  return codeOf(() => fleet.verifier().verify(der, NOW));
};

describe('P-3.5 who a certificate names', () => {
  it('reads device, role, site and groups, in any order of URIs', async () => {
    const names = urlNames(...identityUris(identity).reverse());
    const holder = fleet.verifier().verify(await fleet.leaf(identity, key, { names }), NOW);
    expect(holder.identity).toEqual({ ...identity, groups: ['all', 'cameras'] });
    expect(Buffer.from(holder.publicKey)).toEqual(Buffer.from(key.publicKey));
  });

  it('takes 32 groups and refuses 33', async () => {
    const groups = (count: number) => ({ ...identity, groups: Array.from({ length: count }, (_, i) => `g${i}`) });
    expect(await verdict({}, groups(32))).toBe('accepted');
    expect(await verdict({}, groups(33))).toBe('E_CERT_INVALID');
  });

  it('takes a device of no group', async () => {
    expect(await verdict({}, identityOf({ groups: [] }))).toBe('accepted');
  });

  const device = uri('device/cam-1');
  const role = uri('role/device');
  const site = uri('site/north');
  it.each([
    ['two devices', [device, uri('device/cam-2'), role, site]],
    ['the same device twice', [device, device, role, site]],
    ['no device', [role, site]],
    ['no role', [device, site]],
    ['two roles', [device, role, uri('role/publisher'), site]],
    ['an unknown role', [device, uri('role/admin'), site]],
    ['a role named as a property of every object', [device, uri('role/constructor'), site]],
    ['no site', [device, role]],
    ['two sites', [device, role, site, uri('site/south')]],
    ['a group of another fleet', [device, role, site, 'chunkmesh://fleet2/group/cameras']],
    ['a device of another fleet', ['chunkmesh://fleet2/device/cam-1', role, site]],
    ['an unknown kind', [device, role, site, uri('owner/me')]],
    ['a kind named __proto__', [device, role, site, uri('__proto__/me')]],
    ['an id of 65 characters', [device, role, uri(`site/${'s'.repeat(65)}`)]],
    ['an empty id', [device, role, uri('site/')]],
    ['a dot in an id', [device, role, uri('site/north.west')]],
    ['a wildcard in an id', [device, role, site, uri('group/+')]],
    ['a slash behind an id', [device, role, uri('site/north/')]],
    ['an escaped id', [uri('device/cam%2d1'), role, site]],
    ['a scheme of another case', ['CHUNKMESH://fleet1/device/cam-1', role, site]],
    ['a line break behind an id', [device, role, uri('site/north\n')]],
    ['a name inside a name, by the separator that names are printed with', [`${device}, URI:${role}`, site]],
    ['a role inside a group', [device, site, `${uri('group/cameras')}, URI:${role}`]],
    ['a name inside quotes', [`"${device}"`, role, site]],
  ])('refuses %s', async (_what, uris) => {
    expect(await verdict({ names: urlNames(...uris) })).toBe('E_CERT_INVALID');
  });

  it.each<[string, x509.JsonGeneralName]>([
    ['a DNS name', { type: 'dns', value: 'cam-1.example' }],
    ['a DNS name that looks like a URI', { type: 'dns', value: 'URI:chunkmesh://fleet1/group/all' }],
    ['a DNS name that breaks out of its entry', { type: 'dns', value: 'x, URI:chunkmesh://fleet1/group/all' }],
    ['an address', { type: 'ip', value: '192.0.2.1' }],
    ['an e-mail address', { type: 'email', value: 'cam@example.com' }],
  ])('refuses %s besides the URIs', async (_what, extra) => {
    const names = [...urlNames(...identityUris(identity)), extra];
    expect(await verdict({ names })).toBe('E_CERT_INVALID');
  });

  it.each<[string, x509.JsonName]>([
    ['another CN', [{ CN: ['cam-2'] }]],
    ['a CN that begins with the id', [{ CN: ['cam-11'] }]],
    ['no CN', [{ O: ['cam-1'] }]],
    ['a second CN behind it', [{ CN: ['cam-1'] }, { CN: ['admin'] }]],
    ['a second CN before it', [{ CN: ['admin'] }, { CN: ['cam-1'] }]],
    ['a second CN in another part of the name', [{ CN: ['cam-1'] }, { O: ['acme'], CN: ['admin'] }]],
    ['a CN that is written inside another part', [{ O: ['x\nCN=cam-1'] }]],
  ])('refuses %s', async (_what, cn) => {
    expect(await verdict({ cn })).toBe('E_CERT_INVALID');
  });

  it('takes what else the subject says', async () => {
    expect(await verdict({ cn: [{ C: ['DE'] }, { O: ['acme'] }, { CN: ['cam-1'] }] })).toBe('accepted');
  });

  it('refuses a fleet that is not the verifier’s, from the same CA', async () => {
    const der = await fleet.leaf(identityOf({ fleet: 'fleet2' }), key);
    expect(codeOf(() => fleet.verifier().verify(der, NOW))).toBe('E_CERT_FOREIGN');
    expect(codeOf(() => fleet.verifier('fleet2').verify(der, NOW))).toBe('accepted');
  });

  it('refuses RSA and P-256 keys', async () => {
    const rsa = {
      name: 'RSASSA-PKCS1-v1_5',
      hash: 'SHA-256',
      modulusLength: 2048,
      publicExponent: Buffer.from([1, 0, 1]),
    };
    const pairs = [
      await webcrypto.subtle.generateKey(rsa, true, ['sign', 'verify']),
      await webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']),
    ];
    for (const { publicKey } of pairs) expect(await verdict({ publicKey })).toBe('E_CERT_INVALID');
  });
});

describe('P-3.4 whose word a certificate is', () => {
  it('refuses a CA of the same name', async () => {
    const other = await Issuer.authority();
    const der = await other.leaf(identity, key);
    expect(codeOf(() => fleet.verifier().verify(der, NOW))).toBe('E_CERT_FOREIGN');
  });

  it('refuses a CA of another name', async () => {
    const other = await Issuer.authority('CN=fleet2 CA');
    const der = await other.leaf(identity, key);
    expect(codeOf(() => fleet.verifier().verify(der, NOW))).toBe('E_CERT_FOREIGN');
  });

  it('refuses what a device signs as an intermediate, under its own name and under the CA’s', async () => {
    const thief = SigningKey.generate();
    const own = await fleet.leaf(identityOf({ id: 'thief' }), thief);
    for (const name of ['CN=thief', `CN=${FLEET} CA`]) {
      const der = await new Issuer(thief, name, pemOf(own)).leaf(identityOf({ role: 'publisher' }), key);
      expect(codeOf(() => fleet.verifier().verify(der, NOW))).toBe('E_CERT_FOREIGN');
    }
  });

  it('refuses a certificate that signed itself, the CA’s own included', async () => {
    const der = await new Issuer(key, 'CN=cam-1', '').leaf(identity, key);
    expect(codeOf(() => fleet.verifier().verify(der, NOW))).toBe('E_CERT_FOREIGN');
    const own = new X509Certificate(fleet.certificate).raw;
    expect(codeOf(() => fleet.verifier().verify(own, NOW))).toBe('E_CERT_INVALID');
  });

  it('refuses a leaf that is a CA', async () => {
    expect(await verdict({ ca: true })).toBe('E_CERT_INVALID');
  });

  const { serverAuth, clientAuth, codeSigning } = x509.ExtendedKeyUsage;
  it.each([
    ['serverAuth alone', [serverAuth], 'E_CERT_INVALID'],
    ['codeSigning alone', [codeSigning], 'E_CERT_INVALID'],
    ['any usage', ['2.5.29.37.0' as x509.ExtendedKeyUsage], 'E_CERT_INVALID'],
    ['clientAuth and serverAuth', [serverAuth, clientAuth], 'accepted'],
  ])('takes clientAuth alone for enough: %s', async (_what, usages, expected) => {
    expect(await verdict({ usages })).toBe(expected);
  });

  it('refuses every flipped bit of the signature, and of a spread of the rest', async () => {
    const der = await fleet.leaf(identity, key);
    const verifier = fleet.verifier();
    for (let bit = 0; bit < der.length * 8; bit += bit >= (der.length - 64) * 8 ? 1 : 29) {
      const bad = Uint8Array.from(der);
      bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(
        codeOf(() => verifier.verify(bad, NOW)),
        `bit ${bit}`,
      ).toMatch(/^E_CERT_(INVALID|FOREIGN)$/);
    }
  });

  it('refuses every truncated prefix, the empty one included', async () => {
    const der = await fleet.leaf(identity, key);
    for (let length = 0; length < der.length; length++) {
      expect(codeOf(() => fleet.verifier().verify(der.subarray(0, length), NOW))).toBe('E_CERT_INVALID');
    }
  });

  it('P-3.1 refuses the same certificate as PEM, or with bytes behind it: it has one encoding and one fingerprint', async () => {
    const der = await fleet.leaf(identity, key);
    const verifier = fleet.verifier();
    const others = [Buffer.from(pemOf(der)), Buffer.from([...der, 0]), Buffer.from([...der, ...der])];
    for (const bytes of others) expect(codeOf(() => verifier.verify(bytes, NOW))).toBe('E_CERT_INVALID');
    expect(codeOf(() => verifier.verify(der, NOW))).toBe('accepted');
    for (const bytes of others) expect(codeOf(() => verifier.verify(bytes, NOW))).toBe('E_CERT_INVALID');
  });

  it('P-3.1 takes 4,096 bytes and refuses 4,097, before anything is parsed', async () => {
    const ofSize = async (padding: number): Promise<Uint8Array> =>
      fleet.leaf(identity, key, {
        extensions: [new x509.Extension('1.3.6.1.4.1.55555.1', false, new Uint8Array(padding))],
      });
    const spare = MAX_CERTIFICATE_BYTES - (await ofSize(3000)).length;
    const largest = await ofSize(3000 + spare);
    expect(largest.length).toBe(MAX_CERTIFICATE_BYTES);
    expect(codeOf(() => fleet.verifier().verify(largest, NOW))).toBe('accepted');
    const tooLarge = await ofSize(3001 + spare);
    expect(codeOf(() => fleet.verifier().verify(tooLarge, NOW))).toBe('E_CERT_INVALID');
    const authority = new X509Certificate(fleet.certificate);
    expect(codeOf(() => readCertificate(new X509Certificate(tooLarge), authority, FLEET))).toBe('E_CERT_INVALID');
    expect(codeOf(() => parseX509(new Uint8Array(4 * MAX_CERTIFICATE_BYTES + 1)))).toBe('E_CERT_INVALID');
  });
});

describe('P-3.4 RFC 5280 §6.1.3 validity', () => {
  it('takes the last second and refuses one after; before the first, it is the clock that is wrong', async () => {
    const verifier = fleet.verifier();
    const der = await fleet.leaf(identity, key, { notBefore: NOW, notAfter: NOW + 100 });
    const at = (now: number): string => codeOf(() => verifier.verify(der, now));
    expect([0, NOW - 1, NOW, NOW + 100, NOW + 101].map(at)).toEqual([
      'accepted',
      'accepted',
      'accepted',
      'accepted',
      'E_CERT_EXPIRED',
    ]);
  });

  it('of who is to be admitted begins with the first second', async () => {
    const der = await fleet.leaf(identity, key, { notBefore: NOW, notAfter: NOW + 100 });
    const holder = fleet.verifier().verify(der, NOW);
    const at = (now: number): string => codeOf(() => checkValidity(holder, now));
    expect([NOW - 1, NOW, NOW + 100, NOW + 101].map(at)).toEqual([
      'E_CERT_EXPIRED',
      'accepted',
      'accepted',
      'E_CERT_EXPIRED',
    ]);
  });

  it('is looked at each time: a remembered certificate expires, and is good again when the clock is set right', async () => {
    const verifier = fleet.verifier();
    const der = await fleet.leaf(identity, key);
    const at = (now: number): string => codeOf(() => verifier.verify(der, now));
    expect([NOW, NOW + 10 ** 6, NOW].map(at)).toEqual(['accepted', 'E_CERT_EXPIRED', 'accepted']);
  });

  it('refuses a clock that is not a number', async () => {
    const der = await fleet.leaf(identity, key);
    expect(codeOf(() => fleet.verifier().verify(der, Number.NaN))).toBe('E_CERT_EXPIRED');
  });
});

describe('what the verifier remembers', () => {
  it('is never what was refused: a forgery before and after the real one stays a forgery', async () => {
    const verifier = fleet.verifier();
    const real = await fleet.leaf(identity, key);
    const forged = await (await Issuer.authority()).leaf(identity, SigningKey.generate());
    expect(codeOf(() => verifier.verify(forged, NOW))).toBe('E_CERT_FOREIGN');
    expect(Buffer.from(verifier.verify(real, NOW).publicKey)).toEqual(Buffer.from(key.publicKey));
    expect(codeOf(() => verifier.verify(forged, NOW))).toBe('E_CERT_FOREIGN');
  });

  it('is one holder for each certificate, two of one device included', async () => {
    const verifier = fleet.verifier();
    const second = SigningKey.generate();
    const [a, b] = [await fleet.leaf(identity, key), await fleet.leaf(identity, second)];
    expect(Buffer.from(verifier.verify(a, NOW).publicKey)).toEqual(Buffer.from(key.publicKey));
    expect(Buffer.from(verifier.verify(b, NOW).publicKey)).toEqual(Buffer.from(second.publicKey));
    expect(verifier.verify(a, NOW)).toBe(verifier.verify(a, NOW));
  });

  it('does not follow the bytes it was given', async () => {
    const verifier = fleet.verifier();
    const der = await fleet.leaf(identity, key);
    const buffer = Uint8Array.from(der);
    const holder = verifier.verify(buffer, NOW);
    buffer.fill(0);
    expect(codeOf(() => verifier.verify(buffer, NOW))).toBe('E_CERT_INVALID');
    expect(verifier.verify(der, NOW)).toBe(holder);
  });

  it('has an end: after 1,024 others a certificate is verified anew', async () => {
    const verifier = new CertificateVerifier(fleet.certificate, FLEET);
    const first = await fleet.leaf(identity, key);
    const others = fleet.variants(first, 1024);
    const holder = verifier.verify(first, NOW);
    for (const der of others.slice(0, 1023)) verifier.verify(der, NOW);
    expect(verifier.verify(first, NOW)).toBe(holder);
    verifier.verify(others[1023] ?? first, NOW);
    expect(verifier.verify(first, NOW)).not.toBe(holder);
    expect(verifier.verify(first, NOW)).toEqual(holder);
  });
});

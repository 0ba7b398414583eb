import 'reflect-metadata'; // @peculiar/x509 refuses to load without it.
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { MAX_REQUEST_TEXT_BYTES, readRequest, readRequestPem } from '../../../broker/enrolment/request.js';
import { SigningKey } from '../../../shared/crypto/signature.js';
import { makeRequest, toPem } from '../../../shared/identity/request.js';
import { MAX_REQUEST_BYTES } from '../../../shared/limits.js';
import { codeOf, urlNames } from '../../support/members.js';

const REFUSED = 'E_REQUEST_INVALID';
const key = SigningKey.generate();
const good = makeRequest('cam-1', key);
const verdict = (der: Uint8Array): string => codeOf(() => readRequest(der));

interface Made {
  readonly name?: x509.JsonName;
  readonly kind?: 'Ed25519' | 'P-256' | 'RSA';
  readonly extensions?: readonly x509.Extension[];
}

const KINDS = {
  Ed25519: 'Ed25519',
  'P-256': { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  RSA: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', publicExponent: Uint8Array.of(1, 0, 1), modulusLength: 2048 },
} as const;

beforeAll(() => x509.cryptoProvider.set(webcrypto));

/** By other tools than ours: whatever a device may send. */
async function made({ name = [{ CN: ['cam-1'] }], kind = 'Ed25519', extensions = [] }: Made): Promise<Uint8Array> {
  const algorithm = KINDS[kind];
  const keys = (await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({
    ...{ name, keys, extensions: [...extensions] },
    signingAlgorithm: algorithm as webcrypto.EcdsaParams,
  });
  return new Uint8Array(csr.rawData);
}

describe('P-13.5 a request is refused', () => {
  it('where it is signed by another key than it names: nobody enrolls a key that it does not have', () => {
    const other = SigningKey.generate();
    expect(verdict(makeRequest('cam-1', { publicKey: key.publicKey, sign: (bytes) => other.sign(bytes) }))).toBe(
      REFUSED,
    );
  });

  it('where one bit of it is another', () => {
    for (let at = 0; at < good.length; at++) {
      const bad = Uint8Array.from(good);
      bad[at] = (bad[at] ?? 0) ^ 1;
      expect(verdict(bad), `byte ${at}`).toBe(REFUSED);
    }
  });

  it('where it is cut short, or has bytes behind it', () => {
    for (let length = 0; length < good.length; length++) expect(verdict(good.subarray(0, length))).toBe(REFUSED);
    for (const tail of [1, 2, 100]) expect(verdict(Buffer.concat([good, new Uint8Array(tail)]))).toBe(REFUSED);
  });

  it.each(['P-256', 'RSA'] as const)('with a %s key', async (kind) => {
    expect(verdict(await made({ kind }))).toBe(REFUSED);
  });

  it('with two common names, in one set or two, and with none', async () => {
    expect(verdict(await made({ name: [{ CN: ['cam-1'] }, { CN: ['cam-2'] }] }))).toBe(REFUSED);
    expect(verdict(await made({ name: [{ CN: ['cam-1', 'cam-2'] }] }))).toBe(REFUSED);
    expect(verdict(await made({ name: [{ O: ['cam-1'] }] }))).toBe(REFUSED);
  });

  it.each(['', 'cam 1', 'cam.1', '../x', '+', 'x'.repeat(65), '__proto__', 'cäm'])(
    'P-1.1 with the name %j',
    async (cn) => {
      expect(verdict(await made({ name: [{ CN: [cn] }] }))).toBe(REFUSED);
    },
  );

  it('past its size, unread', async () => {
    const groups = Array.from({ length: 64 }, (_, i) => `chunkmesh://f/group/${`${i}`.padStart(64, 'x')}`);
    const san = new x509.SubjectAlternativeNameExtension(urlNames(...groups));
    const large = await made({ extensions: [san] });
    expect(large.length).toBeGreaterThan(MAX_REQUEST_BYTES);
    expect(verdict(large)).toBe(REFUSED);
    expect(codeOf(() => readRequestPem('x'.repeat(MAX_REQUEST_TEXT_BYTES + 1)))).toBe(REFUSED);
  });

  it('whatever the bytes are', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => verdict(bytes) === REFUSED));
    const nested = Buffer.concat(Array(500).fill(Buffer.from('3080', 'hex')));
    expect(verdict(nested)).toBe(REFUSED);
  });

  it('where the file has none of it, or two', () => {
    const pem = toPem('CERTIFICATE REQUEST', good);
    for (const text of ['', 'x', pem.slice(1), pem + pem, pem.replace(' REQUEST', '')]) {
      expect(codeOf(() => readRequestPem(text))).toBe(REFUSED);
    }
  });
});

describe('P-13.5 a request is taken', () => {
  it('with its name and its key', () => {
    expect(readRequest(good)).toEqual({ id: 'cam-1', publicKey: key.publicKey });
    expect(readRequestPem(toPem('CERTIFICATE REQUEST', good)).id).toBe('cam-1');
    expect(readRequestPem(`words before\n${toPem('CERTIFICATE REQUEST', good)}`).id).toBe('cam-1');
  });

  it('of another tool, and of what it asks beside its name nothing is kept', async () => {
    const asks = [
      new x509.SubjectAlternativeNameExtension(urlNames('chunkmesh://f/role/operator')),
      new x509.BasicConstraintsExtension(true, 9, true),
    ];
    const request = readRequest(await made({ name: [{ CN: ['cam-1'] }, { O: ['acme'] }], extensions: asks }));
    expect(Object.keys(request)).toEqual(['id', 'publicKey']);
    expect(request.id).toBe('cam-1');
  });
});

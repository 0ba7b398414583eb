import { describe, expect, it } from 'vitest';
import { SigningKey } from '../../../shared/crypto/signature.js';
import { ed25519Spki, keyFingerprint, makeRequest, toPem } from '../../../shared/identity/request.js';
import { messageVectors } from '../../support/vectors.js';

/** RFC 8032 §7.1, test 1. */
const SEED = Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex');

describe('P-13.5 a certificate request', () => {
  it('has the bytes that OpenSSL makes of the same key and name', () => {
    const csr = makeRequest('cam-1', SigningKey.fromSeed(SEED));
    const golden = messageVectors.find(({ message }) => message.t === 'enroll')?.message;
    expect(golden).toMatchObject({ csr });
  });

  it('takes an id of 64 characters', () => {
    expect(makeRequest('x'.repeat(64), SigningKey.generate())).toHaveLength(205);
  });

  it('has a fingerprint, that of the key as OpenSSL prints it', () => {
    const { publicKey } = SigningKey.fromSeed(SEED);
    expect(Buffer.from(publicKey).toString('hex')).toMatch(/^d75a980182b10ab7/);
    expect(ed25519Spki(publicKey)).toHaveLength(44);
    // openssl pkey -pubout -outform DER | sha256sum
    expect(keyFingerprint(publicKey)).toBe('06e3fd8fda29bb60ab59557de61edb0aecdb231134be30e75b455f8e1b792fa9');
  });

  it('is written as PEM in lines of 64 characters', () => {
    const lines = toPem('CERTIFICATE REQUEST', new Uint8Array(100)).split('\n');
    expect(lines.map(({ length }) => length)).toEqual([35, 64, 64, 8, 33, 0]);
  });
});

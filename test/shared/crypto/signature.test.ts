import { createHash, generateKeyPairSync } from 'node:crypto';
import { inspect } from 'node:util';
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';
import * as noble from '@noble/ed25519';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rawPublicKey, SigningKey, verifySignature } from '../../../shared/crypto/signature.js';
import { loadSodiumSignatures, nobleSignatures, nodeSignatures } from '../../../shared/crypto/signature_provider.js';
import { requirement } from '../../support/requirement.js';

const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const PKCS8_HEAD = '302e020100300506032b657004220420'; // RFC 8410 §7

function keyOf(seed: string): SigningKey {
  const body = Buffer.from(PKCS8_HEAD + seed, 'hex').toString('base64');
  return SigningKey.fromPem(`-----BEGIN PRIVATE KEY-----\n${body}\n-----END PRIVATE KEY-----\n`);
}

/** RFC 8032 §7.1, tests 1 to 3, `1024` left out for its length, and SHA(abc): seed, public key, message, signature. */
const RFC_8032 = [
  {
    name: 'TEST 1',
    seed: '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    publicKey: 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    message: '',
    signature:
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  },
  {
    name: 'TEST 2',
    seed: '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    publicKey: '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    message: '72',
    signature:
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  },
  {
    name: 'TEST 3',
    seed: 'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    publicKey: 'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    message: 'af82',
    signature:
      '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  },
  {
    name: 'TEST SHA(abc)',
    seed: '833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42',
    publicKey: 'ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf',
    message:
      'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
    signature:
      'dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704',
  },
];
/** Points of order 1, 2, 4, 8 and their encodings that are not canonical: libsodium's own list (ref10, has_small_order). */
const SMALL_ORDER = [
  '0100000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000080',
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0000000000000000000000000000000000000000000000000000000000000080',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
];

const { Point } = noble;
const ORDER = Point.CURVE().n;
const TORSION = Point.fromHex('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05');
const little = (value: bigint): Uint8Array => hex(value.toString(16).padStart(64, '0')).reverse();
const fromLittle = (bytes: Uint8Array): bigint => BigInt(`0x${toHex(Uint8Array.from(bytes).reverse())}`);

/** What a signer makes who bends the rules: a scalar key, and points of its choice for A and R. */
function bent(A: noble.Point, a: bigint, R: noble.Point, r: bigint, message: Uint8Array): Uint8Array {
  const hashed = createHash('sha512').update(R.toBytes()).update(A.toBytes()).update(message).digest();
  const S = (r + (fromLittle(hashed) % ORDER) * a) % ORDER;
  return new Uint8Array([...R.toBytes(), ...little(S)]);
}

const sodium = loadSodiumSignatures();
const providers = [nobleSignatures, nodeSignatures, ...(sodium === null ? [] : [sodium])];
const message = new TextEncoder().encode('who may say what');
const key = SigningKey.generate();
const good = key.sign(message);

describe.each(providers)('Ed25519 by $name', (by) => {
  it.each(RFC_8032)('gives the bytes of RFC 8032 §7.1 $name, and takes them', (vector) => {
    const signer = keyOf(vector.seed);
    expect(toHex(signer.publicKey)).toBe(vector.publicKey);
    expect(toHex(signer.sign(hex(vector.message), by))).toBe(vector.signature);
    expect(verifySignature(hex(vector.signature), hex(vector.message), hex(vector.publicKey), by)).toBe(true);
  });

  it('takes what was signed, from any view of a larger buffer', () => {
    const buffer = Buffer.alloc(300, 0xee);
    buffer.set(good, 3);
    buffer.set(message, 101);
    buffer.set(key.publicKey, 203);
    const [s, m, k] = [buffer.subarray(3, 67), buffer.subarray(101, 101 + message.length), buffer.subarray(203, 235)];
    expect(verifySignature(s, m, k, by)).toBe(true);
  });

  it('refuses every flipped bit of signature, message and key', () => {
    const parts = [good, message, key.publicKey] as const;
    for (const [which, part] of parts.entries()) {
      for (let bit = 0; bit < part.length * 8; bit++) {
        const bad = Uint8Array.from(part);
        bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        const [s, m, k] = parts.map((whole, i) => (i === which ? bad : whole));
        expect(verifySignature(s ?? bad, m ?? bad, k ?? bad, by), `part ${which}, bit ${bit}`).toBe(false);
      }
    }
  });

  it('refuses every other length of signature and key, and never throws', () => {
    for (let length = 0; length <= 70; length++) {
      const cut = new Uint8Array(length);
      cut.set(good.subarray(0, length));
      if (length !== 64) expect(verifySignature(cut, message, key.publicKey, by)).toBe(false);
      const short = new Uint8Array(length);
      short.set(key.publicKey.subarray(0, length));
      if (length !== 32) expect(verifySignature(good, message, short, by)).toBe(false);
    }
  });

  it('refuses another key, another message, and a signature of nothing but zeros', () => {
    expect(verifySignature(good, message, SigningKey.generate().publicKey, by)).toBe(false);
    expect(verifySignature(good, new Uint8Array(0), key.publicKey, by)).toBe(false);
    expect(verifySignature(new Uint8Array(64), message, key.publicKey, by)).toBe(false);
  });

  it('refuses an S that is not canonical (RFC 8032 §5.1.7): S + n * L for every n that fits', () => {
    const S = fromLittle(good.subarray(32));
    for (let n = 1n; S + n * ORDER < 2n ** 256n; n++) {
      const again = new Uint8Array([...good.subarray(0, 32), ...little(S + n * ORDER)]);
      expect(verifySignature(again, message, key.publicKey, by)).toBe(false);
    }
  });

  it.each(SMALL_ORDER)('refuses the public key of small order %s, whatever it is said to have signed', (publicKey) => {
    // With such a key S = 0 and R of small order fit one message in eight or more.
    for (const R of SMALL_ORDER) {
      for (let i = 0; i < 8; i++) {
        const signature = new Uint8Array([...hex(R), ...new Uint8Array(32)]);
        expect(verifySignature(signature, Uint8Array.of(i), hex(publicKey), by)).toBe(false);
      }
    }
  });

  it('refuses a signature whose R is of small order, made with a good key', () => {
    const [a] = [123_456_789n];
    for (const R of [Point.ZERO, TORSION, TORSION.double()]) {
      expect(
        verifySignature(bent(Point.BASE.multiply(a), a, R, 0n, message), message, Point.BASE.multiply(a).toBytes(), by),
      ).toBe(false);
    }
  });

  it('refuses what only the cofactor makes valid, so that no message is good for one half of a fleet', () => {
    const [a, r] = [123_456_789n, 987_654_321n];
    const [A, R] = [Point.BASE.multiply(a), Point.BASE.multiply(r)];
    expect(verifySignature(bent(A, a, R, r, message), message, A.toBytes(), by)).toBe(true);
    const bentR = R.add(TORSION);
    expect(verifySignature(bent(A, a, bentR, r, message), message, A.toBytes(), by)).toBe(false);
  });
});

requirement(
  'sodium-native',
  sodium !== null,
  'npm install on a platform that it has a binary for',
)('every provider', () => {
  const [first, ...others] = [sodium ?? nobleSignatures, nobleSignatures, nodeSignatures];

  it('sign alike, and take each other’s signatures', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.uint8Array({ maxLength: 200 }), (seed, text) => {
        const signer = keyOf(toHex(seed));
        const signature = signer.sign(text, first);
        for (const other of others) expect(toHex(signer.sign(text, other))).toBe(toHex(signature));
        return providers.every((by) => verifySignature(signature, text, signer.publicKey, by));
      }),
      { numRuns: 50 },
    );
  });

  it('agree on keys and signatures with a part of small order', () => {
    const [a, r] = [31_337n, 271_828n];
    for (let i = 0; i < 64; i++) {
      const text = Uint8Array.of(i);
      const A = i & 1 ? Point.BASE.multiply(a).add(TORSION) : Point.BASE.multiply(a);
      const R = i & 2 ? Point.BASE.multiply(r).add(TORSION) : Point.BASE.multiply(r);
      const signature = bent(A, a, R, r, text);
      const found = providers.map((by) => verifySignature(signature, text, A.toBytes(), by));
      expect(new Set(found).size, `message ${i}`).toBe(1);
    }
  });

  it('agree on noise', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 64, maxLength: 64 }),
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        (s, k) => {
          return !providers.some((by) => verifySignature(s, message, k, by));
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe('a signing key keeps to itself', () => {
  const seed = 'a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90';
  const secret = keyOf(seed);
  const bytes = hex(seed);
  /** The ways in which 8 bytes of the seed would show. */
  const traces = [
    seed.slice(0, 16),
    Buffer.from(bytes).toString('base64').slice(0, 12),
    Buffer.from(bytes).toString('base64url').slice(0, 12),
    [...bytes.subarray(0, 8)].join(','),
    [...bytes.subarray(0, 8)].join(', '),
    [...bytes.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, '0')).join(' '),
    Buffer.from(PKCS8_HEAD, 'hex').toString('base64').slice(0, 20),
  ];
  const expectClean = (text: string): void => {
    for (const trace of traces) expect(text).not.toContain(trace);
  };

  it('the traces are those of a key that does show', () => {
    expect(traces.some((trace) => secret.exportPem().replaceAll('\n', '').includes(trace))).toBe(true);
    expect(traces.some((trace) => inspect({ bytes: Buffer.from(bytes) }).includes(trace))).toBe(true);
  });

  it('in String(), templates, JSON and keys', () => {
    expect(String(secret)).toBe('[redacted]');
    expect(`${secret}`).toBe('[redacted]');
    expect(JSON.stringify({ deep: [{ secret }] })).toBe('{"deep":[{"secret":"[redacted]"}]}');
    expectClean(Object.keys(secret).join());
    expectClean(JSON.stringify({ ...secret }));
  });

  it('in copies, clones and messages to other threads', () => {
    for (const value of [structuredClone({ secret: { ...secret } }), Object.assign({}, secret), { ...secret }]) {
      expectClean(inspect(value, { depth: null, showHidden: true }));
      expectClean(JSON.stringify(value));
    }
    const { port1, port2 } = new MessageChannel();
    port1.postMessage(Object.assign({}, secret));
    const arrived = receiveMessageOnPort(port2);
    expectClean(inspect(arrived, { depth: null, showHidden: true }));
    expect(arrived).toBeDefined();
    port1.close();
    expectClean(inspect(structuredClone(secret), { depth: null, showHidden: true }));
  });

  it('as the cause of an error, and in its stack', () => {
    const error = new Error('why', { cause: secret });
    expectClean(inspect(error, { depth: null, showHidden: true, getters: true }));
    expectClean(String(error.stack));
  });

  it('in inspection at any depth, hidden properties and getters included', () => {
    for (const value of [secret, { secret }, [[[[secret]]]], new Map([[secret, secret]]), { ...secret }]) {
      for (const depth of [0, 1, 5, Number.POSITIVE_INFINITY, null]) {
        expectClean(inspect(value, { depth, showHidden: true, getters: true, showProxy: true }));
        expectClean(inspect(value, { depth, showHidden: true, customInspect: false }));
      }
    }
  });

  it('in the errors of keys that are not keys', () => {
    const body = Buffer.from(PKCS8_HEAD + seed, 'hex').toString('base64');
    const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' });
    const x25519 = generateKeyPairSync('x25519').privateKey.export({ type: 'pkcs8', format: 'pem' });
    const bad = [
      '',
      body,
      `-----BEGIN PRIVATE KEY-----\n${body.slice(0, 40)}\n-----END PRIVATE KEY-----\n`,
      `-----BEGIN PRIVATE KEY-----\n${body}`,
      `-----BEGIN PUBLIC KEY-----\n${body}\n-----END PUBLIC KEY-----\n`,
      `-----BEGIN PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n${body}\n-----END PRIVATE KEY-----\n`,
      ec.toString(),
      x25519.toString(),
    ];
    for (const pem of bad) {
      let error: unknown;
      try {
        SigningKey.fromPem(pem);
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toMatchObject({ name: 'ChunkmeshError', code: 'E_BUNDLE' });
      const shown = inspect(error, { depth: null, showHidden: true });
      expectClean(shown);
      if (body.length > 0) expect(shown).not.toContain(body.slice(20, 40));
    }
  });

  it('gives no other kind’s public key', () => {
    const { publicKey } = generateKeyPairSync('x25519');
    expect(() => rawPublicKey(publicKey)).toThrow(/not Ed25519/);
  });
});

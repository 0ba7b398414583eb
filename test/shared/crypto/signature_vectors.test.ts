import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { isCanonicalPoint, isCanonicalScalar, isOfSmallOrder } from '../../../shared/crypto/ed25519_encoding.js';
import { verifySignature } from '../../../shared/crypto/signature.js';
import {
  chooseSignatures,
  KeyObjects,
  loadSodiumSignatures,
  MAX_KEY_OBJECTS,
  nobleSignatures,
  nodeSignatures,
  type SignatureProvider,
} from '../../../shared/crypto/signature_provider.js';
import { requirement } from '../../support/requirement.js';

/** P-13.1: every provider takes and refuses the same. */

const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));
const little = (value: bigint): Uint8Array => hex(value.toString(16).padStart(64, '0')).reverse();

const vectors = z
  .object({
    cases: z.array(
      z.object({
        ...{ flag: z.string(), how: z.string(), publicKey: z.string(), message: z.string() },
        ...{ signature: z.string(), valid: z.boolean() },
      }),
    ),
  })
  .parse(JSON.parse(readFileSync(new URL('../../vectors/ed25519.json', import.meta.url), 'utf8')));

const wycheproofSchema = z.object({
  testGroups: z.array(
    z.object({
      publicKey: z.object({ pk: z.string() }),
      tests: z.array(
        z.object({ tcId: z.number(), comment: z.string(), msg: z.string(), sig: z.string(), result: z.string() }),
      ),
    }),
  ),
});

const sodium = loadSodiumSignatures();
const providers: readonly SignatureProvider[] = [nodeSignatures, nobleSignatures, ...(sodium === null ? [] : [sodium])];

requirement(
  'sodium-native',
  sodium !== null,
  'npm install on a platform that it has a binary for',
)('the vectors of test/vectors/ed25519.json', () => {
  it('P-13.1 are judged by libsodium as they say, which is what the others are held to', () => {
    expect(failures(sodium ?? nobleSignatures)).toEqual([]);
  });
});

function failures(by: SignatureProvider): string[] {
  return vectors.cases
    .filter(({ publicKey, message, signature, valid }) => {
      return verifySignature(hex(signature), hex(message), hex(publicKey), by) !== valid;
    })
    .map(({ flag, how, valid }) => `${by.name} ${valid ? 'refuses' : 'takes'} ${flag}: ${how}`);
}

describe('P-13.1 signatures that are made to divide providers', () => {
  it('are of every class', () => {
    const count = (flag: string, valid: boolean): number =>
      vectors.cases.filter((one) => one.flag === flag && one.valid === valid).length;
    expect(count('Valid', true)).toBeGreaterThan(20);
    expect(count('MixedOrder', true)).toBeGreaterThan(20);
    const refused = [
      ...['WrongMessage', 'WrongKey', 'InvalidSignature', 'TruncatedSignature', 'SignatureWithGarbage'],
      ...['CompressedSignature', 'InvalidEncoding', 'SignatureMalleability', 'SmallOrderKey', 'SmallOrderR'],
      ...['InvalidKey', 'MixedOrder'],
    ];
    for (const flag of refused) expect(count(flag, false), flag).toBeGreaterThan(0);
  });

  it.each(providers)('are judged by $name as libsodium does', (by) => {
    expect(failures(by)).toEqual([]);
  });

  /** The file is not of this repository: `CHUNKMESH_WYCHEPROOF=<clone>/testvectors_v1/ed25519_test.json`. */
  it.runIf(process.env.CHUNKMESH_WYCHEPROOF).each(providers)(
    'are judged by $name as Wycheproof’s own file says',
    (by) => {
      const text = readFileSync(process.env.CHUNKMESH_WYCHEPROOF ?? '', 'utf8');
      const { testGroups } = wycheproofSchema.parse(JSON.parse(text));
      expect(testGroups.length).toBeGreaterThan(0);
      for (const { publicKey, tests } of testGroups) {
        for (const { tcId, comment, msg, sig, result } of tests) {
          const found = verifySignature(hex(sig), hex(msg), hex(publicKey.pk), by);
          expect(found, `${tcId} ${comment}`).toBe(result === 'valid');
        }
      }
    },
  );
});

describe('P-13.1 encodings', () => {
  const ORDER = 2n ** 252n + 27_742_317_777_372_353_535_851_937_790_883_648_493n;
  const FIELD = 2n ** 255n - 19n;

  it('a scalar is canonical up to L - 1', () => {
    for (const n of [0n, 1n, ORDER - 1n]) expect(isCanonicalScalar(little(n))).toBe(true);
    for (const n of [ORDER, ORDER + 1n, 2n ** 253n, 2n ** 256n - 1n]) expect(isCanonicalScalar(little(n))).toBe(false);
  });

  it('a point is canonical up to y = p - 1, with either sign', () => {
    for (const sign of [0n, 2n ** 255n]) {
      for (const y of [0n, 1n, 2n ** 254n, FIELD - 1n]) expect(isCanonicalPoint(little(y + sign))).toBe(true);
      for (const y of [FIELD, FIELD + 1n, 2n ** 255n - 1n]) expect(isCanonicalPoint(little(y + sign))).toBe(false);
    }
    const nearly = little(2n ** 255n - 1n);
    for (let i = 1; i < 31; i++) {
      nearly[i] = 0xfe;
      expect(isCanonicalPoint(nearly), `byte ${i}`).toBe(true);
      nearly[i] = 0xff;
    }
  });

  it('small order is seen in all fourteen encodings and in none beside them', () => {
    const keys = vectors.cases.filter(({ flag }) => flag === 'SmallOrderKey').map(({ publicKey }) => publicKey);
    const small = [...new Set(keys)];
    expect(small.length).toBe(14);
    for (const point of small.map(hex)) {
      expect(isOfSmallOrder(point)).toBe(true);
      for (let bit = 0; bit < 255; bit++) {
        const beside = Uint8Array.from(point);
        beside[bit >> 3] = (beside[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        const known = small.includes(Buffer.from(beside).toString('hex'));
        expect(isOfSmallOrder(beside), `bit ${bit}`).toBe(known);
      }
    }
  });
});

describe('P-13.1 the provider', () => {
  it('is the native library, or node, or noble where node’s OpenSSL has no Ed25519', () => {
    expect(chooseSignatures(undefined).name).toBe(sodium?.name ?? 'node');
    expect(chooseSignatures('anything').name).toBe(sodium?.name ?? 'node');
    expect(chooseSignatures('tweetnacl').name).toBe('node');
    expect(chooseSignatures('tweetnacl', false).name).toBe('noble');
  });

  it(`remembers ${MAX_KEY_OBJECTS} keys, and forgets who was not asked for longest`, () => {
    const keys = new KeyObjects();
    const named = (n: number): Uint8Array => little(BigInt(n));
    const first = keys.of(named(0));
    for (let n = 1; n < MAX_KEY_OBJECTS; n++) keys.of(named(n));
    expect(keys.size).toBe(MAX_KEY_OBJECTS);
    expect(keys.of(named(0))).toBe(first);
    const second = keys.of(named(1));
    keys.of(named(MAX_KEY_OBJECTS));
    keys.of(named(MAX_KEY_OBJECTS + 1));
    expect(keys.size).toBe(MAX_KEY_OBJECTS);
    expect(keys.of(named(0))).toBe(first);
    expect(keys.of(named(1))).toBe(second);
    expect(keys.size).toBe(MAX_KEY_OBJECTS);
  });
});

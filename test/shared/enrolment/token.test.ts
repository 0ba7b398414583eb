import { X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { encodeMap } from '../../../shared/control/message_pack.js';
import { SigningKey } from '../../../shared/crypto/signature.js';
import { MAX_TOKEN_CHARACTERS, readToken, type TokenFields, writeToken } from '../../../shared/enrolment/token.js';
import { codeOf, FLEET, Issuer, identityOf, NOW, PREFIX, TRUST } from '../../support/members.js';

const SEED = new Uint8Array(32).fill(7);
let fleet: Issuer;
let good: TokenFields;

async function newcomer(over: Parameters<typeof identityOf>[0] = {}, seed = SEED): Promise<Uint8Array> {
  const identity = identityOf({ id: 'n-1', role: 'newcomer', groups: [], ...over });
  return fleet.leaf(identity, SigningKey.fromSeed(seed));
}

beforeAll(async () => {
  fleet = await Issuer.authority();
  good = {
    ...{ fleet: FLEET, prefix: PREFIX, broker: 'mqtts://broker.example:8883', seed: SEED },
    ca: new Uint8Array(new X509Certificate(fleet.certificate).raw),
    certificate: await newcomer(),
    root: new Uint8Array(Buffer.from(TRUST.root)),
  };
});

const textOf = (fields: Readonly<Record<string, unknown>>): string =>
  Buffer.from(encodeMap(fields)).toString('base64url');
const verdict = (text: string, now = NOW): string => codeOf(() => readToken(text, now));
const changed = (over: object): string => verdict(textOf({ v: 1, ...good, ...over }));

describe('P-13.8 a token is refused', () => {
  it('where it is cut short, whatever is missing', () => {
    const text = writeToken(good);
    for (let length = 0; length < text.length; length++) expect(verdict(text.slice(0, length))).toBe('E_TOKEN_INVALID');
  });

  it('where it is not one line of base64url, or too long', () => {
    const text = writeToken(good);
    for (const bad of [
      '',
      ' ',
      `${text}\n${text}`,
      `${text}=`,
      `${text}+`,
      'ä',
      'A'.repeat(MAX_TOKEN_CHARACTERS + 1),
    ]) {
      expect(verdict(bad)).toBe('E_TOKEN_INVALID');
    }
  });

  it('without any one of its fields', () => {
    for (const field of ['v', ...Object.keys(good)]) {
      const rest = Object.entries({ v: 1, ...good }).filter(([name]) => name !== field);
      expect(verdict(textOf(Object.fromEntries(rest))), field).toBe('E_TOKEN_INVALID');
    }
  });

  it.each([
    ['v', [0, 2, '1', null]],
    ['fleet', ['', 'a.b', 'other', 1]],
    ['prefix', ['', 'a//b', '#', 1]],
    ['broker', ['', 'mqtt://a:1', 'mqtts://user:word@a', 'mqtts://a/b', 'http://a', 1]],
    ['ca', [new Uint8Array(), new Uint8Array(5000), Uint8Array.of(1), 'x']],
    ['certificate', [new Uint8Array(), new Uint8Array(5000), Uint8Array.of(1), 'x']],
    ['seed', [new Uint8Array(31), new Uint8Array(33), new Uint8Array(32), 'x']],
    ['root', [new Uint8Array(), new Uint8Array(24_577), 'x', null]],
  ])('with a wrong %s', (field, bad) => {
    for (const value of bad) expect(changed({ [field]: value }), String(value)).toBe('E_TOKEN_INVALID');
  });

  it('whose certificate is a member’s, of another CA or of another fleet', async () => {
    expect(changed({ certificate: await newcomer({ role: 'device' }) })).toBe('E_TOKEN_INVALID');
    expect(changed({ certificate: await newcomer({ fleet: 'other' }) })).toBe('E_TOKEN_INVALID');
    const foreign = await Issuer.authority();
    expect(changed({ ca: new Uint8Array(new X509Certificate(foreign.certificate).raw) })).toBe('E_TOKEN_INVALID');
  });

  it('from the second after it ends, and not before it begins: a clock that says so is behind (P-12.6)', () => {
    const text = writeToken(good);
    const day = 86_400;
    const verdicts = [0, NOW - day - 1, NOW + day, NOW + day + 1].map((now) => verdict(text, now));
    expect(verdicts).toEqual(['accepted', 'accepted', 'accepted', 'E_TOKEN_EXPIRED']);
  });

  it('with a root that is none', () => {
    expect(changed({ root: new Uint8Array(Buffer.from('{"signed":{}}')) })).toBe('E_TOKEN_INVALID');
  });

  it('whatever its bytes are, and no message tells of what it holds', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(verdict(Buffer.from(bytes).toString('base64url'))).toBe('E_TOKEN_INVALID');
      }),
    );
    const secret = Buffer.from(SEED).toString('base64').slice(4, 20);
    for (const over of [{ v: 2 }, { certificate: Uint8Array.of(1) }, { ca: Uint8Array.of(1) }]) {
      try {
        readToken(textOf({ v: 1, ...good, ...over }), NOW);
      } catch (error) {
        expect(String(error) + JSON.stringify(error)).not.toContain(secret);
      }
    }
  });
});

describe('P-13.8 a token is taken', () => {
  it('with a newcomer’s credential, and what a bundle needs', () => {
    const { credential, bundle } = readToken(`${writeToken(good)}\n`, NOW);
    expect(credential.identity).toMatchObject({ id: 'n-1', role: 'newcomer' });
    expect(bundle).toMatchObject({ v: 2, fleet: FLEET, prefix: PREFIX, broker: good.broker, root: TRUST.root });
  });

  it('is shorter than its limit with all fields at their longest', () => {
    const most = new Uint8Array(4096);
    const all = { ...good, ca: most, certificate: most, root: new Uint8Array(24_576), fleet: 'f'.repeat(64) };
    const text = writeToken({ ...all, prefix: 'p'.repeat(54), broker: `mqtts://${'b'.repeat(292)}` });
    expect(text.length).toBeLessThan(MAX_TOKEN_CHARACTERS);
  });
});

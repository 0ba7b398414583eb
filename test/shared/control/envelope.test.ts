import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkNotFromFuture, openEnvelope, sealEnvelope, signedBytes } from '../../../shared/control/envelope.js';
import { decodeMap, encodeMap } from '../../../shared/control/message_pack.js';
import { encodeMessage } from '../../../shared/control/messages.js';
import { type Role, topics } from '../../../shared/control/topics.js';
import { SigningKey } from '../../../shared/crypto/signature.js';
import { CertificateVerifier } from '../../../shared/identity/certificate.js';
import { MAX_MESSAGE_BYTES } from '../../../shared/limits.js';
import { codeOf, Issuer, type Member, NOW, PREFIX } from '../../support/members.js';
import { envelopeFleet, envelopeVectors, messageVectors } from '../../support/vectors.js';

const PAYLOAD = encodeMap({ t: 'have', at: NOW });
const ARTIFACT = 'ab'.repeat(32);
const SIGNAL = topics.signal(PREFIX, 'north', 'cam-2', 'cam-1');
let fleet: Issuer;
let member: Member;

beforeAll(async () => {
  fleet = await Issuer.authority();
  member = await fleet.member();
});

const open = (topic: string, envelope: Uint8Array, now = NOW, prefix = PREFIX) =>
  openEnvelope(prefix, topic, envelope, fleet.verifier(), now);
const verdict = (topic: string, envelope: Uint8Array, now = NOW): string => codeOf(() => open(topic, envelope, now));
const seal = (topic: string, by: Member = member, payload = PAYLOAD): Uint8Array => sealEnvelope(topic, payload, by);
const changed = (over: object): Uint8Array => encodeMap({ ...decodeMap(seal(SIGNAL)), ...over });

describe('golden envelopes', () => {
  const { prefix, fleet: name, now, ca } = envelopeFleet;

  it.each(envelopeVectors)('$name', ({ topic, signer, seed, certificate, n, payload, signature, bytes }) => {
    const body = Buffer.from(`302e020100300506032b657004220420${seed}`, 'hex').toString('base64');
    const key = SigningKey.fromPem(`-----BEGIN PRIVATE KEY-----\n${body}\n-----END PRIVATE KEY-----\n`);
    const by = { key, certificateDer: Buffer.from(certificate, 'hex'), counter: { next: () => n } };
    const sealed = sealEnvelope(topic, Buffer.from(payload, 'hex'), by);
    expect(Buffer.from(sealed).toString('hex')).toBe(bytes.toString('hex'));
    expect(bytes.toString('hex')).toContain(signature);
    const opened = openEnvelope(prefix, topic, bytes, new CertificateVerifier(ca, name), now);
    expect(opened.signer.identity).toEqual(signer);
    expect(opened.n).toBe(n);
    expect(Buffer.from(opened.payload).toString('hex')).toBe(payload);
    expect(messageVectors.some((vector) => vector.bytes.toString('hex') === payload)).toBe(true);
  });

  it('P-3.4 are refused when their certificates are past their time; before it, the clock is what is wrong', () => {
    for (const { topic, bytes } of envelopeVectors) {
      const verifier = new CertificateVerifier(ca, name);
      const at = (seconds: number): string => codeOf(() => openEnvelope(prefix, topic, bytes, verifier, seconds));
      const [from, to] = [Date.UTC(2029, 11, 31, 23, 55) / 1000, Date.UTC(2030, 11, 31) / 1000];
      expect([0, from - 1, from, to, to + 1].map(at)).toEqual([
        'accepted',
        'accepted',
        'accepted',
        'accepted',
        'E_CERT_EXPIRED',
      ]);
    }
  });
});

describe('P-3.1 the envelope', () => {
  it('opens to what was sealed, its signer and its topic', () => {
    const opened = open(SIGNAL, seal(SIGNAL));
    expect(Buffer.from(opened.payload)).toEqual(Buffer.from(PAYLOAD));
    expect(opened.signer.identity).toEqual(member.identity);
    expect(opened.topic).toEqual({ name: 'signal', site: 'north', to: 'cam-2', from: 'cam-1' });
  });

  it('P-1.5 ignores an unknown key', () => {
    expect(verdict(SIGNAL, changed({ x: 1 }))).toBe('accepted');
  });

  it.each([
    ['v', [0, 2, '1', null, true, [1]]],
    ['n', [-1, 0.5, 2 ** 53, Number.NaN, '1', null, true, [1], new Uint8Array(8)]],
    ['p', [null, 'text', [1], {}, 1]],
    ['s', [null, 'x'.repeat(64), new Uint8Array(0), new Uint8Array(63), new Uint8Array(65), Array(64).fill(0)]],
    ['c', [null, 'text', [1], {}, new Uint8Array(4097)]],
  ])('refuses %s of another type or length, before it looks at the certificate', async (field, values) => {
    const foreign = await (await Issuer.authority()).member();
    for (const value of values) {
      expect(verdict(SIGNAL, changed({ [field]: value }))).toBe('E_MESSAGE_MALFORMED');
      const byForeign = encodeMap({ ...decodeMap(seal(SIGNAL, foreign)), [field]: value });
      expect(verdict(SIGNAL, byForeign)).toBe('E_MESSAGE_MALFORMED');
    }
  });

  it('refuses to be without any one of its fields', () => {
    for (const field of ['v', 'n', 'p', 's', 'c']) {
      const rest = Object.entries(decodeMap(seal(SIGNAL))).filter(([name]) => name !== field);
      expect(verdict(SIGNAL, encodeMap(Object.fromEntries(rest)))).toBe('E_MESSAGE_MALFORMED');
    }
  });

  it('refuses an empty certificate as one', () => {
    expect(verdict(SIGNAL, changed({ c: new Uint8Array(0) }))).toBe('E_CERT_INVALID');
  });
});

describe('P-2.7 size', () => {
  const ofSize = (size: number): Uint8Array => {
    const room = size - seal(SIGNAL, member, new Uint8Array(65_536)).length;
    return new Uint8Array(65_536 + room);
  };

  it('seals and opens 131,072 bytes and refuses one more, both ways', () => {
    const largest = seal(SIGNAL, member, ofSize(MAX_MESSAGE_BYTES));
    expect(largest.length).toBe(MAX_MESSAGE_BYTES);
    expect(verdict(SIGNAL, largest)).toBe('accepted');
    expect(codeOf(() => seal(SIGNAL, member, ofSize(MAX_MESSAGE_BYTES + 1)))).toBe('E_MESSAGE_TOO_LARGE');
    expect(verdict(SIGNAL, Buffer.concat([largest, Buffer.alloc(1)]))).toBe('E_MESSAGE_TOO_LARGE');
  });

  it('drops a larger one unread', () => {
    expect(verdict(SIGNAL, new Uint8Array(MAX_MESSAGE_BYTES + 1))).toBe('E_MESSAGE_TOO_LARGE');
    expect(verdict(SIGNAL, new Uint8Array(MAX_MESSAGE_BYTES))).toBe('E_MESSAGE_MALFORMED');
  });
});

describe('P-3.2 what the signature covers', () => {
  it('is 20 ASCII bytes, zero, the length of the topic, the topic, the number, the payload', () => {
    expect(Buffer.from(signedBytes('a/b', 2 ** 40 + 3, Uint8Array.of(1, 2))).toString('hex')).toBe(
      `${Buffer.from('chunkmesh/1 envelope').toString('hex')}000003${Buffer.from('a/b').toString('hex')}00000100000000030102`,
    );
    expect(signedBytes('', 0, new Uint8Array(0)).length).toBe(31);
  });

  it('counts the topic in bytes, and leaves no two splits of topic and payload alike', () => {
    expect(Buffer.from(signedBytes('é', 0, new Uint8Array(0))).subarray(21, 23)).toEqual(Buffer.from([0, 2]));
    const [one, two] = [signedBytes('a', 0, Buffer.from('b')), signedBytes('ab', 0, new Uint8Array(0))];
    expect(Buffer.from(one)).not.toEqual(Buffer.from(two));
  });

  it('refuses a message moved to any other topic that its signer may publish on', () => {
    const own = [
      SIGNAL,
      topics.signal(PREFIX, 'north', 'cam-3', 'cam-1'),
      topics.signal(PREFIX, 'south', 'cam-2', 'cam-1'),
      topics.status(PREFIX, 'cam-1'),
      topics.have(PREFIX, ARTIFACT, 0, 'cam-1'),
      topics.have(PREFIX, ARTIFACT, 102, 'cam-1'),
      topics.have(PREFIX, 'cd'.repeat(32), 0, 'cam-1'),
    ];
    for (const signed of own) {
      for (const told of own) {
        expect(verdict(told, seal(signed))).toBe(signed === told ? 'accepted' : 'E_MESSAGE_SIGNATURE');
      }
    }
  });

  it('refuses a message moved to another prefix', () => {
    const there = SIGNAL.replace(PREFIX, 'other/fleet1');
    expect(codeOf(() => open(there, seal(SIGNAL), NOW, 'other/fleet1'))).toBe('E_MESSAGE_SIGNATURE');
  });

  it('refuses the payload of one message with the signature of another, and another’s certificate', async () => {
    const second = await fleet.member();
    const other = decodeMap(seal(SIGNAL, member, encodeMap({ t: 'other' })));
    expect(verdict(SIGNAL, changed({ p: other.p }))).toBe('E_MESSAGE_SIGNATURE');
    expect(verdict(SIGNAL, changed({ s: other.s }))).toBe('E_MESSAGE_SIGNATURE');
    expect(verdict(SIGNAL, changed({ c: second.certificateDer }))).toBe('E_MESSAGE_SIGNATURE');
    expect(verdict(SIGNAL, changed({ s: new Uint8Array(64) }))).toBe('E_MESSAGE_SIGNATURE');
  });

  it('P-3.8 refuses any other number: a broker makes no new message of an old one', () => {
    const { n } = open(SIGNAL, seal(SIGNAL));
    for (const other of [0, n - 1, n + 1, n + 2 ** 32, Number.MAX_SAFE_INTEGER]) {
      expect(verdict(SIGNAL, changed({ n: other }))).toBe('E_MESSAGE_SIGNATURE');
    }
  });

  it('refuses every flipped bit', () => {
    const good = seal(SIGNAL);
    for (let bit = 0; bit < good.length * 8; bit += 3) {
      const bad = Uint8Array.from(good);
      bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(verdict(SIGNAL, bad), `bit ${bit}`).toMatch(/^E_(MESSAGE_(MALFORMED|SIGNATURE)|CERT_(INVALID|FOREIGN))$/);
    }
  });
});

describe('P-3.4 who signed', () => {
  it('refuses a foreign CA, an expired certificate and one for servers', async () => {
    const foreign = await (await Issuer.authority()).member();
    expect(verdict(SIGNAL, seal(SIGNAL, foreign))).toBe('E_CERT_FOREIGN');
    expect(verdict(SIGNAL, seal(SIGNAL), NOW + 86_401)).toBe('E_CERT_EXPIRED');
    expect(verdict(SIGNAL, seal(SIGNAL, await fleet.member({}, { usages: [] })))).toBe('E_CERT_INVALID');
  });

  const allTopics = {
    trust: topics.trust(PREFIX, 'cameras'),
    ownHave: topics.have(PREFIX, ARTIFACT, 0, 'cam-1'),
    haveOfAnotherShard: topics.have(PREFIX, ARTIFACT, 1, 'cam-1'),
    haveOfAnother: topics.have(PREFIX, ARTIFACT, 0, 'cam-2'),
    ownSignal: SIGNAL,
    signalOfAnother: topics.signal(PREFIX, 'north', 'cam-1', 'cam-2'),
    ownStatus: topics.status(PREFIX, 'cam-1'),
    statusOfAnother: topics.status(PREFIX, 'cam-2'),
    command: topics.command(PREFIX, 'cam-1'),
    revoked: topics.revoked(PREFIX),
    ownEnroll: topics.enroll(PREFIX, 'cam-1'),
    enrollOfAnother: topics.enroll(PREFIX, 'cam-2'),
    enrolled: topics.enrolled(PREFIX, 'cam-1'),
  };
  const mayBy: [Role, (keyof typeof allTopics)[]][] = [
    ['device', ['ownHave', 'haveOfAnotherShard', 'ownSignal', 'ownStatus', 'ownEnroll']],
    ['seed', ['ownHave', 'haveOfAnotherShard', 'ownSignal', 'ownStatus', 'ownEnroll']],
    ['publisher', ['trust']],
    ['operator', ['command', 'revoked']],
    ['auditor', []],
    ['registrar', ['enrolled']],
    ['newcomer', ['ownEnroll']],
  ];
  it.each(mayBy)(
    'P-2.2 a %s signs for %j and nothing else: no trust, status or signal is forged by a device',
    async (role, may) => {
      const signer = await fleet.member({ role });
      for (const [name, topic] of Object.entries(allTopics)) {
        const expected = may.some((allowed) => allowed === name) ? 'accepted' : 'E_MESSAGE_UNTRUSTED';
        expect(verdict(topic, seal(topic, signer)), name).toBe(expected);
      }
    },
  );

  it.each([
    `${PREFIX}/have/not-an-artifact/0/cam-1`,
    `${PREFIX}/have/${ARTIFACT}/00/cam-1`,
    `${PREFIX}/signal/a.b/cam-2/cam-1`,
    `${PREFIX}/signal/+/cam-2/cam-1`,
    'chunkmesh/fleet2/status/cam-1',
    `${PREFIX}/status/cam-1/`,
    '$SYS/status/cam-1',
    '',
  ])('P-2.3 refuses %j, though its own signer signed for it', (topic) => {
    expect(verdict(topic, seal(topic))).toBe('E_MESSAGE_UNTRUSTED');
  });
});

describe('P-3.6 time', () => {
  it('takes 300 s ahead and refuses 301', () => {
    const ahead = (seconds: number): string => codeOf(() => checkNotFromFuture(NOW + seconds, NOW));
    expect([-(10 ** 9), 0, 300, 301].map(ahead)).toEqual(['accepted', 'accepted', 'accepted', 'E_MESSAGE_TIME']);
  });
});

describe('hostile bytes', () => {
  it('throws nothing but its own error', () => {
    const message = encodeMessage({ t: 'have', at: NOW, held: 0, room: 0, digest: Uint8Array.of(0) });
    const good = seal(SIGNAL, member, message);
    const change = fc.tuple(fc.nat(good.length - 1), fc.nat(255));
    const verifier = fleet.verifier();
    fc.assert(
      fc.property(fc.array(change, { maxLength: 5 }), fc.nat(good.length), (changes, length) => {
        const tried = Uint8Array.from(good);
        for (const [at, byte] of changes) tried[at] = byte;
        for (const bytes of [tried, tried.subarray(0, length)]) {
          const code = codeOf(() => openEnvelope(PREFIX, SIGNAL, bytes, verifier, NOW));
          expect(code).toMatch(/^(accepted|E_(MESSAGE|CERT)_[A-Z]+)$/);
          if (code === 'accepted') expect(Buffer.from(decodeMap(bytes).p as Uint8Array)).toEqual(Buffer.from(message));
        }
      }),
      { numRuns: 500 },
    );
  });
});

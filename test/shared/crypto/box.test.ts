import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';
import nacl from 'tweetnacl';
import { describe, expect, it } from 'vitest';
import {
  agreeSessionKey,
  type Direction,
  generateSessionKeyPair,
  SEAL_OVERHEAD_BYTES,
  type SessionContext,
  SessionKey,
  SessionSecret,
} from '../../../shared/crypto/box.js';
import {
  type CryptoProvider,
  chooseProvider,
  loadSodiumProvider,
  tweetnaclProvider,
} from '../../../shared/crypto/provider.js';
import { writeHeader } from '../../../shared/wire/datagram.js';

interface DatagramVector {
  readonly name: string;
  readonly message: {
    readonly offererSecret: string;
    readonly answererSecret: string;
    readonly offererPublic: string;
    readonly answererPublic: string;
    readonly artifact: string;
    readonly offererDevice: string;
    readonly offererSession: string;
    readonly answererDevice: string;
    readonly answererSession: string;
    /** P-5.5, for who makes an implementation. */
    readonly key: string;
    readonly direction: Direction;
    readonly sessionId: string;
    readonly packetNumber: number;
    readonly frames: string;
  };
  readonly hex: string;
}

/** Made with TweetNaCl's box.before and secretbox, and Python's hashlib for the key of P-5.5. */
const vectors: DatagramVector[] = JSON.parse(
  readFileSync(new URL('../../vectors/datagrams.json', import.meta.url), 'utf8'),
);
const sodium = loadSodiumProvider();
const providers: CryptoProvider[] = sodium === null ? [tweetnaclProvider] : [tweetnaclProvider, sodium];
const hex = (text: string) => Buffer.from(text, 'hex');

function keyOf(provider: CryptoProvider): SessionKey {
  return new SessionKey(new Uint8Array(32).fill(9), provider);
}

const CONTEXT: SessionContext = {
  artifact: new Uint8Array(32).fill(0xab),
  offerer: { device: 'gw-17', session: new Uint8Array(8).fill(1) },
  answerer: { device: 'cam_4', session: new Uint8Array(8).fill(2) },
};

function contextOf(message: DatagramVector['message']): SessionContext {
  return {
    artifact: hex(message.artifact),
    offerer: { device: message.offererDevice, session: hex(message.offererSession) },
    answerer: { device: message.answererDevice, session: hex(message.answererSession) },
  };
}

function sealed(key: SessionKey, direction: Direction, packetNumber: number, frames: Buffer): Buffer {
  const datagram = Buffer.alloc(SEAL_OVERHEAD_BYTES + frames.length);
  writeHeader(datagram, Buffer.alloc(8, 5), packetNumber);
  frames.copy(datagram, SEAL_OVERHEAD_BYTES);
  expect(key.seal(direction, datagram, frames.length)).toBe(datagram.length);
  return datagram;
}

/** Points of small order (RFC 7748 §7; the list of libsodium), whose X25519 result is zero. */
const SMALL_ORDER = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
];

describe.each(providers)('sealed box by $name', (provider) => {
  it.each(vectors)('P-6.2 P-6.3 seals to golden bytes: $name', ({ message, hex: golden }) => {
    const offerer = agreeSessionKey(
      new SessionSecret(hex(message.offererSecret)),
      hex(message.answererPublic),
      contextOf(message),
      provider,
    );
    const answerer = agreeSessionKey(
      new SessionSecret(hex(message.answererSecret)),
      hex(message.offererPublic),
      contextOf(message),
      provider,
    );
    const [sender, receiver] = message.direction === 0 ? [offerer, answerer] : [answerer, offerer];
    const frames = hex(message.frames);
    const datagram = Buffer.alloc(SEAL_OVERHEAD_BYTES + frames.length);
    writeHeader(datagram, hex(message.sessionId), message.packetNumber);
    frames.copy(datagram, SEAL_OVERHEAD_BYTES);
    expect(sender?.seal(message.direction, datagram, frames.length)).toBe(datagram.length);
    expect(datagram.toString('hex')).toBe(golden);
    const into = Buffer.alloc(9000);
    expect(receiver?.open(message.direction, hex(golden), into)).toBe(frames.length);
    expect(into.subarray(0, frames.length).toString('hex')).toBe(message.frames);
  });

  it('seals into a longer buffer without touching what is past the datagram', () => {
    const key = keyOf(provider);
    const buffer = Buffer.alloc(1500, 0xee);
    for (const length of [100, 100, 7, 1000]) {
      buffer.fill(0xee);
      writeHeader(buffer, Buffer.alloc(8), length);
      expect(key.seal(0, buffer, length)).toBe(SEAL_OVERHEAD_BYTES + length);
      expect(buffer.subarray(SEAL_OVERHEAD_BYTES + length).every((byte) => byte === 0xee)).toBe(true);
      const into = Buffer.alloc(1500);
      expect(key.open(0, buffer.subarray(0, SEAL_OVERHEAD_BYTES + length), into)).toBe(length);
      expect(into.subarray(0, length).every((byte) => byte === 0xee)).toBe(true);
    }
  });

  it('P-6.6 refuses a datagram with any one bit flipped, header and direction included', () => {
    const key = keyOf(provider);
    const good = sealed(key, 0, 3, Buffer.from('frames'));
    const into = Buffer.alloc(64);
    for (let bit = 0; bit < good.length * 8; bit++) {
      const bad = Buffer.from(good);
      bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(key.open(0, bad, into)).toBe(-1);
    }
    expect(key.open(0, good, into)).toBe(6);
  });

  it('P-6.3 refuses a datagram that is reflected to its sender', () => {
    const key = keyOf(provider);
    expect(key.open(1, sealed(key, 0, 3, Buffer.from('frames')), Buffer.alloc(64))).toBe(-1);
  });

  it('P-6.6 refuses every truncated prefix, the empty one included, and never throws', () => {
    const key = keyOf(provider);
    const good = sealed(key, 0, 3, Buffer.from('frames'));
    for (let length = 0; length < good.length; length++) {
      expect(key.open(0, good.subarray(0, length), Buffer.alloc(64))).toBe(-1);
    }
  });

  it('refuses a datagram with a byte appended', () => {
    const key = keyOf(provider);
    const good = sealed(key, 0, 3, Buffer.from('frames'));
    expect(key.open(0, Buffer.concat([good, Buffer.alloc(1)]), Buffer.alloc(64))).toBe(-1);
  });

  it('refuses another key, and plaintext that does not fit', () => {
    const good = sealed(keyOf(provider), 0, 3, Buffer.from('frames'));
    const other = new SessionKey(new Uint8Array(32).fill(8), provider);
    expect(other.open(0, good, Buffer.alloc(64))).toBe(-1);
    expect(keyOf(provider).open(0, good, Buffer.alloc(5))).toBe(-1);
    expect(() => keyOf(provider).seal(0, Buffer.alloc(40), 10)).toThrow();
    expect(() => keyOf(provider).seal(0, Buffer.alloc(40), -1)).toThrow();
  });

  it.each(SMALL_ORDER)('P-5.5 refuses the public key of small order %s', (point) => {
    expect(agreeSessionKey(generateSessionKeyPair().secret, hex(point), CONTEXT, provider)).toBeNull();
  });

  it('P-5.5 refuses a public key that is not 32 bytes', () => {
    const { secret } = generateSessionKeyPair();
    for (const length of [0, 31, 33]) {
      expect(agreeSessionKey(secret, new Uint8Array(length).fill(9), CONTEXT, provider)).toBeNull();
    }
  });

  it('P-5.5 both sides agree on one key, and it is not the bare box.before', () => {
    const a = generateSessionKeyPair();
    const plain = nacl.box.keyPair();
    const mine = agreeSessionKey(a.secret, plain.publicKey, CONTEXT, provider);
    const theirs = agreeSessionKey(new SessionSecret(plain.secretKey), a.publicKey, CONTEXT, provider);
    const datagram = sealed(mine ?? keyOf(provider), 0, 9, Buffer.from('x'));
    expect(theirs?.open(0, datagram, Buffer.alloc(8))).toBe(1);
    const bare = new SessionKey(nacl.box.before(a.publicKey, plain.secretKey), provider);
    expect(bare.open(0, datagram, Buffer.alloc(8))).toBe(-1);
  });

  it.each<[string, Partial<SessionContext>]>([
    ['artifact', { artifact: new Uint8Array(32).fill(1) }],
    ['offerer', { offerer: { ...CONTEXT.offerer, device: 'mallory' } }],
    ['answerer', { answerer: { ...CONTEXT.answerer, device: 'mallory' } }],
    ["offerer's session", { offerer: { ...CONTEXT.offerer, session: new Uint8Array(8).fill(3) } }],
    ["answerer's session", { answerer: { ...CONTEXT.answerer, session: new Uint8Array(8).fill(3) } }],
    ['way round', { offerer: CONTEXT.answerer, answerer: CONTEXT.offerer }],
    [
      'split of the ids',
      { offerer: { ...CONTEXT.offerer, device: 'gw-17c' }, answerer: { ...CONTEXT.answerer, device: 'am_4' } },
    ],
  ])('P-5.5 two who disagree on the %s have no key in common', (_, other) => {
    const [a, b] = [generateSessionKeyPair(), generateSessionKeyPair()];
    const mine = agreeSessionKey(a.secret, b.publicKey, CONTEXT, provider);
    const theirs = agreeSessionKey(b.secret, a.publicKey, { ...CONTEXT, ...other }, provider);
    const datagram = sealed(mine ?? keyOf(provider), 0, 9, Buffer.from('x'));
    expect(theirs?.open(0, datagram, Buffer.alloc(8))).toBe(-1);
  });
});

describe('keys are opaque', () => {
  const bytes = new Uint8Array(32).fill(0xab);
  const secret = new SessionSecret(bytes);
  const key = new SessionKey(bytes, tweetnaclProvider);

  it.each([
    ['secret', secret],
    ['key', key],
  ])('prints and serialises the %s as redacted', (_name, value) => {
    const shown = [
      inspect(value, { showHidden: true, depth: 9 }),
      JSON.stringify({ value }),
      String(value),
      `${Object.keys(value)}`,
    ];
    for (const text of shown) expect(text).not.toMatch(/ab.?ab|171/i);
    expect(shown[0]).toContain('redacted');
    expect(shown[1]).toContain('redacted');
  });

  it('keeps its own copy', () => {
    const own = Uint8Array.from(bytes);
    const copy = new SessionKey(own, tweetnaclProvider);
    own.fill(0);
    expect(copy.open(0, sealed(key, 0, 1, Buffer.from('z')), Buffer.alloc(4))).toBe(1);
  });

  it('refuses keys and secrets of another length', () => {
    for (const length of [0, 31, 33]) {
      expect(() => new SessionSecret(new Uint8Array(length))).toThrow(/32 bytes/);
      expect(() => new SessionKey(new Uint8Array(length), tweetnaclProvider)).toThrow(/32 bytes/);
    }
  });
});

describe('choosing a provider', () => {
  it('takes tweetnacl where it is asked for, and the fastest that loads otherwise', () => {
    expect(chooseProvider('tweetnacl').name).toBe('tweetnacl');
    expect(chooseProvider(undefined).name).toBe(sodium === null ? 'tweetnacl' : 'sodium-native');
    expect(chooseProvider('anything').name).toBe(chooseProvider(undefined).name);
  });
});

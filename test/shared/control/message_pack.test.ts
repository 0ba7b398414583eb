import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeMap, encodeMap } from '../../../shared/control/message_pack.js';
import { MAX_MESSAGE_BYTES } from '../../../shared/limits.js';
import { codeOf } from '../../support/members.js';
import { envelopeVectors, messageVectors } from '../../support/vectors.js';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const verdict = (bytes: Uint8Array): string => codeOf(() => decodeMap(bytes));
const REFUSED = 'E_MESSAGE_MALFORMED';
/** `{"a": <value>}` */
const holding = (value: string | Uint8Array): Buffer =>
  Buffer.concat([hex('81a161'), typeof value === 'string' ? hex(value) : value]);

describe('P-3.3 one MessagePack map', () => {
  it('takes map formats of every width', () => {
    for (const map of ['80', 'de0000', 'df00000000']) expect(decodeMap(hex(map))).toEqual({});
    for (const map of ['81a16101', 'de0001a16101', 'df00000001d9016101', '81da00016101', '81db000000016101']) {
      expect(decodeMap(hex(map))).toEqual({ a: 1 });
    }
  });

  it('reads from any view of a larger buffer, and no byte outside it', () => {
    const buffer = Buffer.concat([Buffer.alloc(5, 0xc1), encodeMap({ text: 'inside' }), Buffer.alloc(50, 0xa1)]);
    expect(decodeMap(buffer.subarray(5, buffer.length - 50))).toEqual({ text: 'inside' });
    expect(verdict(buffer.subarray(5, buffer.length - 49))).toBe(REFUSED);
    expect(verdict(buffer.subarray(5, buffer.length - 51))).toBe(REFUSED);
  });

  it.each(['', '00', 'c0', '90', '9180', 'a0', 'c400', 'cb0000000000000000', 'dc0001a161', 'ff', 'c1'])(
    'refuses %s, which is no map',
    (bytes) => {
      expect(verdict(hex(bytes))).toBe(REFUSED);
    },
  );

  it.each(['8000', '80c0', '81a1610100', '8080'])('refuses %s for what follows the map', (bytes) => {
    expect(verdict(hex(bytes))).toBe(REFUSED);
  });

  it.each(['8101c0', '81c0c0', '81c3c0', '81c40161c0', '8190c0', '8180c0', '81cb3ff0000000000000c0', '82a161010102'])(
    'refuses %s for a key that is not text',
    (bytes) => {
      expect(verdict(hex(bytes))).toBe(REFUSED);
      expect(verdict(holding(bytes))).toBe(REFUSED);
    },
  );

  it.each([
    ['fixext 1', 'd40000'],
    ['fixext 1, msgpackr’s own undefined', 'd4000000'.slice(0, 6)],
    ['fixext 1, a record definition of msgpackr', 'd4724091a16101'],
    ['fixext 2', 'd5000000'],
    ['fixext 4, a timestamp', 'd6ff00000000'],
    ['fixext 8', 'd7ff0000000000000000'],
    ['fixext 16', `d800${'00'.repeat(16)}`],
    ['ext 8', 'c7010000'],
    ['ext 16', 'c800010000'],
    ['ext 32', 'c9000000010000'],
    ['ext 8 with an Error of msgpackr', 'c7036593c0c0c0'],
    ['the byte that is never used', 'c1'],
  ])('refuses an extension: %s', (_what, bytes) => {
    expect(verdict(holding(bytes))).toBe(REFUSED);
    expect(verdict(holding(`91${bytes}`))).toBe(REFUSED);
    expect(verdict(hex(`81${bytes}c0`))).toBe(REFUSED);
    expect(verdict(hex(bytes))).toBe(REFUSED);
  });

  it('takes maps and arrays eight deep and refuses nine, empty ones too', () => {
    const arrays = (depth: number, inner: string): Buffer => holding(`${'91'.repeat(depth - 1)}${inner}`);
    const maps = (depth: number, inner: string): Buffer => hex(`${'81a161'.repeat(depth)}${inner}`);
    for (const nest of [arrays, maps]) {
      expect(verdict(nest(8, 'c0'))).toBe('accepted');
      expect(verdict(nest(7, '90'))).toBe('accepted');
      expect(verdict(nest(7, '80'))).toBe('accepted');
      expect(verdict(nest(8, '90'))).toBe(REFUSED);
      expect(verdict(nest(8, '80'))).toBe(REFUSED);
      expect(verdict(nest(9, 'c0'))).toBe(REFUSED);
    }
  });

  it('refuses a nest as deep as a message is long, without a stack to match', () => {
    expect(verdict(Buffer.concat([hex('81a161'), Buffer.alloc(MAX_MESSAGE_BYTES - 3, 0x91)]))).toBe(REFUSED);
    expect(verdict(Buffer.from('81a161'.repeat(43_000), 'hex'))).toBe(REFUSED);
  });
});

describe('P-3.3 no count larger than the bytes that are left', () => {
  const counts = ['ffffffff', '7fffffff', '80000000', '00100000'];
  it.each(counts.flatMap((count) => ['c6', 'db', 'dd', 'df'].map((type) => `${type}${count}`)))(
    'refuses %s with nothing, little and much behind it',
    (head) => {
      for (const rest of [0, 1, 8, 4096]) {
        expect(verdict(holding(Buffer.concat([hex(head), Buffer.alloc(rest)])))).toBe(REFUSED);
        expect(verdict(Buffer.concat([hex(head), Buffer.alloc(rest, 0xa0)]))).toBe(REFUSED);
      }
    },
  );

  it.each(['c4ff', 'c5ffff', 'd9ff', 'daffff', 'dcffff', 'deffff', '8f', '9f', 'bf'])(
    'refuses %s with less behind it',
    (head) => {
      for (const rest of [0, 1, 14])
        expect(verdict(holding(Buffer.concat([hex(head), Buffer.alloc(rest)])))).toBe(REFUSED);
    },
  );

  it('takes a count of exactly what is left and refuses one more', () => {
    expect(verdict(holding('c4020000'))).toBe('accepted');
    expect(verdict(holding('c4030000'))).toBe(REFUSED);
    expect(verdict(holding('dd00000002c0c0'))).toBe('accepted');
    expect(verdict(holding('dd00000003c0c0'))).toBe(REFUSED);
    expect(verdict(holding('df00000001a0c0'))).toBe('accepted');
    expect(verdict(holding('df00000002a0c0'))).toBe(REFUSED);
  });

  it('allocates nothing for counts that lie: 26,000 arrays of 128 Ki in a full message', () => {
    const lies = Buffer.concat(Array.from({ length: 26_000 }, () => hex('dd0001ffff')));
    const before = process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed;
    // Believed, one alone would take 1 MiB; a few messages say it as well as many, and leave no garbage to be taken for it.
    for (let i = 0; i < 8; i++) expect(verdict(holding(lies.subarray(0, lies.length - i)))).toBe(REFUSED);
    const grown = process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed - before;
    expect(grown).toBeLessThan(64 * 2 ** 20);
  });
});

describe('hostile bytes', () => {
  it.each([...messageVectors, ...envelopeVectors])('refuses every truncated prefix of: $name', ({ bytes }) => {
    for (let length = 0; length < bytes.length; length++) expect(verdict(bytes.subarray(0, length))).toBe(REFUSED);
    expect(verdict(Buffer.concat([bytes, Buffer.alloc(1)]))).toBe(REFUSED);
    expect(verdict(bytes)).toBe('accepted');
  });

  it('throws nothing but its own error for random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        for (const first of [bytes[0] ?? 0, 0x81, 0x8f, 0xde, 0xdf]) {
          const tried = Uint8Array.from(bytes);
          tried[0] = first;
          expect(verdict(tried)).toMatch(/^(accepted|E_MESSAGE_MALFORMED)$/);
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('throws nothing but its own error for golden messages with bytes changed', () => {
    const from = fc.constantFrom(...messageVectors, ...envelopeVectors);
    const change = fc.tuple(fc.nat(), fc.nat(255));
    fc.assert(
      fc.property(from, fc.array(change, { minLength: 1, maxLength: 4 }), ({ bytes }, changes) => {
        const tried = Uint8Array.from(bytes);
        for (const [at, byte] of changes) tried[at % tried.length] = byte;
        expect(verdict(tried)).toMatch(/^(accepted|E_MESSAGE_MALFORMED)$/);
      }),
      { numRuns: 3000 },
    );
  });

  it('keeps keys that objects have of their own to the map itself', () => {
    const nasty = ['__proto__', 'constructor', 'prototype', 'toString', 'valueOf', 'hasOwnProperty', 'then'];
    for (const key of nasty) {
      const map = decodeMap(
        Buffer.concat([hex('81'), Buffer.from([0xa0 | key.length]), Buffer.from(key), hex('81a164c3')]),
      );
      expect(Object.getPrototypeOf(map)).toBe(Object.prototype);
      expect(Reflect.get({}, 'd')).toBeUndefined();
      expect(Reflect.get(map, 'd')).toBeUndefined();
    }
  });

  it('takes the last of two values of one key', () => {
    expect(decodeMap(hex('83a16101a16201a16102'))).toEqual({ a: 2, b: 1 });
  });

  it.each([
    ['a lone continuation byte', 'a180'],
    ['an overlong slash', 'a2c0af'],
    ['a surrogate', 'a3eda080'],
    ['past U+10FFFF', 'a4f4908080'],
    ['cut short', 'a2e282'],
    ['no lead byte at all', 'a1ff'],
    ['a long one', `d946${'ff'.repeat(70)}`],
  ])('reads text that is not UTF-8 as U+FFFD, never as what it resembles: %s', (_what, bytes) => {
    expect(String(decodeMap(holding(bytes)).a)).toMatch(/^\ufffd+$/);
  });

  it('reads what follows odd text in its place', () => {
    expect(decodeMap(hex('84a161a2c0af a162a178 a163c40180 a164a2e282'))).toMatchObject({
      b: 'x',
      c: Buffer.of(0x80),
    });
  });
});

describe('what is encoded', () => {
  const key = fc.string({ maxLength: 40 }).filter((text) => text !== '__proto__');
  const leaf = fc.oneof(
    fc.boolean(),
    fc.constant(null),
    fc.maxSafeNat(),
    fc.integer(),
    fc.double({ noNaN: true }).filter((n) => !Object.is(n, -0)),
    fc.string({ unit: 'grapheme', maxLength: 300 }),
    fc.uint8Array({ maxLength: 300 }),
  );
  const map = fc.dictionary(key, fc.oneof(leaf, fc.array(leaf, { maxLength: 20 }), fc.dictionary(key, leaf)), {
    maxKeys: 20,
  });
  const plain = (value: unknown): unknown => {
    if (value instanceof Uint8Array) return `bytes ${Buffer.from(value).toString('hex')}`;
    if (Array.isArray(value)) return value.map(plain);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, plain(entry)]));
  };

  it('comes back', () => {
    fc.assert(
      fc.property(map, (value) => {
        expect(plain(decodeMap(encodeMap(value)))).toEqual(plain(value));
      }),
      { numRuns: 1000 },
    );
  });

  it('is an integer format for every integer from 0 to 2^53 - 1: other languages tell floats apart', () => {
    const edges = [
      0,
      127,
      128,
      255,
      256,
      65_535,
      65_536,
      2 ** 32 - 1,
      2 ** 32,
      5_000_000_000,
      64 * 2 ** 30,
      2 ** 53 - 1,
    ];
    const formats = edges.map((n) =>
      Buffer.from(encodeMap({ a: n }))
        .toString('hex')
        .slice(6),
    );
    expect(formats).toEqual([
      '00',
      '7f',
      'cc80',
      'ccff',
      'cd0100',
      'cdffff',
      'ce00010000',
      'ceffffffff',
      'd30000000100000000',
      'd3000000012a05f200',
      'd30000001000000000',
      'd3001fffffffffffff',
    ]);
    for (const n of edges) expect(decodeMap(encodeMap({ deep: [{ n }] }))).toEqual({ deep: [{ n }] });
  });

  it('reads uint64 and int64 as the numbers they are', () => {
    expect(decodeMap(holding('cf0000000000000005')).a).toBe(5);
    expect(decodeMap(holding('d30000000000000005')).a).toBe(5);
    expect(decodeMap(holding('d3ffffffffffffffff')).a).toBe(-1);
  });

  it('leaves the caller’s bytes alone', () => {
    const bytes = Uint8Array.of(1, 2, 3);
    const encoded = encodeMap({ bytes });
    bytes.fill(9);
    expect(decodeMap(encoded).bytes).toEqual(Uint8Array.of(1, 2, 3));
  });
});

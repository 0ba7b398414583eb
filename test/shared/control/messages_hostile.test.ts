import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeMap } from '../../../shared/control/message_pack.js';
import { decodeMessage, type MessageType, messageType } from '../../../shared/control/messages.js';
import { MAX_MESSAGE_BYTES } from '../../../shared/limits.js';
import { changed, changedRollout, GOOD, REFUSED, TYPES } from '../../support/good_messages.js';
import { codeOf } from '../../support/members.js';

/** `value` written in a format of its own into a message of one field less. */
function withRaw(type: MessageType, field: string, value: string): string {
  const rest = Object.entries(GOOD[type]).filter(([name]) => name !== field);
  const bytes = Buffer.from(encodeMap(Object.fromEntries(rest)));
  bytes[0] = 0x80 | (rest.length + 1);
  const key = Buffer.from(encodeMap({ [field]: null })).subarray(1, -1);
  return codeOf(() => decodeMessage(type, Buffer.concat([bytes, key, Buffer.from(value, 'hex')])));
}

describe('integers', () => {
  const fields: [MessageType, string][] = [
    ['have', 'at'],
    ['have', 'held'],
    ['have', 'room'],
    ['offer', 'at'],
    ['status', 'peers'],
  ];
  it.each(fields)('%s.%s: no fraction, no negative, no infinity, nothing past 2^53 - 1', (type, field) => {
    const bad = [
      ['a fraction', 'cb3ff8000000000000'],
      ['a fraction of 32 bits', 'ca3fc00000'],
      ['-1', 'ff'],
      ['-1 as int 64', 'd3ffffffffffffffff'],
      ['-2^63', 'd38000000000000000'],
      ['2^53', 'cf0020000000000000'],
      ['2^64 - 1', 'cfffffffffffffffff'],
      ['2^53 as a float', 'cb4340000000000000'],
      ['NaN', 'cb7ff8000000000000'],
      ['infinity', 'cb7ff0000000000000'],
      ['-infinity', 'cbfff0000000000000'],
      ['1e300', 'cb7e37e43c8800759c'],
      ['text', 'a131'],
      ['true', 'c3'],
    ];
    for (const [what = '', value = ''] of bad) expect(withRaw(type, field, value), what).toBe(REFUSED);
  });

  it('are taken in any integer format', () => {
    for (const value of [
      '05',
      'cc05',
      'cd0005',
      'ce00000005',
      'cf0000000000000005',
      'd005',
      'd10005',
      'd200000005',
      'd30000000000000005',
    ]) {
      expect(withRaw('status', 'peers', value)).toBe('accepted');
    }
  });

  it('P-4.7 a count reaches 2^53 - 1', () => {
    expect(changed('status', { peers: Number.MAX_SAFE_INTEGER })).toBe('accepted');
  });

  it('P-4.7 seconds may be a fraction, and nothing negative or endless', () => {
    const at = (seconds: unknown): string => changedRollout({ seconds });
    expect([0, 0.25, 1e9].map(at)).toEqual(['accepted', 'accepted', 'accepted']);
    for (const bad of [-0.1, Number.NaN, Number.POSITIVE_INFINITY, '1']) expect(at(bad)).toBe(REFUSED);
  });
});

describe('hostile payloads', () => {
  it.each(TYPES)('%s throws nothing but its own error for random maps with the right names', (type) => {
    const names = Object.keys(GOOD[type]).filter((name) => name !== 't');
    const value = fc.oneof(
      fc.anything({ maxDepth: 2, withNullPrototype: false }).filter((any) => any !== undefined),
      fc.uint8Array({ maxLength: 70 }),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    );
    fc.assert(
      fc.property(fc.record(Object.fromEntries(names.map((name) => [name, value])), { requiredKeys: [] }), (fields) => {
        expect(changed(type, fields)).toMatch(/^(accepted|E_MESSAGE_MALFORMED|E_TRUST_VERSION)$/);
      }),
      { numRuns: 500 },
    );
  });

  it.each([0xc0, 0x80, 0x90, 0xa0])('is cheap to refuse: an array as long as a message of byte %d', (byte) => {
    for (const [type, field] of [
      ['status', 'rollouts'],
      ['trust', 'bundle'],
      ['offer', 'candidates'],
    ] as const) {
      const rest = Object.entries(GOOD[type]).filter(([name]) => name !== field);
      const head = Buffer.from(encodeMap({ ...Object.fromEntries(rest), [field]: null }));
      const count = MAX_MESSAGE_BYTES - 5000;
      const array = Buffer.concat([Buffer.from([0xdd, 0, 0, 0, 0]), Buffer.alloc(count, byte)]);
      array.writeUInt32BE(count, 1);
      const payload = Buffer.concat([head.subarray(0, -1), array]);
      const before = process.memoryUsage().heapUsed;
      expect(codeOf(() => decodeMessage(type, payload))).toBe(REFUSED);
      expect(process.memoryUsage().heapUsed - before).toBeLessThan(64 * 2 ** 20);
    }
  });

  it('a payload without `t`, or with one that is not text, has no type', () => {
    expect(messageType(encodeMap({}))).toBeUndefined();
    for (const t of [null, 1, ['offer'], { offer: 1 }]) {
      expect(codeOf(() => decodeMessage('offer', encodeMap({ ...GOOD.offer, t })))).toBe(REFUSED);
    }
    expect(codeOf(() => messageType(Buffer.from('c0', 'hex')))).toBe(REFUSED);
  });
});

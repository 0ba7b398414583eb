import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sealEnvelope } from '../../../shared/control/envelope.js';
import { decodeMessage, encodeMessage } from '../../../shared/control/messages.js';
import {
  areRecords,
  isWithinLimit,
  type Listed,
  MAX_SINCE,
  packRecords,
  RECORD_BYTES,
  RevocationList,
  type RevokedMessage,
} from '../../../shared/control/revocation.js';
import { topics } from '../../../shared/control/topics.js';
import { MAX_CLOCK_AHEAD_SECONDS, MAX_MESSAGE_BYTES, MAX_REVOKED_ENTRIES } from '../../../shared/limits.js';
import { changed, GOOD, REFUSED } from '../../support/good_messages.js';
import { codeOf, Issuer, urlNames } from '../../support/members.js';

const NONE = new Uint8Array();
const listOf = (over: Partial<RevokedMessage>): RevocationList =>
  RevocationList.of({
    ...{ t: 'revoked', v: 1, fleet: 'fleet1', version: 1, at: 2_000_000_000 },
    ...{ revoked: NONE, quarantined: NONE, wiped: NONE, ...over },
  });
const many = (count: number, from = 0): Listed[] =>
  Array.from({ length: count }, (_, i) => ({ device: `device-${from + i}`, since: 1_700_000_000 + i }));

describe('P-14.1 records', () => {
  it('are sorted whatever order they come in, and each is found again with its time', () => {
    const names = fc.uniqueArray(fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/), { maxLength: 40 });
    fc.assert(
      fc.property(names, fc.infiniteStream(fc.nat(MAX_SINCE)), (devices, times) => {
        const entries = devices.map((device) => ({ device, since: Number(times.next().value) }));
        const revoked = packRecords(entries);
        expect(packRecords([...entries].reverse())).toEqual(revoked);
        expect(areRecords(revoked)).toBe(true);
        const list = listOf({ revoked });
        for (const { device, since } of entries) {
          expect(list.standing(device, since)).toBe('revoked');
          expect(list.standing(device, since + 1)).toBe('good');
        }
        expect(list.standing('nobody of them!')).toBe('good');
      }),
    );
  });

  it('do not take one device twice, nor a time that is no u32', () => {
    expect(() => packRecords([...many(2), ...many(1)])).toThrow(RangeError);
    for (const since of [-1, 1.5, MAX_SINCE + 1, Number.NaN]) {
      expect(() => packRecords([{ device: 'a', since }])).toThrow(RangeError);
    }
    expect(packRecords([{ device: 'a', since: MAX_SINCE }])).toHaveLength(RECORD_BYTES);
  });

  it('read from a part of a larger buffer are the same', () => {
    const packed = packRecords(many(3));
    const around = new Uint8Array(100);
    around.set(packed, 7);
    const list = listOf({ revoked: around.subarray(7, 7 + packed.length) });
    expect(list.standing('device-1', 1_700_000_001)).toBe('revoked');
    expect(list.standing('device-1', 1_700_000_002)).toBe('good');
  });
});

describe('P-14.5 a standing', () => {
  const list = listOf({
    revoked: packRecords([{ device: 'stolen', since: 100 }]),
    quarantined: packRecords([{ device: 'odd', since: 100 }]),
    wiped: packRecords([{ device: 'lost', since: 100 }]),
  });

  it('is that of the list that names the certificate', () => {
    const at = (device: string): string => list.standing(device, 50);
    expect(['stolen', 'odd', 'lost', 'other'].map(at)).toEqual(['revoked', 'quarantined', 'wiped', 'good']);
    expect(list.size).toBe(3);
  });

  it('is good again for a certificate that is valid from a second later', () => {
    expect([99, 100, 101].map((notBefore) => list.standing('stolen', notBefore))).toEqual([
      'revoked',
      'revoked',
      'good',
    ]);
  });

  it('of a certificate that is not known is that of any', () => {
    expect(list.standing('stolen')).toBe('revoked');
    expect(RevocationList.none.standing('stolen')).toBe('good');
  });
});

describe('P-14.1 what is refused', () => {
  const [one, two] = [packRecords(many(1)), packRecords(many(2))];

  it.each([
    ['half a record', one.subarray(0, 11)],
    ['a byte more', new Uint8Array([...one, 0])],
    ['records the wrong way round', new Uint8Array([...two.subarray(12), ...two.subarray(0, 12)])],
    ['a record twice', new Uint8Array([...one, ...one])],
    ['a name twice, with two times', new Uint8Array([...one, ...one.subarray(0, 8), 0xff, 0xff, 0xff, 0xff])],
    ['text', 'aaaaaaaaaaaa'],
  ])('%s', (_, records) => {
    for (const list of ['revoked', 'quarantined', 'wiped'])
      expect(changed('revoked', { [list]: records })).toBe(REFUSED);
  });

  it('another version of the message, and number 0', () => {
    expect(changed('revoked', { v: 2 })).toBe(REFUSED);
    expect(changed('revoked', { version: 0 })).toBe(REFUSED);
    expect(changed('revoked', { version: 1 })).toBe('accepted');
  });

  it('P-14.2 a number above its time: a thief could spend all that there will ever be', () => {
    const { at } = GOOD.revoked;
    expect(changed('revoked', { version: at })).toBe('accepted');
    expect(changed('revoked', { version: Number(at) + 1 })).toBe(REFUSED);
  });

  it('P-14.10 a record from after its time: it would date the next certificate ahead, and every clock that hears it', () => {
    const at = Number(GOOD.revoked.at);
    for (const list of ['revoked', 'quarantined', 'wiped']) {
      const of = (since: number): string =>
        changed('revoked', {
          [list]: packRecords([
            { device: 'a', since: at },
            { device: 'b', since },
            { device: 'c', since: 0 },
          ]),
        });
      expect(of(at + MAX_CLOCK_AHEAD_SECONDS)).toBe('accepted');
      for (const since of [at + MAX_CLOCK_AHEAD_SECONDS + 1, at + 364 * 86_400, MAX_SINCE]) {
        expect(of(since)).toBe(REFUSED);
      }
    }
  });

  it('10,001 entries, however they are spread; 10,000 are taken', () => {
    const part = packRecords(many(4_000));
    const records = (count: number) => ({ revoked: part, quarantined: packRecords(many(count)), wiped: part });
    expect(changed('revoked', records(MAX_REVOKED_ENTRIES - 8_000))).toBe('accepted');
    expect(changed('revoked', records(MAX_REVOKED_ENTRIES - 7_999))).toBe(REFUSED);
    expect(isWithinLimit(records(2_001))).toBe(false);
  });
});

describe('P-2.7 the longest list', () => {
  it('fits a message, with ids and certificate at their longest', async () => {
    const fleet = await Issuer.authority();
    const names = urlNames(
      ...['device', 'role', 'site'].map((kind) => `chunkmesh://${'f'.repeat(64)}/${kind}/${'i'.repeat(64)}`),
      ...Array.from({ length: 32 }, (_, i) => `chunkmesh://${'f'.repeat(64)}/group/${String(i).padStart(64, 'g')}`),
    );
    const operator = await fleet.member({ id: 'i'.repeat(64), role: 'operator' }, { names });
    const message: RevokedMessage = {
      ...{ t: 'revoked', v: 1, fleet: 'f'.repeat(64), version: 2 ** 40, at: 2 ** 40 },
      ...{ revoked: packRecords(many(MAX_REVOKED_ENTRIES)), quarantined: NONE, wiped: NONE },
    };
    const topic = topics.revoked(['a'.repeat(27), 'b'.repeat(26)].join('/'));
    const sealed = sealEnvelope(topic, encodeMessage(message), operator);
    expect(operator.certificateDer.length).toBeGreaterThan(3_500);
    expect(sealed.length).toBeLessThan(MAX_MESSAGE_BYTES);
    expect(codeOf(() => decodeMessage('revoked', encodeMessage(message)))).toBe('accepted');
  });
});

import { describe, expect, it } from 'vitest';
import { Pace } from '../../../broker/enrolment/pace.js';
import { decideJoin, decideRenewal, type JoinCase, type RenewalCase } from '../../../broker/enrolment/rules.js';
import type { TokenRow } from '../../../broker/enrolment/token_file.js';
import type { Member } from '../../../broker/fleet/fleet_file.js';
import { SigningKey } from '../../../shared/crypto/signature.js';
import type { Holder } from '../../../shared/identity/certificate.js';
import { keyFingerprint } from '../../../shared/identity/request.js';
import { identityOf, NOW } from '../../support/members.js';

const DAY = 86_400;
const [own, other, bootstrap] = [SigningKey.generate(), SigningKey.generate(), SigningKey.generate()].map(
  ({ publicKey }) => publicKey,
) as [Uint8Array, Uint8Array, Uint8Array];
const [newest, earlier] = ['a'.repeat(64), 'b'.repeat(64)];

const token: TokenRow = {
  ...{ newcomer: 'n-1', fingerprint: 'f'.repeat(64), role: 'device', site: 'north', groups: ['cameras'], days: 365 },
  expires: NOW + DAY,
};
const holder = (publicKey: Uint8Array): Holder => ({
  ...{ identity: identityOf(), publicKey, fingerprint: 'a'.repeat(64) },
  ...{ notBefore: NOW - 80 * DAY, notAfter: NOW + 20 * DAY },
});
const member: Member = {
  ...{ id: 'cam-1', role: 'device', site: 'north', groups: ['cameras'], fingerprint: newest, notAfter: NOW + 20 * DAY },
};

function joined(over: Partial<JoinCase> = {}): string {
  const request = { id: 'cam-1', publicKey: own };
  const decision = decideJoin({
    ...{ token, newcomer: holder(bootstrap), request, member: undefined, now: NOW },
    standing: { newcomer: 'good', id: 'good' },
    ...over,
  });
  return decision.what === 'refuse' ? decision.code : decision.what;
}

describe('P-13.10 a newcomer is refused', () => {
  const used = { device: 'cam-1', key: keyFingerprint(own), at: NOW - 5 };

  it('whose certificate is of no token', () => {
    expect(joined({ token: undefined })).toBe('E_TOKEN_UNKNOWN');
  });

  it('whose token another key came with', () => {
    expect(joined({ token: { ...token, used: { ...used, key: keyFingerprint(other) } } })).toBe('E_TOKEN_USED');
  });

  it('whose token came with this key for another id', () => {
    expect(joined({ token: { ...token, used: { ...used, device: 'cam-2' } } })).toBe('E_TOKEN_USED');
  });

  it('from the second at which its token ends', () => {
    expect(joined({ now: token.expires - 1 })).toBe('issue');
    expect(joined({ now: token.expires })).toBe('E_TOKEN_EXPIRED');
  });

  it('for another id than its token has', () => {
    expect(joined({ token: { ...token, device: 'cam-2' } })).toBe('E_TOKEN_DEVICE');
    expect(joined({ token: { ...token, device: 'cam-1' } })).toBe('issue');
  });

  it('for an id that is in the roster, whoever has it', () => {
    expect(joined({ member })).toBe('E_DEVICE_EXISTS');
  });

  it('that is revoked itself, whatever it asks, and is not told so (P-14.6)', () => {
    for (const newcomer of ['revoked', 'quarantined', 'wiped'] as const) {
      expect(joined({ standing: { newcomer, id: 'good' }, token: undefined })).toBe('E_PEER_REVOKED');
    }
  });

  it('for an id that a list names, also where it came before', () => {
    for (const id of ['revoked', 'quarantined', 'wiped'] as const) {
      const standing = { newcomer: 'good', id } as const;
      expect(joined({ standing })).toBe('E_DEVICE_EXISTS');
      expect(joined({ standing, token: { ...token, used }, member })).toBe('E_DEVICE_EXISTS');
    }
  });

  it('with the key of the token itself, which others have seen', () => {
    expect(joined({ request: { id: 'cam-1', publicKey: bootstrap } })).toBe('E_REQUEST_INVALID');
  });

  it('and not where the same key asks again: its answer was lost', () => {
    expect(joined({ token: { ...token, used }, member })).toBe('again');
    expect(joined({ token: { ...token, used } })).toBe('again');
  });
});

function renewed(over: Partial<RenewalCase> = {}): string {
  const decision = decideRenewal({
    ...{ signer: holder(own), fingerprint: newest, request: { id: 'cam-1', publicKey: own }, member, newestKey: own },
    ...{ mayRenew: true, now: NOW },
    ...over,
  });
  return decision.what === 'refuse' ? decision.code : decision.what;
}

describe('P-13.12 a renewal is refused', () => {
  it('of a member that left the roster, or of a certificate that the roster has not', () => {
    expect(renewed({ member: undefined })).toBe('E_RENEWAL_REFUSED');
    expect(renewed({ fingerprint: 'c'.repeat(64) })).toBe('E_RENEWAL_REFUSED');
  });

  it('of who is revoked', () => {
    expect(renewed({ mayRenew: false })).toBe('E_RENEWAL_REFUSED');
  });

  it('for another id', () => {
    expect(renewed({ request: { id: 'cam-2', publicKey: own } })).toBe('E_REQUEST_INVALID');
  });

  it('before half of the life has passed', () => {
    const signer = { ...holder(own), notBefore: NOW - 50 * DAY, notAfter: NOW + 50 * DAY };
    expect(renewed({ signer })).toBe('issue');
    expect(renewed({ signer, now: NOW - 1 })).toBe('E_RENEWAL_REFUSED');
  });

  it('by an earlier certificate, unless it is for the key of the newest: its answer was lost', () => {
    const before = [{ fingerprint: earlier, notAfter: NOW + DAY }];
    const about = { member: { ...member, before }, fingerprint: earlier };
    expect(renewed({ ...about, newestKey: other })).toBe('E_RENEWAL_REFUSED');
    expect(renewed({ ...about, newestKey: undefined })).toBe('E_RENEWAL_REFUSED');
    expect(renewed(about)).toBe('again');
  });

  it('and not of a new key, signed by the old one', () => {
    expect(renewed({ request: { id: 'cam-1', publicKey: other } })).toBe('issue');
  });
});

describe('P-13.11 a registrar looks at so much', () => {
  it('of one, and not again before its time', () => {
    const pace = new Pace({ eachMs: 2000, perSecond: 20, remembered: 10 });
    expect([0, 1, 1999, 2000].map((now) => pace.take('a', now))).toEqual([true, false, false, true]);
  });

  it('of all together, and again as time passes', () => {
    const pace = new Pace({ eachMs: 0, perSecond: 2, remembered: 10 });
    expect(['a', 'b', 'c'].map((who) => pace.take(who, 0))).toEqual([true, true, false]);
    expect(pace.take('c', 500)).toBe(true);
    expect(pace.take('d', 500)).toBe(false);
  });

  it('of forty that ask as often as they may, and of one that asks every five seconds all the same', () => {
    const pace = new Pace({ eachMs: 500, perSecond: 20, remembered: 20_000 });
    let [asked, heard] = [0, 0];
    for (let now = 0; now < 120_000; now += 5) {
      for (let i = 0; i < 40; i++) if ((now + i * 12) % 500 < 5) pace.take(`loud-${i}`, now);
      if (now % 5000 !== 1235) continue;
      asked++;
      if (pace.take('quiet', now)) heard++;
    }
    expect([heard, asked]).toEqual([24, 24]);
  });

  it('of all: half of it is kept for who was quiet for eight gaps', () => {
    const pace = new Pace({ eachMs: 500, perSecond: 4, remembered: 10 });
    expect(['a', 'b', 'c'].map((who) => pace.take(who, 0))).toEqual([true, true, true]);
    expect([pace.take('a', 500), pace.take('a', 750), pace.take('a', 1000)]).toEqual([true, false, true]);
    expect(['d', 'e', 'f', 'g'].map((who) => pace.take(who, 1000))).toEqual([true, true, true, false]);
    expect(pace.take('b', 1250)).toBe(false);
    expect(pace.take('b', 4000)).toBe(true);
  });

  it('of whom it remembers, a number that does not grow', () => {
    const pace = new Pace({ eachMs: 1000, perSecond: 1000, remembered: 2 });
    for (const who of ['a', 'b', 'c']) expect(pace.take(who, 0)).toBe(true);
    expect(pace.take('c', 1)).toBe(false);
    expect(pace.take('a', 1)).toBe(true);
  });
});

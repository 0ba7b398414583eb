import { beforeAll, describe, expect, it } from 'vitest';
import { RevocationKeeper, revocationMemorySchema } from '../../../agent/revocation/keeper.js';
import { type Listed, packRecords, type RevokedMessage } from '../../../shared/control/revocation.js';
import { topics } from '../../../shared/control/topics.js';
import { codeOf, FLEET, Issuer, type Member, NOW, opened, PREFIX } from '../../support/members.js';

let fleet: Issuer;
let operator: Member;
let second: Member;
beforeAll(async () => {
  fleet = await Issuer.authority();
  operator = await fleet.member({ id: 'operator', role: 'operator' });
  second = await fleet.member({ id: 'op-2', role: 'operator' });
});

function list(version: number, revoked: readonly Listed[] = [], over: Partial<RevokedMessage> = {}): RevokedMessage {
  const none = new Uint8Array();
  return {
    ...{ t: 'revoked', v: 1, fleet: FLEET, version, at: NOW },
    ...{ revoked: packRecords(revoked), quarantined: none, wiped: none, ...over },
  };
}
const by = (message: RevokedMessage, signer: Member = operator) =>
  opened(fleet, signer, topics.revoked(PREFIX), message);
const verdict = (keeper: RevocationKeeper, message: RevokedMessage, signer?: Member): string =>
  codeOf(() => keeper.accept(by(message, signer)));
const stolen = { device: 'cam-1', since: NOW };

describe('P-14.2 a revocation list', () => {
  it('is believed, and what it says of whom', () => {
    const keeper = new RevocationKeeper(FLEET);
    expect(keeper.accept(by(list(3, [stolen])))?.version).toBe(3);
    expect(keeper.list.standing('cam-1', NOW)).toBe('revoked');
    expect(keeper.list.standing('cam-2', NOW)).toBe('good');
  });

  it('is refused with a lower number, and with the same one and other bytes', () => {
    const keeper = new RevocationKeeper(FLEET);
    keeper.accept(by(list(3, [stolen])));
    for (const message of [list(2, [stolen]), list(1), list(3), list(3, [stolen], { at: NOW - 1 })]) {
      expect(verdict(keeper, message)).toBe('E_REVOCATION_ROLLBACK');
    }
    expect(keeper.list.standing('cam-1', NOW)).toBe('revoked');
  });

  it('that is held already is nothing new, whoever signed it', () => {
    const keeper = new RevocationKeeper(FLEET);
    keeper.accept(by(list(3)));
    expect(keeper.accept(by(list(3)))).toBeNull();
    expect(keeper.accept(by(list(3), second))).toBeNull();
  });

  it('is refused after a restart as before it, and believed before any broker is there', () => {
    const before = new RevocationKeeper(FLEET);
    before.accept(by(list(3, [stolen])));
    const memory = revocationMemorySchema.parse(JSON.parse(JSON.stringify(before.memory)));
    const keeper = new RevocationKeeper(FLEET, memory);
    expect([keeper.list.version, keeper.list.standing('cam-1', NOW)]).toEqual([3, 'revoked']);
    expect(verdict(keeper, list(2))).toBe('E_REVOCATION_ROLLBACK');
    expect(verdict(keeper, list(3))).toBe('E_REVOCATION_ROLLBACK');
    expect(verdict(keeper, list(4))).toBe('accepted');
  });

  it('of another fleet is refused, and what a store remembers of one is left', () => {
    expect(verdict(new RevocationKeeper(FLEET), list(1, [], { fleet: 'other' }))).toBe('E_MESSAGE_UNTRUSTED');
    const keeper = new RevocationKeeper(FLEET);
    keeper.accept(by(list(3, [stolen])));
    expect(new RevocationKeeper('other', keeper.memory).list.version).toBe(0);
  });

  it('is taken whatever a clock shows, up to the end of the certificate of its signer and no further', async () => {
    const end = NOW + 90 * 86_400;
    const lasting = await fleet.member({ id: 'op-3', role: 'operator' }, { notAfter: end });
    expect(verdict(new RevocationKeeper(FLEET), list(1, [stolen], { at: end }), lasting)).toBe('accepted');
    expect(verdict(new RevocationKeeper(FLEET), list(end, [], { at: end }), lasting)).toBe('accepted');
    expect(verdict(new RevocationKeeper(FLEET), list(1, [], { at: end + 1 }), lasting)).toBe('E_MESSAGE_TIME');
  });

  it('from past that end is refused for its time where nothing else is wrong with it, and for the other where it is', () => {
    const keeper = new RevocationKeeper(FLEET);
    keeper.accept(by(list(5, [{ device: 'op-2', since: NOW }])));
    const late = { at: 2 ** 40 };
    expect(verdict(keeper, list(6, [], late))).toBe('E_MESSAGE_TIME');
    expect(verdict(keeper, list(4, [], late))).toBe('E_REVOCATION_ROLLBACK');
    expect(verdict(keeper, list(6, [], late), second)).toBe('E_PEER_REVOKED');
    expect(verdict(keeper, list(6, [], { ...late, fleet: 'other' }))).toBe('E_MESSAGE_UNTRUSTED');
    expect(keeper.list.version).toBe(5);
  });

  it('that spends the last number of a thief is followed by that of an operator whose certificate ends later', async () => {
    const [end, later] = [NOW + 86_400, NOW + 172_800];
    const thief = await fleet.member({ id: 'op-4', role: 'operator' }, { notAfter: end });
    const heir = await fleet.member({ id: 'op-5', role: 'operator' }, { notAfter: later });
    const keeper = new RevocationKeeper(FLEET);
    keeper.accept(by(list(end, [], { at: end }), thief));
    const answer = list(end + 1, [{ device: 'op-4', since: NOW }], { at: end + 1 });
    expect(verdict(keeper, answer)).toBe('E_MESSAGE_TIME');
    expect(verdict(keeper, answer, heir)).toBe('accepted');
  });

  it('of who is no operator never comes so far: the table refuses it', async () => {
    for (const role of ['device', 'seed', 'publisher', 'auditor'] as const) {
      const member = await fleet.member({ id: 'm', role });
      expect(codeOf(() => by(list(1), member))).toBe('E_MESSAGE_UNTRUSTED');
    }
  });

  it('of an operator that is revoked is refused, also one that would take that back', () => {
    const keeper = new RevocationKeeper(FLEET);
    keeper.accept(by(list(5, [{ device: 'op-2', since: NOW }])));
    expect(verdict(keeper, list(6), second)).toBe('E_PEER_REVOKED');
    expect(verdict(keeper, list(6))).toBe('accepted');
  });

  it('that names its own signer is refused', () => {
    const self = list(1, [{ device: 'operator', since: NOW }]);
    expect(verdict(new RevocationKeeper(FLEET), self)).toBe('E_PEER_REVOKED');
  });

  it('remembered and spoilt is no reason to trust whom it named', () => {
    for (const payload of ['', 'gA==', Buffer.from('garbage').toString('base64')]) {
      expect(codeOf(() => new RevocationKeeper(FLEET, { v: 1, payload }))).toBe('E_MESSAGE_MALFORMED');
    }
  });
});

describe('P-14.5 a certificate that was issued later', () => {
  it('is good, and the one before stays revoked', async () => {
    const keeper = new RevocationKeeper(FLEET);
    keeper.accept(by(list(1, [{ device: 'cam-1', since: NOW - 1000 }])));
    const holder = async (notBefore: number) => {
      const member = await fleet.member({ id: 'cam-1' }, { notBefore });
      return fleet.verifier().verify(member.certificateDer, NOW);
    };
    expect(keeper.standing(await holder(NOW - 1000))).toBe('revoked');
    expect(keeper.standing(await holder(NOW - 999))).toBe('good');
  });
});

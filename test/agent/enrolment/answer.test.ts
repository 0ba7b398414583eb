import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { Question } from '../../../agent/enrolment/answer.js';
import { decodeMessage, type EnrolledMessage } from '../../../shared/control/messages.js';
import { topics } from '../../../shared/control/topics.js';
import { SigningKey } from '../../../shared/crypto/signature.js';
import { codeOf, Issuer, identityOf, type Member, NOW, opened, PREFIX } from '../../support/members.js';

const key = SigningKey.generate();
const TOPIC = topics.enrolled(PREFIX, 'cam-1');
let fleet: Issuer;
let registrar: Member;

beforeAll(async () => {
  fleet = await Issuer.authority();
  registrar = await fleet.member({ id: 'registrar', role: 'registrar', groups: [] });
});

const hashOf = (payload: Uint8Array): Uint8Array => new Uint8Array(createHash('sha256').update(payload).digest());
const question = (): Question => new Question({ id: 'cam-1', key });

/** What the device makes of it: a code, `taken`, or `not for it`. */
function heard(asks: Question, about: Partial<EnrolledMessage>, now = NOW, by: Member = registrar): string {
  const message = { t: 'enrolled' as const, at: NOW, request: new Uint8Array(32), ...about };
  let answer: unknown;
  const code = codeOf(() => {
    answer = asks.answer(opened(fleet, by, TOPIC, message), fleet.verifier(), now);
  });
  return code !== 'accepted' ? code : answer === null ? 'not for it' : 'taken';
}

describe('P-13.9 an answer is refused', () => {
  it('by whoever signs it that is no registrar, the device itself among them', async () => {
    const certificate = await fleet.leaf(identityOf(), key);
    for (const role of ['device', 'seed', 'publisher', 'operator', 'auditor', 'newcomer'] as const) {
      const member = await fleet.member({ role });
      expect(heard(question(), { certificate }, NOW, member), role).toBe('E_MESSAGE_UNTRUSTED');
    }
  });

  it('with a certificate of another key, or of another id', async () => {
    const other = await fleet.leaf(identityOf(), SigningKey.generate());
    expect(heard(question(), { certificate: other })).toBe('E_MESSAGE_UNTRUSTED');
    const named = await fleet.leaf(identityOf({ id: 'cam-2' }), key);
    expect(heard(question(), { certificate: named })).toBe('E_MESSAGE_UNTRUSTED');
  });

  it('with a certificate of another CA, of another fleet, that has ended, or that is none', async () => {
    const foreign = await (await Issuer.authority()).leaf(identityOf(), key);
    expect(heard(question(), { certificate: foreign })).toBe('E_CERT_FOREIGN');
    const elsewhere = await fleet.leaf(identityOf({ fleet: 'other' }), key);
    expect(heard(question(), { certificate: elsewhere })).toBe('E_CERT_FOREIGN');
    const ended = await fleet.leaf(identityOf(), key, { notBefore: NOW - 9, notAfter: NOW - 1 });
    expect(heard(question(), { certificate: ended })).toBe('E_CERT_EXPIRED');
    expect(heard(question(), { certificate: Uint8Array.of(1) })).toBe('E_CERT_INVALID');
  });

  it('that says no to something else: a refusal cannot be replayed to who begins anew', () => {
    const before = question();
    const old = hashOf(before.ask(NOW - 100));
    expect(heard(before, { request: old, error: 'E_TOKEN_USED' })).toBe('E_TOKEN_USED');
    const asks = question();
    asks.ask(NOW);
    expect(heard(asks, { request: old, error: 'E_TOKEN_USED' })).toBe('not for it');
  });
});

describe('P-13.9 an answer is taken', () => {
  it('with the device’s own certificate, whichever question it answers', async () => {
    const asks = question();
    expect(decodeMessage('enroll', asks.ask(NOW)).at).toBe(NOW);
    expect(heard(asks, { certificate: await fleet.leaf(identityOf(), key) })).toBe('taken');
  });

  it('as the refusal that it is, and one of a reason that is not known as a refusal', () => {
    const asks = question();
    const request = hashOf(asks.ask(NOW));
    asks.ask(NOW + 5);
    expect(heard(asks, { request, error: 'E_DEVICE_EXISTS' })).toBe('E_DEVICE_EXISTS');
    for (const error of ['E_LATER_THAN_THIS', '__', 'A'])
      expect(heard(asks, { request, error })).toBe('E_RENEWAL_REFUSED');
  });
});

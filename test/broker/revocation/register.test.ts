import { describe, expect, it } from 'vitest';
import {
  adopt,
  EMPTY,
  type Entry,
  entryOf,
  messageOf,
  nextVersion,
  type Register,
  registerSchema,
  says,
  standingIn,
  withEntry,
  withoutEntry,
} from '../../../broker/revocation/register.js';
import { decodeMessage, encodeMessage } from '../../../shared/control/messages.js';
import { type ListName, RevocationList, recordName } from '../../../shared/control/revocation.js';
import { MAX_CLOCK_AHEAD_SECONDS, MAX_REVOKED_ENTRIES } from '../../../shared/limits.js';
import { codeOf } from '../../support/members.js';

const AT = 1_800_000_000;
const entry = (device: string, list: ListName = 'revoked', over: Partial<Entry> = {}): Entry => ({
  ...{ name: recordName(device), device, list, since: 100, at: AT, by: 'operator', reason: 'lost', serials: ['1a'] },
  ...over,
});
const of = (...entries: Entry[]): Register => entries.reduce((register, one) => withEntry(register, one), EMPTY);

describe('P-14.1 a register', () => {
  it('becomes the list that names each member where it is', () => {
    const register = of(entry('a'), entry('b', 'quarantined'), entry('c', 'wiped'));
    const list = RevocationList.of(messageOf(register, 'plant', 4, AT));
    expect(['a', 'b', 'c', 'd'].map((id) => list.standing(id, 100))).toEqual([
      'revoked',
      'quarantined',
      'wiped',
      'good',
    ]);
    expect(list.version).toBe(4);
    expect(registerSchema.parse(JSON.parse(JSON.stringify(register)))).toEqual(register);
  });

  it('has a member on one list, the one that was said last', () => {
    const register = of(entry('a', 'quarantined'), entry('a', 'revoked', { since: 200 }));
    expect(register.entries).toHaveLength(1);
    expect(entryOf(register, 'a')).toMatchObject({ list: 'revoked', since: 200 });
  });

  it('means certificates that were made since it was said, where that was not here, when it is said again', () => {
    const again = withEntry(of(entry('a')), entry('a', 'revoked', { since: 300, reason: 'again' }));
    expect(standingIn(again, 'a', 300)).toBe('revoked');
    expect(withoutEntry(again, 'b')).toBe(again);
  });

  it('P-14.5 means a certificate that was made since, too, when it is said again; and those before still', () => {
    const again = withEntry(of(entry('a')), entry('a', 'revoked', { since: 150, serials: ['2b'] }), 160);
    expect(entryOf(again, 'a')).toMatchObject({ since: 160, serials: ['1a', '2b'] });
    expect([standingIn(again, 'a', 160), standingIn(again, 'a', 161)]).toEqual(['revoked', 'good']);
  });

  it('P-14.11 keeps revoked what was, where its holder was enrolled anew, listed again and restored', () => {
    const revoked = of(entry('a'));
    for (const list of ['quarantined', 'wiped'] as const) {
      const listed = withEntry(revoked, entry('a', list, { since: 150, serials: ['2b'] }), 160);
      expect([standingIn(listed, 'a', 100), standingIn(listed, 'a', 160)]).toEqual([list, list]);
      expect(registerSchema.parse(JSON.parse(JSON.stringify(listed)))).toEqual(listed);
      // Said again, and by a list that another operator published, it is kept.
      const again = withEntry(listed, entry('a', list, { since: 170 }), 160);
      const adopted = adopt(again, messageOf(again, 'plant', 9, AT), 'op-2', ['a']);
      for (const one of [listed, again, adopted]) {
        const restored = withoutEntry(one, 'a');
        expect([standingIn(restored, 'a', 100), standingIn(restored, 'a', 101)]).toEqual(['revoked', 'good']);
        expect(entryOf(restored, 'a')).toMatchObject({ reason: 'lost', serials: ['1a'] });
        expect(withoutEntry(restored, 'a').entries).toEqual([]);
      }
    }
    const both = withEntry(withEntry(revoked, entry('a', 'quarantined'), 160), entry('a', 'revoked', { since: 200 }));
    expect(withoutEntry(both, 'a').entries).toEqual([]);
  });

  it('takes 10,000 and no more; who is on it already can be moved', () => {
    const entries = Array.from({ length: MAX_REVOKED_ENTRIES }, (_, i) => entry(`d${i}`));
    const full: Register = { ...EMPTY, entries };
    expect(codeOf(() => withEntry(full, entry('one-more')))).toBe('E_REVOCATION_FULL');
    expect(withEntry(full, entry('d7')).entries).toHaveLength(MAX_REVOKED_ENTRIES);
    const less = { ...EMPTY, entries: entries.slice(1) };
    expect(withEntry(less, entry('one-more')).entries).toHaveLength(MAX_REVOKED_ENTRIES);
  });
});

describe('P-14.11 what is said of a member', () => {
  it.each([
    ['revoked', 'quarantined', 'revoked'],
    ['revoked', 'wiped', 'revoked'],
    ['wiped', 'quarantined', 'wiped'],
    ['wiped', 'revoked', 'revoked'],
    ['quarantined', 'wiped', 'wiped'],
    ['quarantined', 'revoked', 'revoked'],
  ] as const)('%s, and %s after it, leaves it %s', (before, after, then) => {
    const register = withEntry(of(entry('a', before)), entry('a', after, { since: 200, serials: ['2b'] }), 90);
    expect(standingIn(register, 'a', 90)).toBe(then);
    expect(entryOf(register, 'a')?.serials).toEqual(['1a', '2b']);
  });

  it('is where it was, with who said so and why, where that is graver; said again there is nothing to publish', () => {
    const register = of(entry('a', 'revoked', { reason: 'stolen' }));
    expect(withEntry(register, entry('a', 'quarantined', { by: 'guard', since: 200 }), 90)).toBe(register);
  });

  it('is of a certificate that what was said before does not mean, however grave that was', () => {
    const register = withEntry(of(entry('a', 'revoked')), entry('a', 'quarantined', { since: 200 }), 101);
    expect(standingIn(register, 'a', 101)).toBe('quarantined');
  });

  it('leaves a revocation of another operator as it is, when a guard comes after it', () => {
    const theirs = messageOf(of(entry('cam-1', 'revoked', { since: 200 })), 'plant', 5, AT);
    const after = withEntry(
      adopt(EMPTY, theirs, 'op-2', ['cam-1']),
      entry('cam-1', 'quarantined', { since: 210, by: 'guard' }),
      100,
    );
    expect(standingIn(after, 'cam-1', 100)).toBe('revoked');
  });

  it('is not good again when it is taken off, but for that', () => {
    expect(standingIn(withoutEntry(of(entry('a')), 'a'), 'a')).toBe('good');
  });
});

describe('P-14.2 a list that a thief filled', () => {
  const made = (by: string, count: number): Entry[] =>
    Array.from({ length: count }, (_, i) => {
      const { device, ...unknown } = entry(`${by}-${i}`, 'revoked', { by });
      return { ...unknown, name: recordName(`${device}`) };
    });

  it('has room for the thief, and loses names of nobody', () => {
    const full = messageOf({ ...EMPTY, entries: made('thief', MAX_REVOKED_ENTRIES) }, 'plant', 5, AT);
    const after = withEntry(adopt(EMPTY, full, 'thief', []), entry('thief'));
    expect(after.entries).toHaveLength(MAX_REVOKED_ENTRIES);
    expect(standingIn(after, 'thief')).toBe('revoked');
  });

  it('loses those that a signer put there who is listed, before those of another operator', () => {
    const [theirs, thiefs] = [made('op-2', 5), made('thief', 5)];
    const known = Array.from({ length: MAX_REVOKED_ENTRIES - 10 }, (_, i) => entry(`d${i}`));
    const full: Register = { ...EMPTY, entries: [...theirs, ...known, ...thiefs] };
    const { entries } = withEntry(full, entry('thief'));
    expect(entries.filter(({ by }) => by === 'op-2')).toHaveLength(5);
    expect(entries.filter(({ by }) => by === 'thief')).toHaveLength(4);
    expect(entries.filter(({ by }) => by === 'operator')).toHaveLength(known.length + 1);
  });

  it('does not push out what was said here and did not get through', () => {
    const full = messageOf({ ...EMPTY, entries: made('thief', MAX_REVOKED_ENTRIES) }, 'plant', 5, AT);
    const adopted = adopt(of(entry('late', 'revoked', { at: AT + 1 })), full, 'thief', []);
    expect(adopted.entries).toHaveLength(MAX_REVOKED_ENTRIES);
    expect(standingIn(adopted, 'late')).toBe('revoked');
    expect(registerSchema.safeParse(adopted).success).toBe(true);
  });
});

describe('P-14.2 the number of a list', () => {
  const signer = { identity: { id: 'ada' }, notAfter: AT + 1000 };

  it('is above all that were used, here or by another operator', () => {
    expect(nextVersion(EMPTY, undefined, signer)).toBe(1);
    expect(nextVersion({ ...EMPTY, version: 7 }, undefined, signer)).toBe(8);
    expect(nextVersion({ ...EMPTY, version: 7 }, messageOf(EMPTY, 'plant', 12, AT), signer)).toBe(13);
  });

  it('is ahead of its time where others are, so that who stole a key cannot hold back every list', () => {
    const ahead = (seconds: number) => messageOf(EMPTY, 'plant', AT + seconds, AT + seconds);
    expect(nextVersion(EMPTY, ahead(999), signer)).toBe(AT + 1000);
    expect(nextVersion({ ...EMPTY, version: AT + 300 }, ahead(5), signer)).toBe(AT + 301);
  });

  it('is not above the end of its signer’s certificate: one that ends later goes on', () => {
    const spent = { ...EMPTY, version: signer.notAfter };
    expect(codeOf(() => nextVersion(spent, undefined, signer))).toBe('E_REVOCATION_SPENT');
    expect(nextVersion(spent, undefined, { ...signer, notAfter: signer.notAfter + 1 })).toBe(signer.notAfter + 1);
  });
});

describe('a list of another operator', () => {
  const theirs = of(entry('a', 'wiped', { since: 250 }), entry('b', 'quarantined'), entry('x'));
  const message = messageOf(theirs, 'plant', 9, AT);

  it('is adopted whole: who is on it, who is not any more, and who is known by a hash alone', () => {
    const ours = of(entry('a'), entry('gone'));
    const adopted = adopt(ours, message, 'op-2', ['a', 'b']);
    expect(says(message, adopted)).toBe(true);
    expect(adopted.version).toBe(9);
    expect(entryOf(adopted, 'a')).toMatchObject({ list: 'wiped', since: 250, reason: 'lost' });
    expect(entryOf(adopted, 'b')).toMatchObject({ device: 'b', by: 'op-2', reason: 'by another operator' });
    expect(entryOf(adopted, 'x')).not.toHaveProperty('device');
    expect(entryOf(adopted, 'gone')).toBeUndefined();
    expect(registerSchema.safeParse(adopted).success).toBe(true);
  });

  it('brings the serials that the roster has, which a record has not: a CRL names them', () => {
    const serialsOf = (device: string, since: number): string[] => [`${device.length}${since}`];
    const adopted = adopt(of(entry('a')), message, 'op-2', ['a', 'b'], serialsOf);
    expect(entryOf(adopted, 'a')?.serials).toEqual(['1a', '1250']);
    expect(entryOf(adopted, 'b')?.serials).toEqual(['1100']);
    expect(entryOf(adopted, 'x')?.serials).toEqual([]);
  });

  it('is filled in with serials when the same is said here', () => {
    const adopted = adopt(EMPTY, message, 'op-2', ['b']);
    const after = withEntry(adopted, entry('b', 'quarantined', { serials: ['abcd'] }), 50);
    expect(entryOf(after, 'b')?.serials).toEqual(['abcd']);
  });

  it('P-14.1: of a clock that is ahead has ours be taken all the same, and be the same list', () => {
    const ahead = of(entry('a', 'revoked', { since: AT + 2 * MAX_CLOCK_AHEAD_SECONDS }));
    const adopted = adopt(EMPTY, messageOf(ahead, 'plant', 9, AT + MAX_CLOCK_AHEAD_SECONDS), 'op-2', ['a']);
    expect(entryOf(adopted, 'a')?.since).toBe(AT + 2 * MAX_CLOCK_AHEAD_SECONDS);
    const ours = messageOf(adopted, 'plant', 10, AT);
    const taken = decodeMessage('revoked', encodeMessage(ours));
    expect(RevocationList.of(taken).standing('a', AT + MAX_CLOCK_AHEAD_SECONDS)).toBe('revoked');
    expect(says(taken, adopted)).toBe(true);
  });

  it('does not make forget what was said here since', () => {
    const adopted = adopt(of(entry('late', 'revoked', { at: AT + 1 })), message, 'op-2', []);
    expect(entryOf(adopted, 'late')).toMatchObject({ list: 'revoked' });
    expect(says(message, adopted)).toBe(false);
  });
});

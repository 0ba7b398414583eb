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

  it('is the same when the same is said of the same certificate again', () => {
    const register = of(entry('a'));
    expect(withEntry(register, entry('a', 'revoked', { since: 300, reason: 'again' }), 100)).toBe(register);
    expect(withoutEntry(register, 'b')).toBe(register);
  });

  it('P-14.5 means a certificate that was made since, too, when it is said again; and those before still', () => {
    const again = withEntry(of(entry('a')), entry('a', 'revoked', { since: 150, serials: ['2b'] }), 160);
    expect(entryOf(again, 'a')).toMatchObject({ since: 160, serials: ['1a', '2b'] });
    expect([standingIn(again, 'a', 160), standingIn(again, 'a', 161)]).toEqual(['revoked', 'good']);
  });

  it('takes 10,000 and no more; who is on it already can be moved', () => {
    const entries = Array.from({ length: MAX_REVOKED_ENTRIES }, (_, i) => entry(`d${i}`));
    const full: Register = { ...EMPTY, entries };
    expect(codeOf(() => withEntry(full, entry('one-more')))).toBe('E_REVOCATION_FULL');
    expect(withEntry(full, entry('d7', 'wiped')).entries).toHaveLength(MAX_REVOKED_ENTRIES);
    const less = { ...EMPTY, entries: entries.slice(1) };
    expect(withEntry(less, entry('one-more')).entries).toHaveLength(MAX_REVOKED_ENTRIES);
  });
});

describe('P-14.2 the number of a list', () => {
  it('is above all that were used, here or by another operator', () => {
    expect(nextVersion(EMPTY, undefined, AT)).toBe(1);
    expect(nextVersion({ ...EMPTY, version: 7 }, undefined, AT)).toBe(8);
    expect(nextVersion({ ...EMPTY, version: 7 }, messageOf(EMPTY, 'plant', 12, AT), AT)).toBe(13);
  });

  it('is never above its time, which a stolen key may have reached', () => {
    expect(nextVersion({ ...EMPTY, version: AT - 1 }, undefined, AT)).toBe(AT);
    expect(codeOf(() => nextVersion({ ...EMPTY, version: AT }, undefined, AT))).toBe('E_REVOCATION_ROLLBACK');
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

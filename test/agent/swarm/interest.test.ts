import { describe, expect, it } from 'vitest';
import { announcementOf, isOfInterest, type Share } from '../../../agent/swarm/interest.js';
import { Bitfield } from '../../../shared/artifact/index.js';
import { encodeMessage } from '../../../shared/control/messages.js';

const bits = (...chunks: number[]): Bitfield => {
  const field = new Bitfield(9);
  for (const chunk of chunks) field.set(chunk);
  return field;
};
const share = (held: Bitfield, over: Partial<Share> = {}): Share => ({
  ...{ held, metered: false, holdsBack: false },
  ...over,
});
const said = (held: Bitfield, over: Partial<Share> = {}) => announcementOf(share(held, over), 7, 5, 0);

describe('what a device announces', () => {
  it('P-4.4: is what it holds, and nothing of it where it gives nothing', () => {
    expect(said(bits(0, 8))).toEqual({ t: 'have', at: 7, held: 2, room: 5, digest: Uint8Array.of(0x80, 0x80) });
    expect(said(bits(0, 8), { metered: true })).toMatchObject({ held: 0, digest: Uint8Array.of(0, 0) });
  });

  it('P-10.10: says that it asks for nothing, and else not a byte of that', () => {
    expect(said(bits(0), { holdsBack: true }).hold).toBe(true);
    expect('hold' in said(bits(0))).toBe(false);
    expect(encodeMessage(said(bits(0))).length).toBeLessThan(encodeMessage(said(bits(0), { holdsBack: true })).length);
  });

  it('P-5.6: has room for 12 or more only where there is no session', () => {
    const room = (sessions: number, free: number) => announcementOf(share(bits()), 0, free, sessions).room;
    expect([room(0, 12), room(0, 64), room(0, 999), room(1, 63), room(3, 9)]).toEqual([12, 64, 255, 11, 9]);
  });
});

describe('P-10.2, P-10.10: of interest', () => {
  const [all, some, none] = [bits(0, 1, 2, 3, 4, 5, 6, 7, 8), bits(1, 2), bits()];
  it.each([
    ['who has more', all, {}, some, {}, true],
    ['who has less', none, {}, some, {}, true],
    ['who has the same', some, {}, some, {}, false],
    ['who has more, to who asks for nothing', all, {}, some, { holdsBack: true }, false],
    ['who has less, to who asks for nothing', none, {}, some, { holdsBack: true }, true],
    ['who has more and asks for nothing', all, { holdsBack: true }, some, {}, true],
    ['who has less and asks for nothing', none, { holdsBack: true }, some, {}, false],
    ['who has less and asks for nothing, to one like it', none, { holdsBack: true }, some, { holdsBack: true }, false],
    ['who has less, over a metered link', none, {}, some, { metered: true }, false],
    ['who has more, over a metered link', all, {}, some, { metered: true }, true],
  ])('%s', (_what, theirs, them, mine, us, expected) => {
    expect(isOfInterest(said(theirs, them), share(mine, us))).toBe(expected);
  });
});

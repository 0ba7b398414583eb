import { beforeEach, describe, expect, it } from 'vitest';
import type { MeshPeer } from '../../agent/transfer/host.js';
import { decodeMessage, messageType } from '../../shared/control/messages.js';
import { type Side, tell, threeSides } from '../support/negotiating_side.js';

let a: Side;
let b: Side;
let c: Side;

beforeEach(async () => {
  ({ a, b, c } = await threeSides());
});

describe('P-5.6 one session', () => {
  it('where offers cross, the one from the lesser id stands', () => {
    const [fromA, fromB] = [a.offer(b), b.offer(a)];
    tell(b, a, fromA);
    tell(a, b, fromB);
    expect([a.agreed.length, b.agreed.length]).toEqual([0, 1]);
    expect(b.sent.map(({ payload }) => messageType(payload))).toEqual(['offer', 'answer']);
    tell(a, b, b.lastAnswer());
    expect(a.agreed.length).toBe(1);
    expect(a.sent.length).toBe(1);
  });

  it('offers nothing to a device that it has a session with or an offer to', () => {
    a.offer(b);
    a.negotiation.offer(a.transfer.real, b.peer);
    expect(a.sent.length).toBe(1);
    a.transfer.since.set('c', 0);
    a.negotiation.offer(a.transfer.real, c.peer);
    expect(a.sent.length).toBe(1);
  });

  it('answers a new offer over a session of 3 s, and not over a younger one', () => {
    tell(b, a, a.offer(b));
    a.later(11_000);
    b.now += 2_999;
    const again = a.offer(b);
    tell(b, a, again);
    expect(b.agreed.length).toBe(1);
    b.now += 1;
    // The same once more came before (P-3.8).
    tell(b, a, again);
    expect(b.agreed.length).toBe(1);
    tell(b, a, { ...again, session: new Uint8Array(8).fill(1) });
    expect(b.agreed.length).toBe(2);
  });

  it('gives no session up to who says eight times in a minute that it restarted, and tells of it', () => {
    const offer = a.offer(b);
    const restarts = (_: unknown, i: number): number => {
      const before = b.agreed.length;
      tell(b, a, { ...offer, session: new Uint8Array(8).fill(i) });
      b.now += 3_000;
      return b.agreed.length - before;
    };
    expect(Array.from({ length: 12 }, restarts)).toEqual([...Array(9).fill(1), 0, 0, 0]);
    expect(b.misbehaved).toEqual(Array(3).fill(['a', 'flood']));
    b.now += 40_000;
    expect(restarts(0, 13)).toBe(1);
  });

  it('gives no session up for an offer that was made before it was agreed, and held back', () => {
    const heldBack = a.offer(b);
    a.later(11_000);
    b.later(11_000);
    tell(b, a, a.offer(b));
    tell(a, b, b.lastAnswer());
    b.later(5_000);
    tell(b, a, heldBack);
    expect(b.agreed.length).toBe(1);
  });

  it('gives no session up, of its own offer, for one that was made before the answer to it', () => {
    const heldBack = b.offer(a);
    b.later(11_000);
    a.later(11_000);
    tell(b, a, a.offer(b));
    tell(a, b, b.lastAnswer());
    a.later(5_000);
    tell(a, b, heldBack);
    expect(a.agreed.length).toBe(1);
  });

  it('offers anew to a device that says after the session was agreed that it has none, and to no other', () => {
    const before = b.member.counter.next();
    tell(b, a, a.offer(b));
    tell(a, b, b.lastAnswer());
    a.negotiation.offer(a.transfer.real, b.peer, before);
    expect([a.sent.length, a.agreed.length]).toEqual([1, 1]);
    for (const side of [a, b]) side.later(1_000);
    b.transfer.since.clear();
    a.negotiation.offer(a.transfer.real, b.peer, b.member.counter.next());
    expect(a.sent.length).toBe(2);
    const again = decodeMessage('offer', a.sent.at(-1)?.payload ?? new Uint8Array());
    tell(b, a, again);
    tell(a, b, b.lastAnswer());
    expect([a.agreed.length, b.agreed.length]).toEqual([2, 2]);
  });

  it('P-5.5: who repeats the key of another as its own agrees with nobody', () => {
    const offer = a.offer(c);
    tell(c, a, offer);
    const honest = c.agreed.at(-1)?.key;
    // c hands on to b what a sent it, and hands back what b answers.
    tell(b, c, offer);
    const answer = { ...b.lastAnswer(), offer: c.lastAnswer().offer };
    tell(a, c, answer);
    const datagram = Buffer.alloc(64);
    const sealed = datagram.subarray(0, a.agreed.at(-1)?.key.seal(0, datagram, 8));
    expect(b.agreed.at(-1)?.key.open(0, sealed, Buffer.alloc(64))).toBe(-1);
    expect(honest?.open(0, sealed, Buffer.alloc(64))).toBe(-1);
  });
});

describe('P-10.3 room', () => {
  it('answers nothing without room, and takes no answer', () => {
    const offer = a.offer(b);
    b.transfer.room = 0;
    tell(b, a, offer);
    expect(b.sent.length).toBe(0);
    tell(c, a, a.offer(c));
    a.transfer.room = 0;
    tell(a, c, c.lastAnswer());
    expect(a.agreed.length).toBe(0);
  });

  it('offers no more than there is room for, and anew when nobody answered', () => {
    const to = (device: string): MeshPeer => ({ device, site: 'north', seed: false });
    for (let i = 0; i < 20; i++) a.negotiation.offer(a.transfer.real, to(`d${i}`));
    expect(a.sent.length).toBe(12);
    a.later(9_999);
    a.negotiation.offer(a.transfer.real, to('e'));
    expect(a.sent.length).toBe(12);
    a.later(1);
    for (let i = 0; i < 20; i++) a.negotiation.offer(a.transfer.real, to(`e${i}`));
    expect(a.sent.length).toBe(24);
  });

  it('remembers at most 32 offers of its own and answers 64 of each other device, whatever comes', () => {
    a.transfer.room = 1000;
    for (let i = 0; i < 100; i++) a.negotiation.offer(a.transfer.real, { device: `d${i}`, site: 's', seed: false });
    expect(a.sent.length).toBe(32);
    const offer = b.offer(c);
    for (let i = 0; i < 100; i++) {
      c.transfer.since.clear();
      tell(c, b, { ...offer, session: new Uint8Array(8).fill(i) });
    }
    expect(c.agreed.length).toBe(64);
  });
});

import { beforeEach, describe, expect, it } from 'vitest';
import { topics } from '../../shared/control/topics.js';
import { codeOf, type Issuer, NOW, opened, PREFIX } from '../support/members.js';
import { ARTIFACT, hex, OTHER_ARTIFACT, Side, tell, threeSides } from '../support/negotiating_side.js';

let fleet: Issuer;
let a: Side;
let b: Side;
let c: Side;

beforeEach(async () => {
  ({ fleet, a, b, c } = await threeSides());
});

describe('P-5 two devices agree', () => {
  it('on one key, two session ids and opposite directions', () => {
    const offer = a.offer(b);
    expect(offer).toMatchObject({ at: NOW, expires: NOW + 60, candidates: [['192.0.2.1', 4000]] });
    expect(tell(b, a, offer)).toBe('accepted');
    const answer = b.lastAnswer();
    expect(tell(a, b, answer)).toBe('accepted');
    const [left] = a.agreed;
    const [right] = b.agreed;
    expect([left?.direction, right?.direction]).toEqual([0, 1]);
    expect(left?.peer).toMatchObject(b.peer);
    expect(right?.peer).toMatchObject(a.peer);
    expect(hex(left?.localId ?? ARTIFACT)).toBe(hex(right?.remoteId ?? OTHER_ARTIFACT));
    expect(hex(left?.remoteId ?? ARTIFACT)).toBe(hex(right?.localId ?? OTHER_ARTIFACT));
    const datagram = new Uint8Array(40);
    expect(left?.key.seal(0, datagram, 9)).toBe(40);
    expect(right?.key.open(0, datagram, new Uint8Array(9))).toBe(9);
  });

  it('P-5.1 with fresh keys and session ids each time', () => {
    const offers = [a.offer(b), a.offer(c)];
    tell(b, a, offers[0] ?? b.lastAnswer());
    tell(c, a, offers[1] ?? c.lastAnswer());
    const all = [...offers, b.lastAnswer(), c.lastAnswer()];
    expect(new Set(all.map(({ key }) => hex(key))).size).toBe(4);
    expect(new Set(all.map(({ session }) => hex(session))).size).toBe(4);
  });

  it('marks a peer as seed by its certificate alone', async () => {
    const seed = new Side(fleet, await fleet.member({ id: 'seed', role: 'seed' }));
    expect(tell(b, seed, seed.offer(b))).toBe('accepted');
    expect(b.agreed[0]?.peer.seed).toBe(true);
  });
});

describe('P-5.2 time and replay', () => {
  it('takes an offer in its last second, by a clock 300 s ahead, and refuses it after', () => {
    const offer = a.offer(b);
    const told = (past: number): string => tell(b, a, { ...offer, at: NOW - past, expires: NOW + 60 - past });
    expect([told(361), told(360)]).toEqual(['E_MESSAGE_TIME', 'accepted']);
  });

  it('P-3.6 takes an offer from 300 s ahead and refuses 301', () => {
    const offer = a.offer(b);
    const told = (ahead: number): string => tell(b, a, { ...offer, at: NOW + ahead, expires: NOW + 60 + ahead });
    expect([told(301), told(300)]).toEqual(['E_MESSAGE_TIME', 'accepted']);
  });

  it('refuses an answer past its time, and one from the future, and takes it once it is good', () => {
    tell(b, a, a.offer(b));
    const answer = b.lastAnswer();
    for (const at of [NOW - 361, NOW + 301]) {
      expect(tell(a, b, { ...answer, at, expires: at + 60 })).toBe('E_MESSAGE_TIME');
    }
    tell(a, b, { ...answer, at: NOW, expires: NOW + 60 });
    expect(a.agreed.length).toBe(1);
  });

  it('answers an offer once, also when its session is gone, for as long as it is good', () => {
    const offer = a.offer(b);
    tell(b, a, offer);
    for (let second = 0; second < 360; second += 10) {
      b.transfer.since.clear();
      tell(b, a, offer);
      b.later(10_000);
    }
    expect(b.agreed.length).toBe(1);
  });

  it('answers no offer twice that was made by a clock 300 s ahead', () => {
    a.seconds = NOW + 300;
    const offer = a.offer(b);
    tell(b, a, offer);
    for (let step = 0; step < 72; step++) {
      b.transfer.since.clear();
      tell(b, a, offer);
      b.later(5000);
    }
    expect(b.agreed.length).toBe(1);
  });

  it('P-3.6 takes an offer of who has no clock, by its number alone, and answers it with the time', () => {
    a.believed = false;
    const offer = a.offer(b);
    expect(offer).toMatchObject({ at: 0, expires: 60 });
    expect(tell(b, a, offer)).toBe('accepted');
    expect(b.lastAnswer().at).toBe(NOW);
    b.transfer.since.clear();
    tell(b, a, offer);
    expect(b.agreed.length).toBe(1);
    // Nor does it look at the times of others: its own is no measure.
    a.seconds = 0;
    expect(tell(a, b, b.lastAnswer())).toBe('accepted');
    expect(a.agreed.length).toBe(1);
  });

  it('takes an answer once', () => {
    tell(b, a, a.offer(b));
    const answer = b.lastAnswer();
    tell(a, b, answer);
    a.transfer.since.clear();
    tell(a, b, answer);
    expect(a.agreed.length).toBe(1);
  });
});

describe('P-5.3 whose answer it is', () => {
  it('takes none from a third device, though it answers the very offer', () => {
    const offer = a.offer(b);
    tell(b, a, offer);
    expect(tell(a, c, b.lastAnswer())).toBe('accepted');
    expect(a.agreed.length).toBe(0);
    tell(a, b, b.lastAnswer());
    expect(a.agreed[0]?.peer.device).toBe('b');
  });

  it('takes none to another offer, and none where none was made; the true one still counts', () => {
    tell(b, a, a.offer(b));
    const answer = b.lastAnswer();
    tell(a, b, { ...answer, offer: new Uint8Array(32) });
    tell(c, b, answer);
    expect([a.agreed.length, c.agreed.length]).toEqual([0, 0]);
    tell(a, b, answer);
    expect(a.agreed.length).toBe(1);
  });

  it('takes none for another artifact', () => {
    tell(b, a, a.offer(b));
    tell(a, b, { ...b.lastAnswer(), artifact: OTHER_ARTIFACT });
    expect(a.agreed.length).toBe(0);
  });

  it('P-2.2 refuses offers and answers that were signed for another device: a broker may pass on anything', () => {
    const toB = a.offer(b);
    expect(tell(c, a, toB, b)).toBe('E_MESSAGE_UNTRUSTED');
    tell(b, a, toB);
    const answer = b.lastAnswer();
    expect(tell(c, b, answer, a)).toBe('E_MESSAGE_UNTRUSTED');
    expect(c.sent.length + c.agreed.length).toBe(0);
  });

  it('P-2.2 refuses an offer that was signed for another topic than a signal', () => {
    const offer = a.offer(b);
    const topic = topics.status(PREFIX, 'a');
    expect(codeOf(() => b.negotiation.onSignal(opened(fleet, a.member, topic, offer)))).toBe('E_MESSAGE_UNTRUSTED');
  });

  it('refuses a signal that is neither', () => {
    const have = { t: 'have' as const, at: NOW, held: 0, room: 0, digest: Uint8Array.of(0) };
    const heard = opened(fleet, a.member, topics.signal(PREFIX, 'north', 'b', 'a'), have);
    expect(codeOf(() => b.negotiation.onSignal(heard))).toBe('E_MESSAGE_MALFORMED');
  });
});

describe('P-5.4 audience', () => {
  it('answers no offer from outside the group of the rollout', async () => {
    const outsider = new Side(fleet, await fleet.member({ id: 'x', groups: ['robots'] }));
    expect(tell(b, outsider, outsider.offer(b))).toBe('E_MESSAGE_UNTRUSTED');
    expect(b.sent.length + b.agreed.length).toBe(0);
  });

  it('takes no answer from outside the group of the rollout', async () => {
    const outsider = new Side(fleet, await fleet.member({ id: 'x', groups: ['robots', 'camera', 'cameras2'] }));
    tell(outsider, a, a.offer(outsider));
    expect(tell(a, outsider, outsider.lastAnswer())).toBe('E_MESSAGE_UNTRUSTED');
    expect(a.agreed.length).toBe(0);
  });

  it('answers nothing for an artifact that it does not know', () => {
    expect(tell(b, a, { ...a.offer(b), artifact: new Uint8Array(32) })).toBe('accepted');
    expect(b.sent.length + b.agreed.length).toBe(0);
  });

  it('P-10.4 neither offers to, nor answers, nor believes a device that served wrong bytes', () => {
    const offer = a.offer(b);
    b.transfer.banned.add('a');
    tell(b, a, offer);
    b.negotiation.offer(b.transfer.real, a.peer);
    expect(b.sent.length + b.agreed.length).toBe(0);
    tell(c, a, a.offer(c));
    a.transfer.banned.add('c');
    tell(a, c, c.lastAnswer());
    expect(a.agreed.length).toBe(0);
  });
});

describe('P-5.5 keys of small order', () => {
  const zero = new Uint8Array(32);

  it('are refused in an offer', () => {
    expect(tell(b, a, { ...a.offer(b), key: zero })).toBe('E_MESSAGE_UNTRUSTED');
    expect(b.sent.length + b.agreed.length).toBe(0);
  });

  it('are refused in an answer, and the offer is spent', () => {
    tell(b, a, a.offer(b));
    const answer = b.lastAnswer();
    expect(tell(a, b, { ...answer, key: zero })).toBe('E_MESSAGE_UNTRUSTED');
    tell(a, b, answer);
    expect(a.agreed.length).toBe(0);
  });
});

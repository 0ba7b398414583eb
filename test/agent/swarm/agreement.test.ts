import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Agreements, offerHash } from '../../../agent/swarm/agreement.js';
import { MAX_OFFERS_OF_DEVICE, MAX_OFFERS_PENDING, OFFER_WAIT_MS } from '../../../agent/swarm/limits.js';
import type { AnswerMessage } from '../../../shared/control/messages.js';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** An answer to the offer of these payload bytes: only its hash is looked at. */
function answerTo(offer: Uint8Array): AnswerMessage {
  const [artifact, key, session] = [new Uint8Array(32), new Uint8Array(32), new Uint8Array(8)];
  return { t: 'answer', at: 0, expires: 60, artifact, session, key, candidates: [], offer: offerHash(offer) };
}

describe('P-4.6 the hash of an offer', () => {
  it('is SHA-256 of its payload bytes', () => {
    expect(Buffer.from(offerHash(bytes('abc'))).toString('hex')).toBe(createHash('sha256').update('abc').digest('hex'));
  });
});

describe('P-5.3 answers', () => {
  it('count once, from the device, for the artifact and to the offer', () => {
    const agreements = new Agreements<string>('m');
    expect(agreements.offered('x', 'p', bytes('1'), 'kept', 0)).toBe(true);
    expect(agreements.answered('x', 'q', answerTo(bytes('1')), 1)).toBeNull();
    expect(agreements.answered('y', 'p', answerTo(bytes('1')), 1)).toBeNull();
    expect(agreements.answered('x', 'p', answerTo(bytes('2')), 1)).toBeNull();
    expect(agreements.answered('x', 'p', { ...answerTo(bytes('1')), offer: new Uint8Array(0) }, 1)).toBeNull();
    expect(agreements.answered('x', 'p', answerTo(bytes('1')), 1)).toBe('kept');
    expect(agreements.answered('x', 'p', answerTo(bytes('1')), 1)).toBeNull();
  });

  it('come too late at the end of the wait, and in time before it', () => {
    for (const [at, kept] of [
      [OFFER_WAIT_MS - 1, 'kept'],
      [OFFER_WAIT_MS, null],
    ] as const) {
      const agreements = new Agreements<string>('m');
      agreements.offered('x', 'p', bytes('1'), 'kept', 0);
      expect(agreements.answered('x', 'p', answerTo(bytes('1')), at)).toBe(kept);
    }
  });
});

describe('offers on their way', () => {
  it('are one to a device and artifact', () => {
    const agreements = new Agreements<number>('m');
    expect(agreements.offered('x', 'p', bytes('1'), 1, 0)).toBe(true);
    expect(agreements.offered('x', 'p', bytes('2'), 2, 1)).toBe(false);
    expect(agreements.offered('y', 'p', bytes('3'), 3, 1)).toBe(true);
    expect(agreements.answered('x', 'p', answerTo(bytes('1')), 2)).toBe(1);
    expect([agreements.isPending('x', 'p'), agreements.isPending('y', 'p')]).toEqual([false, true]);
  });

  it(`are ${MAX_OFFERS_PENDING} at most, and room comes back with time`, () => {
    const agreements = new Agreements<number>('m');
    const offer = (i: number, now: number): boolean => agreements.offered('x', `p${i}`, bytes(`${i}`), i, now);
    for (let i = 0; i < MAX_OFFERS_PENDING; i++) expect(offer(i, 0)).toBe(true);
    expect(offer(MAX_OFFERS_PENDING, OFFER_WAIT_MS - 1)).toBe(false);
    expect(offer(MAX_OFFERS_PENDING, OFFER_WAIT_MS)).toBe(true);
    expect(agreements.pendingFor('x', OFFER_WAIT_MS)).toBe(1);
  });

  it('are counted for each artifact, those that nobody will answer left out', () => {
    const agreements = new Agreements<number>('m');
    agreements.offered('x', 'p', bytes('1'), 1, 0);
    agreements.offered('x', 'q', bytes('2'), 2, 5);
    agreements.offered('y', 'p', bytes('3'), 3, 5);
    expect([agreements.pendingFor('x', 6), agreements.pendingFor('y', 6), agreements.pendingFor('z', 6)]).toEqual([
      2, 1, 0,
    ]);
    expect(agreements.pendingFor('x', OFFER_WAIT_MS)).toBe(1);
    expect(agreements.pendingFor('x', OFFER_WAIT_MS + 5)).toBe(0);
  });

  it('name those that did not answer, once', () => {
    const agreements = new Agreements<number>('m');
    agreements.offered('x', 'p', bytes('1'), 1, 0);
    expect(agreements.expire(OFFER_WAIT_MS - 1)).toEqual([]);
    expect(agreements.expire(OFFER_WAIT_MS)).toEqual(['p']);
    expect(agreements.expire(OFFER_WAIT_MS)).toEqual([]);
  });
});

describe('offers of others', () => {
  const from = (agreements: Agreements<number>, device: string, now: number): boolean =>
    agreements.received('x', device, now);

  it('are answered as often as a device makes them for 16 rollouts when three answers to each are lost', () => {
    const agreements = new Agreements<number>('m');
    for (let time = 0; time < 4; time++) {
      for (let rollout = 0; rollout < 16; rollout++) expect(from(agreements, 'p', time * OFFER_WAIT_MS)).toBe(true);
    }
  });

  it(`are ${MAX_OFFERS_OF_DEVICE} of one device in six minutes: its flood leaves the others room`, () => {
    const agreements = new Agreements<number>('m');
    for (let i = 0; i < MAX_OFFERS_OF_DEVICE; i++) expect(from(agreements, 'p', 0)).toBe(true);
    expect([from(agreements, 'p', 359_999), from(agreements, 'q', 359_999)]).toEqual([false, true]);
    let answered = 0;
    for (let ms = 360_000; ms < 720_000; ms += 250) if (from(agreements, 'p', ms)) answered++;
    expect(answered).toBe(MAX_OFFERS_OF_DEVICE);
  });
});

describe('P-5.6 offers that cross', () => {
  it.each([
    ['the lesser id keeps its own', 'a', 'b', false],
    ['the greater id gives its own up', 'b', 'a', true],
    ['ids are compared by bytes', 'a', 'B', true],
    ['a prefix is lesser', 'cam', 'cam-1', false],
  ])('%s', (_what, self, from, answers) => {
    const agreements = new Agreements<string>(self);
    agreements.offered('x', from, bytes('mine'), 'kept', 0);
    expect(agreements.received('x', from, 1)).toBe(answers);
    expect(agreements.answered('x', from, answerTo(bytes('mine')), 2)).toBe(answers ? null : 'kept');
  });

  it('cross for one artifact only', () => {
    const agreements = new Agreements<string>('a');
    agreements.offered('x', 'b', bytes('mine'), 'kept', 0);
    expect(agreements.received('y', 'b', 1)).toBe(true);
    expect(agreements.isPending('x', 'b')).toBe(true);
  });
});

describe('P-5.6 what came before a session', () => {
  it('is known by the numbers of who offered, for each artifact and device', () => {
    const agreements = new Agreements<number>('m');
    expect(agreements.isLater('x', 'p', 0)).toBe(true);
    agreements.agreed('x', 'p', 10);
    expect([9, 10, 11].map((at) => agreements.isLater('x', 'p', at))).toEqual([false, false, true]);
    expect([agreements.isLater('y', 'p', 9), agreements.isLater('x', 'q', 9)]).toEqual([true, true]);
    agreements.agreed('x', 'p', 5);
    expect(agreements.isLater('x', 'p', 9)).toBe(true);
  });

  it('is remembered of 1,024 sessions, the oldest forgotten first', () => {
    const agreements = new Agreements<number>('m');
    for (let i = 0; i < 1024; i++) agreements.agreed('x', `p${i}`, 10);
    agreements.agreed('x', 'p0', 10);
    expect(agreements.isLater('x', 'p1', 9)).toBe(false);
    agreements.agreed('x', 'one more', 10);
    expect([agreements.isLater('x', 'p0', 9), agreements.isLater('x', 'p1', 9)]).toEqual([false, true]);
  });
});

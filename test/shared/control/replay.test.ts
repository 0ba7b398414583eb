import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  FORGET_SENDER_MS,
  MAX_SENDERS_REMEMBERED,
  SENDER_WINDOW_MESSAGES,
  SendersHeard,
} from '../../../shared/control/replay.js';

const key = (i: number): Uint8Array => {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setUint32(0, i);
  return bytes;
};
const [A, B] = [key(1), key(2)];
const START = 5_000;

describe('P-3.8 replay', () => {
  it('takes each number of a signer once, and those of another apart', () => {
    const heard = new SendersHeard();
    const take = (by: Uint8Array, n: number): boolean => heard.take(by, n, START);
    expect([take(A, 5), take(A, 5), take(B, 5), take(B, 5), take(A, 6), take(A, 0), take(A, 0)]).toEqual([
      true,
      false,
      true,
      false,
      true,
      true,
      false,
    ]);
  });

  it(`lets ${SENDER_WINDOW_MESSAGES - 1} messages overtake one, and no more`, () => {
    const [near, far] = [new SendersHeard(), new SendersHeard()];
    const top = 2 ** 53 - 1;
    for (const heard of [near, far]) expect(heard.take(A, top, START)).toBe(true);
    expect(near.take(A, top - SENDER_WINDOW_MESSAGES + 1, START)).toBe(true);
    expect(far.take(A, top - SENDER_WINDOW_MESSAGES, START)).toBe(false);
  });

  it('takes no number twice, whatever the order and the distance', () => {
    const near = fc.nat(2 * SENDER_WINDOW_MESSAGES);
    const far = fc.nat({ max: Number.MAX_SAFE_INTEGER });
    fc.assert(
      fc.property(fc.array(fc.oneof({ weight: 5, arbitrary: near }, far), { maxLength: 500 }), (numbers) => {
        const heard = new SendersHeard();
        const taken = new Set<number>();
        let highest = -1;
        for (const n of numbers) {
          const fresh = !taken.has(n) && (highest < 0 || n > highest - SENDER_WINDOW_MESSAGES);
          expect(heard.take(A, n, START)).toBe(fresh);
          if (fresh) taken.add(n);
          if (fresh) highest = Math.max(highest, n);
        }
      }),
    );
  });

  it(`remembers ${MAX_SENDERS_REMEMBERED} signers and forgets the one that said nothing new for longest, whoever is replayed`, () => {
    const heard = new SendersHeard();
    for (let i = 0; i < MAX_SENDERS_REMEMBERED; i++) heard.take(key(i), 9, START);
    expect(heard.take(key(0), 10, START)).toBe(true);
    // What a broker repeats keeps nobody in memory.
    for (let times = 0; times < 10; times++) expect(heard.take(key(1), 9, START)).toBe(false);
    for (let i = 0; i < 2; i++) heard.take(key(MAX_SENDERS_REMEMBERED + i), 9, START);
    expect(heard.size).toBe(MAX_SENDERS_REMEMBERED);
    expect([heard.take(key(0), 10, START), heard.take(key(3), 9, START)]).toEqual([false, false]);
    expect(heard.take(key(1), 9, START)).toBe(true);
  });

  it('hears a signer anew that lost its count, 15 min after it last said something new, and not for what is repeated', () => {
    const heard = new SendersHeard();
    heard.take(A, 2 ** 40, START);
    for (let ms = 0; ms < FORGET_SENDER_MS; ms += 60_000) expect(heard.take(A, 7, START + ms)).toBe(false);
    expect(heard.take(A, 7, START + FORGET_SENDER_MS)).toBe(true);
    expect(heard.take(A, 7, START + FORGET_SENDER_MS)).toBe(false);
  });
});

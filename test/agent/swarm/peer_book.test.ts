import { describe, expect, it } from 'vitest';
import { type Lesson, MAX_PEER_RECORDS, PeerBook } from '../../../agent/swarm/peer_book.js';

const GOOD: Lesson = { site: 'a', rate: 1_000_000, rttMs: 10, subnet: false, failed: false };

describe('PeerBook', () => {
  it('holds one that is not known to be worth 1: more than a usual one, less than a good one', () => {
    const book = new PeerBook();
    for (let i = 0; i < 10; i++) book.learn(`usual-${i}`, { ...GOOD, rate: 100_000 }, 0);
    book.learn('good', GOOD, 0);
    expect(book.worth('never seen', 0)).toBe(1);
    expect(book.worth('usual-0', 0)).toBeLessThan(1);
    expect(book.worth('good', 0)).toBeGreaterThan(1);
  });

  it('prefers the faster, the nearer, the more reliable', () => {
    const book = new PeerBook();
    book.learn('plain', GOOD, 0);
    book.learn('slow', { ...GOOD, rate: 100_000 }, 0);
    book.learn('far', { ...GOOD, rttMs: 400 }, 0);
    book.learn('failing', { ...GOOD, failed: true }, 0);
    book.learn('neighbour', { ...GOOD, subnet: true }, 0);
    const worth = (device: string): number => book.worth(device, 0);
    for (const worse of ['slow', 'far', 'failing']) expect(worth(worse)).toBeLessThan(worth('plain'));
    expect(worth('neighbour')).toBeGreaterThan(worth('plain'));
  });

  it('leaves who failed a quarter, and forgets it after some good sessions, measured or not', () => {
    for (const good of [GOOD, { ...GOOD, rate: 0 }]) {
      const book = new PeerBook();
      for (let i = 0; i < 50; i++) book.learn('d', { ...GOOD, rate: 0, rttMs: 0, failed: true }, 0);
      expect(book.worth('d', 0)).toBe(0.25);
      for (let i = 0; i < 10; i++) book.learn('d', good, 0);
      expect(book.worth('d', 0)).toBeGreaterThan(0.8);
    }
  });

  it('lets failures fade by half in an hour, and makes nothing of a clock that was set back', () => {
    const book = new PeerBook();
    const failed = { ...GOOD, rate: 0, rttMs: 0, failed: true };
    for (let i = 0; i < 50; i++) book.learn('d', failed, 1_000_000);
    expect(book.worth('d', 1_000_000 + 3_600)).toBeCloseTo(0.5, 3);
    expect(book.worth('d', 1_000_000 + 10 * 3_600)).toBeGreaterThan(0.99);
    expect(book.worth('d', 0)).toBe(0.25);
    book.learn('d', failed, 1_000_000 + 10 * 3_600);
    expect(book.taken()[0]?.failures).toBeCloseTo(0.25, 2);
  });

  it('keeps no record of one of which a session showed nothing', () => {
    const book = new PeerBook();
    book.learn('d', { ...GOOD, rate: 0 }, 0);
    expect([book.size, book.worth('d', 0)]).toEqual([0, 1]);
  });

  it('keeps what was measured where a session measured nothing', () => {
    const book = new PeerBook();
    book.learn('d', GOOD, 0);
    book.learn('d', { ...GOOD, rate: 0, rttMs: 0, failed: true }, 5);
    expect(book.taken()).toEqual([
      { device: 'd', site: 'a', rate: 1_000_000, rttMs: 10, failures: 0.25, subnet: false, at: 5 },
    ]);
  });

  it(`remembers ${MAX_PEER_RECORDS} at most, those learned of last, and takes no more from a file`, () => {
    const book = new PeerBook();
    for (let i = 0; i < MAX_PEER_RECORDS + 100; i++) book.learn(`d${i}`, GOOD, i);
    book.learn('d100', GOOD, 1);
    expect(book.size).toBe(MAX_PEER_RECORDS);
    expect(book.worth('d99', 0)).toBe(1);
    const records = book.taken();
    expect(records.at(-1)?.device).toBe('d100');
    const again = new PeerBook([...records, ...records.map((one) => ({ ...one, device: `x${one.device}` }))]);
    expect(again.size).toBe(MAX_PEER_RECORDS);
    expect([again.worth('d100', 0), again.changes]).toEqual([1, 0]);
  });
});

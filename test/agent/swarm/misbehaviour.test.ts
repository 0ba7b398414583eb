import { describe, expect, it } from 'vitest';
import { MAX_MISBEHAVING, MISBEHAVIOURS, MisbehaviourBook } from '../../../agent/swarm/misbehaviour.js';

describe('what devices did that they should not', () => {
  it('is counted for each device and kind', () => {
    const book = new MisbehaviourBook();
    for (const kind of MISBEHAVIOURS) book.add('a', kind);
    book.add('b', 'flood');
    book.add('a', 'stalled');
    expect(book.all().filter(({ count }) => count !== 1)).toEqual([{ device: 'a', kind: 'stalled', count: 2 }]);
    expect(book.all()).toHaveLength(MISBEHAVIOURS.length + 1);
  });

  it(`is kept of ${MAX_MISBEHAVING} devices, those of late, however often one of them does it`, () => {
    const book = new MisbehaviourBook();
    const devices = (): Set<string> => new Set(book.all().map(({ device }) => device));
    for (let i = 0; i < MAX_MISBEHAVING; i++) book.add(`d${i}`, 'slow');
    for (let i = 0; i < 1000; i++) book.add('d0', 'flood');
    expect(devices().size).toBe(MAX_MISBEHAVING);
    book.add('new', 'slow');
    expect(devices().size).toBe(MAX_MISBEHAVING);
    expect([devices().has('d0'), devices().has('d1'), devices().has('new')]).toEqual([true, false, true]);
  });

  it('of one that was forgotten begins anew', () => {
    const book = new MisbehaviourBook();
    for (let i = 0; i < 5; i++) book.add('old', 'slow');
    for (let i = 0; i < MAX_MISBEHAVING; i++) book.add(`d${i}`, 'slow');
    book.add('old', 'slow');
    expect(book.all().at(-1)).toEqual({ device: 'old', kind: 'slow', count: 1 });
  });
});

import { describe, expect, it } from 'vitest';
import { Picker } from '../../../agent/swarm/picker.js';
import { Bitfield } from '../../../shared/artifact/bitfield.js';
import { SeededRandom } from '../../sim/random.js';

function seededRandom(seed: number): () => number {
  const generator = new SeededRandom(seed);
  return () => generator.next();
}

const all = (): boolean => true;

describe('Picker', () => {
  it('takes the rarest chunk that the peer holds', () => {
    const picker = new Picker(4, seededRandom(1));
    for (const chunk of [0, 0, 0, 1, 1, 2, 3, 3]) picker.gained(chunk);
    expect(picker.pick(Bitfield.full(4), all)).toBe(2);
    expect(picker.pick(Bitfield.full(4), (chunk) => chunk !== 2 && chunk !== 3)).toBe(1);
    picker.lost(0);
    picker.lost(0);
    expect(picker.pick(Bitfield.full(4), (chunk) => chunk === 0 || chunk === 1)).toBe(0);
  });

  it('gives -1 where the peer holds nothing that is wanted', () => {
    const picker = new Picker(4, seededRandom(1));
    expect(picker.pick(new Bitfield(4), all)).toBe(-1);
    expect(picker.pick(Bitfield.full(4), () => false)).toBe(-1);
  });

  it('begins differently on different devices, so that they have something to give each other', () => {
    const firsts = new Set<number>();
    for (let seed = 1; seed <= 40; seed++)
      firsts.add(new Picker(1000, seededRandom(seed)).pick(Bitfield.full(1000), all));
    expect(firsts.size).toBeGreaterThan(30);
  });

  it('passes over what is held, and comes back to what was lost', () => {
    const picker = new Picker(1000, seededRandom(3));
    const held = new Bitfield(1000);
    const missing = (chunk: number): boolean => !held.get(chunk);
    for (let i = 0; i < 999; i++) {
      picker.leaveOut(held);
      held.set(picker.pick(Bitfield.full(1000), missing));
    }
    const last = held.nextMissing();
    held.set(500 === last ? 501 : 500, false);
    held.set(last);
    picker.leaveOut(held);
    expect(picker.pick(Bitfield.full(1000), missing)).toBe(held.nextMissing());
  });

  it('takes neighbours one after the other where there are many chunks, and no two where there are few', () => {
    const followed = (chunks: number): number => {
      const picker = new Picker(chunks, seededRandom(5));
      const left = Bitfield.full(chunks);
      let count = 0;
      for (let i = 0, last = -2; i < chunks; i++) {
        const chunk = picker.pick(left, all);
        if (chunk === last + 1) count++;
        left.set(chunk, false);
        last = chunk;
      }
      return count / chunks;
    };
    expect(followed(8192)).toBeGreaterThan(0.85);
    expect(followed(200)).toBeLessThan(0.05);
  });

  it('orders every chunk exactly once', () => {
    const picker = new Picker(257, seededRandom(7));
    const left = Bitfield.full(257);
    for (let i = 0; i < 257; i++) {
      const chunk = picker.pick(left, all);
      expect(chunk).toBeGreaterThanOrEqual(0);
      left.set(chunk, false);
    }
    expect(left.count).toBe(0);
  });
});

import { describe, expect, it } from 'vitest';
import { Picker } from '../../../agent/swarm/picker.js';
import { Bitfield } from '../../../shared/artifact/bitfield.js';
import { SeededRandom } from '../../sim/random.js';

function seededRandom(seed: number): () => number {
  const generator = new SeededRandom(seed);
  return () => generator.next();
}

const bits = (chunks: number, wanted: (chunk: number) => boolean): Uint8Array => {
  const field = new Bitfield(chunks);
  for (let chunk = 0; chunk < chunks; chunk++) if (wanted(chunk)) field.set(chunk);
  return field.bytes;
};
const all = (chunks: number): Uint8Array => Bitfield.full(chunks).bytes;

describe('Picker', () => {
  it('takes the rarest chunk that is wanted', () => {
    const picker = new Picker(4, seededRandom(1));
    for (const chunk of [0, 0, 0, 1, 1, 2, 3, 3]) picker.gained(chunk);
    expect(picker.pick(all(4))).toBe(2);
    expect(picker.pick(bits(4, (chunk) => chunk < 2))).toBe(1);
    picker.lost(0);
    picker.lost(0);
    expect(picker.pick(bits(4, (chunk) => chunk < 2))).toBe(0);
  });

  it('gives -1 where nothing is wanted', () => {
    const picker = new Picker(4, seededRandom(1));
    expect(picker.pick(new Bitfield(4).bytes)).toBe(-1);
  });

  it('begins differently on different devices, so that they have something to give each other', () => {
    const firsts = new Set<number>();
    for (let seed = 1; seed <= 40; seed++) firsts.add(new Picker(1000, seededRandom(seed)).pick(all(1000)));
    expect(firsts.size).toBeGreaterThan(30);
  });

  it('passes over what is held, and comes back to what was lost', () => {
    const picker = new Picker(1000, seededRandom(3));
    const held = new Bitfield(1000);
    const missing = (chunk: number): boolean => !held.get(chunk);
    for (let i = 0; i < 999; i++) {
      picker.leaveOut(held);
      held.set(picker.pick(bits(1000, missing)));
    }
    const last = held.nextMissing();
    held.set(500 === last ? 501 : 500, false);
    held.set(last);
    picker.leaveOut(held);
    expect(picker.pick(bits(1000, missing))).toBe(held.nextMissing());
  });

  it('takes neighbours one after the other where there are many chunks, and no two where there are few', () => {
    const followed = (chunks: number): number => {
      const picker = new Picker(chunks, seededRandom(5));
      const left = Bitfield.full(chunks);
      let count = 0;
      for (let i = 0, last = -2; i < chunks; i++) {
        const chunk = picker.pick(left.bytes);
        if (chunk === last + 1) count++;
        left.set(chunk, false);
        last = chunk;
      }
      return count / chunks;
    };
    expect(followed(8192)).toBeGreaterThan(0.85);
    expect(followed(200)).toBeLessThan(0.05);
  });

  it('takes of few what it would take of many', () => {
    const random = seededRandom(11);
    for (let round = 0; round < 200; round++) {
      const picker = new Picker(500, seededRandom(round));
      for (let i = 0; i < 2000; i++) picker.gained(Math.floor(random() * 500));
      const few = new Set(Array.from({ length: 1 + Math.floor(random() * 20) }, () => Math.floor(random() * 500)));
      const wanted = bits(500, (chunk) => few.has(chunk));
      const held = new Bitfield(500);
      for (let chunk = 0; chunk < 500; chunk++) if (!few.has(chunk) && random() < 0.99) held.set(chunk);
      const ofFew = picker.pick(wanted);
      picker.leaveOut(held);
      expect(picker.pick(wanted)).toBe(ofFew);
    }
  });

  it('orders every chunk exactly once', () => {
    const picker = new Picker(257, seededRandom(7));
    const left = Bitfield.full(257);
    for (let i = 0; i < 257; i++) {
      const chunk = picker.pick(left.bytes);
      expect(chunk).toBeGreaterThanOrEqual(0);
      left.set(chunk, false);
    }
    expect(left.count).toBe(0);
  });
});

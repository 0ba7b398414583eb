import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Bitfield } from '../../../shared/artifact/index.js';

const fields = fc.array(fc.boolean(), { maxLength: 100 });

function make(bits: readonly boolean[]): Bitfield {
  const field = new Bitfield(bits.length);
  bits.forEach((bit, i) => {
    field.set(i, bit);
  });
  return field;
}

describe('a bitfield', () => {
  it('P-7.6: is most significant bit first', () => {
    const field = new Bitfield(10);
    field.set(0);
    field.set(9);
    expect([...field.toBytes()]).toEqual([0x80, 0x40]);
    expect([...field.toBytes(1, 1)]).toEqual([0x40]);
  });

  it('agrees with an array of booleans', () => {
    fc.assert(
      fc.property(fields, (bits) => {
        const field = make(bits);
        const at = (wanted: boolean) => bits.flatMap((bit, i) => (bit === wanted ? [i] : []));
        expect(field.count).toBe(at(true).length);
        expect([...field.held()]).toEqual(at(true));
        expect([...field.missing()]).toEqual(at(false));
        expect(field.isFull).toBe(at(false).length === 0);
        expect(field.countIn(3, 40)).toBe(bits.slice(3, 40).filter(Boolean).length);
        const again = Bitfield.fromBytes(field.toBytes(), bits.length);
        expect(again?.toBytes()).toEqual(field.toBytes());
        expect(again?.count).toBe(field.count);
        expect(field.clone().count).toBe(field.count);
      }),
    );
  });

  it('counts a bit once however often it is set or cleared', () => {
    const field = new Bitfield(3);
    field.set(1);
    field.set(1);
    expect(field.count).toBe(1);
    field.set(1, false);
    field.set(1, false);
    expect(field.count).toBe(0);
  });

  it('refuses to set what lies outside, and holds nothing there', () => {
    const field = Bitfield.full(9);
    for (const i of [-1, 9, 1.5, Number.NaN]) expect(() => field.set(i)).toThrow(RangeError);
    expect([field.get(9), field.get(100), field.get(-1)]).toEqual([false, false, false]);
    expect(() => new Bitfield(-1)).toThrow(RangeError);
  });

  it('is full at every length', () => {
    for (let length = 0; length < 20; length++) {
      const field = Bitfield.full(length);
      expect([field.count, field.isFull, [...field.missing()]]).toEqual([length, true, []]);
      expect(Bitfield.fromBytes(field.toBytes(), length)?.count).toBe(length);
    }
  });

  it('P-4.4: is refused with an unused bit set or a wrong number of bytes', () => {
    expect(Bitfield.fromBytes(Uint8Array.of(0x01), 7)).toBeUndefined();
    expect(Bitfield.fromBytes(Uint8Array.of(0x01), 8)?.count).toBe(1);
    expect(Bitfield.fromBytes(Uint8Array.of(0, 0), 8)).toBeUndefined();
    expect(Bitfield.fromBytes(Uint8Array.of(), 8)).toBeUndefined();
  });

  it('P-7.6: takes in the bits of a HAVE, and none of one that sets a bit past the end', () => {
    const field = new Bitfield(12);
    expect(field.merge(3, Uint8Array.of(0xc0))).toBe(true);
    expect([...field.held()]).toEqual([3, 4]);
    expect(field.merge(4, Uint8Array.of(0xff))).toBe(true);
    expect(field.merge(5, Uint8Array.of(0xff))).toBe(false);
    expect(field.merge(0xffff_fff0, Uint8Array.of(0x80))).toBe(false);
    expect(field.merge(0xffff_fff0, Uint8Array.of(0))).toBe(true);
    expect(field.count).toBe(9);
  });
});

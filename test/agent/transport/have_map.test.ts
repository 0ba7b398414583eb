import { describe, expect, it } from 'vitest';
import { HaveMap } from '../../../agent/transport/have_map.js';

const told = (map: HaveMap, room = 1200) => {
  const item = map.take(room);
  return item === null ? null : [item.firstByte, Buffer.from(map.bits(item.firstByte, item.byteCount)).toString('hex')];
};

describe('P-7.6 chunks to tell of', () => {
  it('tells news once, and no chunk that was told before', () => {
    const map = new HaveMap(100);
    map.add(3, Buffer.of(0x80));
    expect(told(map)).toEqual([0, '10']);
    map.add(3, Buffer.of(0x80));
    expect([told(map), map.isDirty]).toEqual([null, false]);
  });

  it('sets no bit past the last chunk', () => {
    const map = new HaveMap(12);
    map.add(0, Buffer.of(0xff, 0xff, 0xff));
    expect(told(map)).toEqual([0, 'fff0']);
  });

  it('tells at most 1,024 bytes at a time, and no more than there is room for', () => {
    const map = new HaveMap(16_384);
    map.add(0, Buffer.alloc(2048, 0xff));
    expect(map.take(1200)?.byteCount).toBe(1024);
    expect(map.take(100)?.byteCount).toBe(100);
    expect(map.take(0)).toBeNull();
    expect(map.take(5000)?.byteCount).toBe(924);
    expect(map.isDirty).toBe(false);
  });

  it('P-8.2 tells a lost one again, as it stands by then', () => {
    const map = new HaveMap(100);
    map.add(0, Buffer.of(0x80));
    const item = map.take(100);
    map.add(1, Buffer.of(0x80));
    map.onLost(item?.firstByte ?? 0, item?.byteCount ?? 0);
    expect(told(map)).toEqual([0, 'c0']);
  });
});

import { describe, expect, it } from 'vitest';
import { COMING_MS, Uplink } from '../../../agent/swarm/uplink.js';
import { Bitfield } from '../../../shared/artifact/bitfield.js';

const CHUNKS = 200;
const TURN_MS = 100;
const ALL = Bitfield.full(CHUNKS).bytes;

/** A site: each device knows all others. */
function site(count: number): { id: string; uplink: Uplink }[] {
  const ids = Array.from({ length: count }, (_, i) => `device-${i}`);
  return ids.map((id) => {
    const uplink = new Uplink(CHUNKS, id);
    for (const other of ids) if (other !== id) uplink.add(other);
    return { id, uplink };
  });
}

describe('P-10.7 turns', () => {
  it('gives each device of a site another turn, the first at once', () => {
    const devices = site(5);
    for (const { uplink } of devices) uplink.look(ALL, 1000);
    for (let chunk = 0; chunk < CHUNKS; chunk++) {
      const turns = devices.map(({ uplink }) => uplink.turnAt(chunk)).sort((a, b) => a - b);
      expect(turns.map((at) => Math.floor((at - 1000) / TURN_MS))).toEqual([0, 1, 2, 3, 4]);
      // Not at the same moment as a device of the site that none of these knows.
      expect(new Set(turns.map((at) => at % TURN_MS)).size).toBe(5);
    }
  });

  it('divides the chunks among the devices', () => {
    const devices = site(4);
    for (const { uplink } of devices) uplink.look(ALL, 0);
    for (const { uplink } of devices) {
      const first = Array.from({ length: CHUNKS }, (_, chunk) => uplink.turnAt(chunk)).filter(
        (at) => at < TURN_MS,
      ).length;
      expect(first).toBeGreaterThan(CHUNKS / 8);
      expect(first).toBeLessThan(CHUNKS / 2);
    }
  });

  it('counts from when a chunk is known elsewhere, and not at all before', () => {
    const uplink = new Uplink(CHUNKS, 'self');
    expect(uplink.turnAt(0)).toBe(Number.POSITIVE_INFINITY);
    uplink.look(Uint8Array.of(0x80), 500);
    uplink.look(Uint8Array.of(0xc0), 700);
    expect([uplink.turnAt(0), uplink.turnAt(1), uplink.turnAt(2)]).toEqual([500, 700, Number.POSITIVE_INFINITY]);
  });

  it('is at once for who is alone, and again once those before it have left', () => {
    const [a, b] = site(2);
    a?.uplink.look(ALL, 0);
    const waits = Array.from({ length: CHUNKS }, (_, chunk) => chunk).filter(
      (chunk) => (a?.uplink.turnAt(chunk) ?? 0) > 0,
    );
    expect(waits.length).toBeGreaterThan(0);
    a?.uplink.remove(b?.id ?? '');
    for (const chunk of waits) expect(a?.uplink.turnAt(chunk)).toBe(0);
  });
});

describe('P-7.13 COMING', () => {
  function two(): Uplink {
    const uplink = new Uplink(CHUNKS, 'self');
    uplink.add('other');
    uplink.look(ALL, 0);
    return uplink;
  }

  it('leaves the chunk to who said it for a while', () => {
    const uplink = two();
    uplink.onComing('other', 7, 1000);
    expect(uplink.turnAt(7)).toBeGreaterThanOrEqual(1000 + COMING_MS);
    expect(uplink.turnAt(7)).toBeLessThan(1000 + COMING_MS + 2 * TURN_MS);
    expect(uplink.turnAt(8)).toBeLessThan(2 * TURN_MS);
  });

  it('is news once, to be told on, and waits no longer for whom else it comes from', () => {
    const uplink = two();
    uplink.add('third');
    expect(uplink.onComing('other', 7, 1000)).toBe(true);
    const turnAt = uplink.turnAt(7);
    expect(uplink.onComing('other', 7, 1500)).toBe(false);
    expect(uplink.onComing('third', 7, 2000)).toBe(false);
    expect(uplink.onComing('stranger', 7, 2000)).toBe(false);
    expect(uplink.turnAt(7)).toBe(turnAt);
  });

  it('does so no longer than who said it is there', () => {
    const uplink = two();
    uplink.onComing('other', 7, 1000);
    uplink.add('third');
    uplink.onComing('third', 8, 1000);
    uplink.onComing('other', 8, 1001);
    uplink.remove('other');
    uplink.look(ALL, 1500);
    // Its turn again, and not who left a chunk to another.
    expect(uplink.turnAt(7)).toBeGreaterThan(1500);
    expect(uplink.turnAt(7)).toBeLessThan(1500 + 2 * TURN_MS);
    expect(uplink.turnAt(8)).toBeGreaterThanOrEqual(1000 + COMING_MS);
  });

  it('heeds only who is a device of the site, and only chunks that exist', () => {
    const uplink = two();
    uplink.onComing('stranger', 7, 1000);
    uplink.onComing('other', CHUNKS, 1000);
    uplink.onComing('other', 0xffff_ffff, 1000);
    expect(uplink.turnAt(7)).toBeLessThan(2 * TURN_MS);
  });

  it('leaves 64 chunks to one device at a time', () => {
    const uplink = two();
    for (let chunk = 0; chunk < CHUNKS; chunk++) uplink.onComing('other', chunk, 0);
    const left = Array.from({ length: CHUNKS }, (_, chunk) => uplink.turnAt(chunk)).filter((at) => at >= COMING_MS);
    expect(left).toHaveLength(64);
  });

  it('does not heed for ever who promises and brings nothing', () => {
    const uplink = two();
    let now = 0;
    for (let round = 0; round < 10; round++, now += COMING_MS) {
      for (let chunk = 0; chunk < CHUNKS; chunk++) uplink.onComing('other', chunk, now);
    }
    for (let chunk = 0; chunk < CHUNKS; chunk++)
      expect(uplink.turnAt(chunk)).toBeLessThanOrEqual(2 * COMING_MS + 2 * TURN_MS);
  });

  it('goes on heeding who brings what it promises', () => {
    const uplink = two();
    for (let chunk = 0; chunk < CHUNKS; chunk++) {
      uplink.onComing('other', chunk, chunk * 10);
      expect(uplink.turnAt(chunk)).toBeGreaterThanOrEqual(COMING_MS);
      uplink.arrived(chunk, 'other');
      uplink.brought('other');
    }
  });

  it('heeds who tries again, but not one that breaks eight, whatever it claims to hold', () => {
    const uplink = two();
    for (let round = 0; round < 12; round++) {
      const now = round * COMING_MS;
      uplink.onComing('other', 100 + round, now);
      uplink.arrived(100 + round, 'other');
      expect(uplink.onComing('other', 7, now)).toBe(round <= 7);
    }
  });
});

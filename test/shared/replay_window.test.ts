import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_PACKET_NUMBER, REPLAY_WINDOW_PACKETS } from '../../shared/limits.js';
import { ReplayWindow } from '../../shared/replay_window.js';

function take(window: ReplayWindow, packet: number): boolean {
  if (!window.isFresh(packet)) return false;
  window.take(packet);
  return true;
}

describe('P-6.5 replay', () => {
  it('takes each packet number once', () => {
    const window = new ReplayWindow(REPLAY_WINDOW_PACKETS);
    expect([0, 1, 0, 5, 1, 3, 3, 5].map((packet) => take(window, packet))).toEqual([
      true,
      true,
      false,
      true,
      false,
      true,
      false,
      false,
    ]);
  });

  it('takes 4,095 below the highest, and not 4,096', () => {
    const window = new ReplayWindow(REPLAY_WINDOW_PACKETS);
    take(window, 10_000);
    expect(take(window, 10_000 - REPLAY_WINDOW_PACKETS)).toBe(false);
    expect(take(window, 10_000 - REPLAY_WINDOW_PACKETS + 1)).toBe(true);
    expect(take(window, 10_000 - REPLAY_WINDOW_PACKETS + 1)).toBe(false);
  });

  it('asks without taking', () => {
    const window = new ReplayWindow(REPLAY_WINDOW_PACKETS);
    expect(window.isFresh(9)).toBe(true);
    expect(take(window, 9)).toBe(true);
  });

  it('goes past 2^32 and up to the highest packet number', () => {
    const window = new ReplayWindow(REPLAY_WINDOW_PACKETS);
    for (const base of [2 ** 31, 2 ** 32 - 2, 2 ** 32 + 2, MAX_PACKET_NUMBER - 3]) {
      for (let packet = base; packet < base + 3; packet++) expect(take(window, packet)).toBe(true);
      for (let packet = base; packet < base + 3; packet++) expect(take(window, packet)).toBe(false);
    }
  });

  it('agrees with a set, in any order', () => {
    const jumps = fc.array(fc.integer({ min: -5000, max: 5000 }), { maxLength: 200 });
    fc.assert(
      fc.property(fc.constantFrom(0, 2 ** 32 - 100, 2 ** 40), jumps, (start, all) => {
        const window = new ReplayWindow(REPLAY_WINDOW_PACKETS);
        const taken = new Set<number>();
        let highest = -1;
        let at = start;
        for (const jump of all) {
          at = Math.max(0, at + jump);
          const fresh = !taken.has(at) && (highest < 0 || at > highest - REPLAY_WINDOW_PACKETS);
          expect(take(window, at)).toBe(fresh);
          if (!fresh) continue;
          taken.add(at);
          highest = Math.max(highest, at);
        }
      }),
    );
  });
});

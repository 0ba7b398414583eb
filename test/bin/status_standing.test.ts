import { describe, expect, it } from 'vitest';
import { standingLines } from '../../bin/status_standing.js';

const NOW = 1_900_000_000;

describe('what status says below its table', () => {
  it('P-15.8: each alert, loudly, with its number, and how many there are beside them', () => {
    const alerts = [
      { n: 41, kind: 'tamper', text: 'case opened', at: NOW - 3, count: 2 },
      { n: 42, kind: 'watchdog', text: '', at: NOW - 1, count: 1 },
    ];
    expect(standingLines([{ device: 'cam-1', alerts, moreAlerts: 5 }], NOW)).toEqual([
      'ALERT cam-1: 5 more, shown once those below are acknowledged',
      'ALERT cam-1 #41 tamper: case opened (2 times, 3 s ago)',
      'ALERT cam-1 #42 watchdog (1 s ago)',
    ]);
  });

  it('P-15.5: what is not right, with where it begins to be wrong', () => {
    const integrity = [
      { name: 'a', version: '1', state: 'ok' as const, at: NOW },
      {
        name: 'b',
        version: '2',
        state: 'mismatch' as const,
        at: NOW - 60,
        ranges: [
          [4096, 65536],
          [9, 9],
        ] as [number, number][],
        repaired: 3,
      },
      { name: 'c', state: 'other' as const, at: NOW },
    ];
    expect(standingLines([{ device: 'cam-1', integrity }, { device: 'cam-2' }], NOW)).toEqual([
      expect.stringMatching(
        /^MISMATCH cam-1 b 2: 65536 bytes at 4096 and elsewhere, 3 chunks mended so far \(.* ago\)$/,
      ),
      expect.stringMatching(/^other cam-1 c \(0 s ago\)$/),
    ]);
  });
});

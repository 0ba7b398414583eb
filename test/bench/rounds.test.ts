import { describe, expect, it } from 'vitest';
import { type Contender, runRounds } from '../../bench/rounds.js';

const figures = (value: number) => Promise.resolve([{ metric: 'goodput', unit: 'MB/s', value }]);

describe('rounds', () => {
  it('take turns, name who is absent and how to get it, and go on without who fails', async () => {
    const ran: string[] = [];
    const told: string[] = [];
    let asked = 0;
    const contender = (subject: string, value: () => number): Contender => ({
      subject,
      run: () => {
        ran.push(subject);
        return figures(value());
      },
    });
    const second = (): number => {
      if (++asked === 1) throw new Error('no luck');
      return 2;
    };
    const absent: Contender = { subject: 'c', absent: 'apt-get install c', run: () => figures(3) };
    const samples = await runRounds([contender('a', () => 1), contender('b', second), absent], 2, (line) =>
      told.push(line),
    );
    expect(ran).toEqual(['a', 'b', 'a', 'b']);
    expect(samples.map(({ subject, value }) => `${subject} ${value}`)).toEqual(['a 1', 'a 1', 'b 2']);
    expect(told).toContain('absent: c: apt-get install c');
    expect(told).toContain('failed: b: no luck');
  });
});

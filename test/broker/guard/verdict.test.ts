import { describe, expect, it } from 'vitest';
import {
  checkRules,
  type GuardRules,
  type Judgement,
  judge,
  MAX_ACCUSED_BY_ONE,
  type Standing,
  type Testimony,
} from '../../../broker/guard/verdict.js';
import { MAX_CLOCK_AHEAD_SECONDS } from '../../../shared/limits.js';

const NOW = 1_900_000_000;
const DAY = 86_400;
const RULES: GuardRules = { threshold: 2, sites: 1, windowSeconds: 7 * DAY };
const FREE: Standing = { out: new Set(), restored: new Map() };
/** Half of them are of one site. */
const IDS = ['m', 'n', ...Array.from({ length: 20 }, (_, i) => `d${i}`)];
const MEMBERS = new Map(IDS.map((id, i) => [id, i % 2 === 0 ? 'hall' : 'yard']));

/** The device accuses those, an hour ago. */
const says = (device: string, ...accused: string[]): Testimony => ({
  ...{ device, at: NOW },
  reports: accused.map((one) => ({ device: one, at: NOW - 3600 })),
});
/** The device accuses `m` at that time, in a status of now. */
const saidAt = (device: string, at: number, statusAt = NOW): Testimony => ({
  ...{ device, at: statusAt },
  reports: [{ device: 'm', at }],
});

interface Given {
  readonly rules?: Partial<GuardRules>;
  readonly standing?: Partial<Standing>;
}

function judged(testimonies: readonly Testimony[], { rules, standing }: Given = {}): Judgement {
  return judge(testimonies, MEMBERS, { ...FREE, ...standing }, { ...RULES, ...rules }, NOW);
}

const guilty = (testimonies: readonly Testimony[], given?: Given): string[] =>
  judged(testimonies, given).guilty.map(({ device }) => device);

describe('P-15.3 a device is thrown out', () => {
  it('by as many reporters as the threshold, and by no fewer', () => {
    const all = [says('d0', 'm'), says('d1', 'm'), says('d2', 'm')];
    for (const threshold of [2, 3]) expect(guilty(all, { rules: { threshold } })).toEqual(['m']);
    const below = judged(all, { rules: { threshold: 4 } });
    const accusation = { device: 'm', reporters: ['d0', 'd1', 'd2'], sites: ['hall', 'yard'] };
    expect([below.guilty, below.accused]).toEqual([[], [accusation]]);
  });

  it('by reporters that have no clock which they believe, whose status is of the time 0 (P-3.6)', () => {
    expect(guilty([saidAt('d0', NOW - 60, 0), saidAt('d1', NOW - 60, 0)])).toEqual(['m']);
    expect(guilty([saidAt('d0', NOW - 8 * DAY, 0), saidAt('d1', NOW + 301, 0)])).toEqual([]);
  });

  it('by none where nobody says anything', () => {
    expect(judged([])).toEqual({ guilty: [], contested: [], accused: [], suspicious: [] });
  });

  it('by reporters of as many sites as are asked for', () => {
    const sameSite = [says('d0', 'm'), says('d2', 'm'), says('d4', 'm')];
    expect(guilty(sameSite, { rules: { sites: 2 } })).toEqual([]);
    expect(guilty([...sameSite, says('d1', 'm')], { rules: { sites: 2 } })).toEqual(['m']);
    expect(guilty(sameSite)).toEqual(['m']);
  });
});

describe('P-15.3 nobody is thrown out', () => {
  it('by a liar alone, however often it says it', () => {
    const often: Testimony = { ...says('d0'), reports: Array(16).fill({ device: 'm', at: NOW - 1 }) };
    expect(guilty([often])).toEqual([]);
    expect(guilty([often, often])).toEqual([]);
  });

  it('by two liars that collude below the threshold', () => {
    expect(guilty([says('d0', 'm'), says('d1', 'm')], { rules: { threshold: 3 } })).toEqual([]);
  });

  it('by itself', () => {
    expect(guilty([says('m', 'm'), says('d0', 'm')])).toEqual([]);
  });

  it('by who is revoked or quarantined', () => {
    expect(guilty([says('d0', 'm'), says('d1', 'm')], { standing: { out: new Set(['d1']) } })).toEqual([]);
  });

  it('by who is not of the roster, nor who is not of it: an operator is no peer', () => {
    expect(guilty([says('d0', 'm'), says('stranger', 'm')])).toEqual([]);
    expect(guilty([says('d0', 'operator'), says('d1', 'operator')])).toEqual([]);
  });

  it('twice: who is out is not judged', () => {
    const { guilty: found, accused } = judged([says('d0', 'm'), says('d1', 'm')], {
      standing: { out: new Set(['m']) },
    });
    expect([found, accused]).toEqual([[], []]);
  });
});

describe('P-15.3 a flood of accusations', () => {
  const victims = (count: number): string[] => Array.from({ length: count }, (_, i) => `d${10 + i}`);

  it(`of more than ${MAX_ACCUSED_BY_ONE} devices by one counts for nothing, and says something of who makes it`, () => {
    const flood = says('d0', ...victims(MAX_ACCUSED_BY_ONE), 'm');
    const { guilty: found, suspicious } = judged([flood, says('d1', 'm')]);
    expect([found, suspicious]).toEqual([[], [{ device: 'd0', accuses: MAX_ACCUSED_BY_ONE + 1 }]]);
    const most = says('d0', ...victims(MAX_ACCUSED_BY_ONE - 1), 'm');
    expect([guilty([most, says('d1', 'm')]), judged([most]).suspicious]).toEqual([['m'], []]);
  });

  it('of those who are out already is none: who told of many that were thrown out is heard on', () => {
    const flood = says('d0', ...victims(6), 'm');
    expect(guilty([flood, says('d1', 'm')], { standing: { out: new Set(victims(6)) } })).toEqual(['m']);
  });

  it('by many liars, of everyone, throws out nobody', () => {
    const liars = ['d0', 'd1', 'd2', 'd3'].map((liar) => says(liar, ...victims(10)));
    expect(judged(liars)).toMatchObject({ guilty: [], accused: [], suspicious: { length: 4 } });
  });
});

describe('P-15.3 who accuses whom', () => {
  it('counts for nothing once the accuser is thrown out with more behind it', () => {
    const honest = ['d0', 'd1', 'd2'].map((one) => says(one, 'm', 'n'));
    // Both liars accuse one who tells of them.
    const { guilty: found, accused } = judged([...honest, says('m', 'd0'), says('n', 'd0')]);
    expect(found.map(({ device }) => device)).toEqual(['m', 'n']);
    expect(accused).toEqual([]);
  });

  it('is for a person to decide where both are at the threshold with as many behind each', () => {
    const { guilty: found, contested } = judged([says('d0', 'm'), says('d1', 'm'), says('m', 'd0'), says('n', 'd0')]);
    expect([found, contested.map(({ device }) => device)]).toEqual([[], ['d0', 'm']]);
    // One more, and it is not open any more.
    expect(guilty([says('d0', 'm'), says('d1', 'm'), says('d2', 'm'), says('m', 'd0'), says('n', 'd0')])).toEqual([
      'm',
    ]);
  });

  it('does not depend on the order in which statuses came', () => {
    const all = [says('d0', 'm'), says('d1', 'm', 'n'), says('d2', 'n', 'm'), says('n', 'd1'), says('m', 'd1')];
    const first = judged(all);
    for (let turn = 1; turn < all.length; turn++) {
      expect(judged([...all.slice(turn), ...all.slice(0, turn)])).toEqual(first);
    }
  });
});

describe('P-15.3 times', () => {
  const withOne = (one: Testimony, given?: Given): string[] => guilty([says('d0', 'm'), one], given);

  it('a report older than the window does not count', () => {
    expect(withOne(saidAt('d1', NOW - 7 * DAY))).toEqual(['m']);
    expect(withOne(saidAt('d1', NOW - 7 * DAY - 1))).toEqual([]);
    expect(withOne(saidAt('d1', NOW - 7 * DAY - 1), { rules: { windowSeconds: 8 * DAY } })).toEqual(['m']);
  });

  it('nor one from after its own status, or from a clock that is far ahead', () => {
    expect(withOne(saidAt('d1', NOW - 99, NOW - 100))).toEqual([]);
    const ahead = NOW + MAX_CLOCK_AHEAD_SECONDS;
    expect([ahead, ahead + 1].map((at) => withOne(saidAt('d1', at, at)))).toEqual([['m'], []]);
  });

  it('nor one by a clock that is years behind: it is old, whatever it says of itself', () => {
    expect(withOne(saidAt('d1', 1_000, 2_000))).toEqual([]);
  });

  it('a restored device is judged by what is newer than its restoration, clocks that are ahead allowed for', () => {
    const restored = (at: number): Given => ({ standing: { restored: new Map([['m', at]]) } });
    const both = [saidAt('d0', NOW - 600), saidAt('d1', NOW - 600)];
    expect(guilty(both, restored(NOW - 500))).toEqual([]);
    expect(guilty(both, restored(NOW - 600 - MAX_CLOCK_AHEAD_SECONDS))).toEqual([]);
    expect(guilty(both, restored(NOW - 601 - MAX_CLOCK_AHEAD_SECONDS))).toEqual(['m']);
    expect(guilty([...both, saidAt('d2', NOW - 10)], restored(NOW - 550))).toEqual([]);
    expect(guilty([...both, saidAt('d2', NOW - 10), saidAt('d3', NOW - 10)], restored(NOW - 550))).toEqual(['m']);
  });
});

describe('checkRules', () => {
  it('takes a threshold of 2, and none below: a liar alone would frame another', () => {
    checkRules(RULES);
    for (const threshold of [1, 0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => checkRules({ ...RULES, threshold })).toThrowError(expect.objectContaining({ code: 'E_ARGUMENT' }));
    }
    for (const over of [{ sites: 0 }, { sites: 1.5 }, { windowSeconds: 0 }, { windowSeconds: Number.NaN }]) {
      expect(() => checkRules({ ...RULES, ...over })).toThrowError(expect.objectContaining({ code: 'E_ARGUMENT' }));
    }
  });
});

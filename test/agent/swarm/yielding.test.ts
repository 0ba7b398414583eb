import { describe, expect, it } from 'vitest';
import { MAX_OUTSTANDING_BYTES, STALL_MS } from '../../../agent/swarm/limits.js';
import {
  KEEPS,
  LOOK_MS,
  MAX_WAIT_MS,
  QUIET_FACTOR,
  QUIET_MS,
  SPARED_BYTES,
  TRY_BYTES,
  TRY_MS,
  Yielding,
} from '../../../agent/swarm/yielding.js';

const RATE = 1e6;

/** One that yields to others that are brought so much in each look. */
class Stage {
  now = 0;
  outstanding = 0;
  readonly yielding = new Yielding(0);

  /** @param rate bytes per second of the others */
  look(rate = RATE): number {
    this.now += LOOK_MS;
    this.yielding.look(this.now, this.outstanding, (rate * LOOK_MS) / 1000);
    return this.yielding.allowance;
  }

  /** @returns ms until it may ask */
  untilTry(rate = RATE): number {
    const from = this.now;
    while (this.look(rate) === 0) if (this.now > from + 10 * MAX_WAIT_MS) throw new Error('it never tries');
    return this.now - from;
  }
}

describe('Yielding', () => {
  it('asks for nothing while what it asked for comes, nor in the quiet after that', () => {
    const stage = new Stage();
    stage.outstanding = 1;
    for (let i = 0; i < 5; i++) expect(stage.look()).toBe(0);
    stage.outstanding = 0;
    expect(stage.untilTry()).toBe(LOOK_MS + QUIET_MS);
    expect(stage.yielding.allowance).toBe(TRY_BYTES);
  });

  it('does not wait for ever for what somebody holds back', () => {
    const stage = new Stage();
    stage.outstanding = 1;
    expect(stage.untilTry()).toBe(MAX_WAIT_MS + QUIET_MS);
  });

  it('doubles a try that takes nothing from the others, up to all that a transfer may ask for', () => {
    const stage = new Stage();
    stage.untilTry();
    const allowances = Array.from({ length: 12 }, () => stage.look(RATE * KEEPS));
    expect(allowances.slice(0, 3)).toEqual([2 * TRY_BYTES, 4 * TRY_BYTES, 8 * TRY_BYTES]);
    expect(allowances.at(-1)).toBe(MAX_OUTSTANDING_BYTES);
  });

  it('ends a try all the same after a while, to see what the others have without it', () => {
    const stage = new Stage();
    stage.untilTry();
    const from = stage.now;
    while (stage.look() > 0);
    expect(stage.now - from).toBe(TRY_MS);
    expect(stage.untilTry()).toBe(LOOK_MS + QUIET_MS);
  });

  it('ends a try that takes from the others at once, and is then quiet for nine times as long as it took', () => {
    const stage = new Stage();
    stage.untilTry();
    stage.outstanding = TRY_BYTES;
    const from = stage.now;
    expect(stage.look(RATE * KEEPS - 1)).toBe(0);
    for (let i = 0; i < 3; i++) stage.look(RATE / 2);
    stage.outstanding = 0;
    stage.look();
    const took = stage.now - from;
    expect(stage.untilTry()).toBe(QUIET_FACTOR * took);
  });

  it('counts only from when such a try last grew: until then it took nothing', () => {
    const stage = new Stage();
    stage.untilTry();
    for (let i = 0; i < 8; i++) stage.look();
    expect(stage.look(0)).toBe(0);
    stage.look();
    expect(stage.untilTry()).toBe(QUIET_FACTOR * 2 * LOOK_MS);
  });

  it('is never quiet for longer than five minutes', () => {
    const stage = new Stage();
    stage.untilTry();
    stage.outstanding = 1;
    while (stage.look(0) > 0);
    for (let i = 0; i < 40; i++) stage.look();
    stage.outstanding = 0;
    expect(stage.untilTry()).toBe(LOOK_MS + MAX_WAIT_MS);
  });

  it('compares with what came in the last quiet', () => {
    const stage = new Stage();
    stage.untilTry(RATE);
    while (stage.look(RATE) > 0);
    stage.untilTry(RATE / 2);
    expect(stage.look(RATE / 2)).toBe(2 * TRY_BYTES);
  });

  it('loses nobody anything where the others are brought next to nothing, drop by drop or at once', () => {
    const least = (SPARED_BYTES * 1000) / QUIET_MS;
    const grows = (quiet: number): boolean => {
      const stage = new Stage();
      stage.untilTry(quiet);
      return stage.look(0) > TRY_BYTES;
    };
    expect([grows(least), grows(1.1 * least)]).toEqual([true, false]);
  });

  /** Tries, after a quiet in which so much came in each look of STALL_MS. @returns the allowance after each look of the try */
  function allowancesOf(quiet: readonly number[], tried: readonly number[]): number[] {
    const stage = new Stage();
    stage.look(0);
    for (const rate of quiet) stage.look(rate);
    expect(stage.yielding.allowance).toBe(TRY_BYTES);
    return tried.map((rate) => stage.look(rate));
  }

  it('does not take the time between two bursts for a loss, and grows with each of them', () => {
    const [quiet, tried] = [
      [0, RATE, 0, 0, 0],
      [0, 0, 0, RATE, 0, 0, 0, RATE],
    ];
    expect(allowancesOf(quiet, tried).map((bytes) => bytes / TRY_BYTES)).toEqual([1, 1, 1, 2, 2, 2, 2, 4]);
  });

  it('does not take for a loss that the quiet saw one burst more', () => {
    const [quiet, tried] = [
      [RATE, 0, 0, 0, RATE],
      [0, 0, 0, RATE, 0],
    ];
    expect(allowancesOf(quiet, tried).map((bytes) => bytes / TRY_BYTES)).toEqual([1, 1, 1, 1, 2]);
  });

  it('ends a try that takes from what comes in bursts after STALL_MS', () => {
    const looks = STALL_MS / LOOK_MS;
    const [quiet, tried] = [
      [0, RATE, 0, RATE, RATE],
      [0, 0, RATE / 2, 0, RATE / 2],
    ];
    const allowances = allowancesOf(quiet, tried);
    expect(allowances.map((bytes) => bytes / TRY_BYTES)).toEqual([...new Array(looks - 1).fill(1), 0]);
  });

  it('ends a try sooner only where a second brings less than each of the quiet', () => {
    const quiet = [RATE, RATE / 2, RATE, RATE / 2, RATE];
    expect(allowancesOf(quiet, [RATE / 2])).toEqual([TRY_BYTES]);
    expect(allowancesOf(quiet, [RATE / 3])).toEqual([0]);
  });

  it('looks no sooner than there is anything to see', () => {
    const stage = new Stage();
    stage.untilTry();
    for (let i = 1; i < 10; i++) stage.yielding.look(stage.now + (i * LOOK_MS) / 11, 0, 0);
    expect(stage.yielding.allowance).toBe(TRY_BYTES);
  });
});

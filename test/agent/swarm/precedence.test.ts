import { describe, expect, it } from 'vitest';
import { STALL_BYTES, STALL_MS } from '../../../agent/swarm/limits.js';
import { type Contender, Precedence, rankOf } from '../../../agent/swarm/precedence.js';
import { QUIET_MS, TRY_BYTES } from '../../../agent/swarm/yielding.js';

const ALL = Number.POSITIVE_INFINITY;

/** Transfers of the test's, which get so many bytes a second as it says. */
class Stage {
  readonly precedence = new Precedence();
  readonly rates = new Map<string, number>();
  readonly contenders = new Map<string, Contender>();
  now = 0;

  set(key: string, rank: number, rate: number, over: Partial<Contender> = {}): void {
    const received = this.contenders.get(key)?.received ?? 0;
    this.contenders.set(key, { rank, wants: true, received, outstanding: 0, ...over });
    this.rates.set(key, rate);
  }

  /** A second of virtual time. @returns who may ask for more */
  second(): string[] {
    this.now += 1_000;
    for (const [key, one] of this.contenders) {
      this.contenders.set(key, { ...one, received: one.received + (this.rates.get(key) ?? 0) });
    }
    return this.precedence.look(this.now, this.contenders);
  }

  seconds(count: number): void {
    for (let i = 0; i < count; i++) this.second();
  }

  get allowances(): number[] {
    return [...this.contenders.keys()].map((key) => this.precedence.allowance(key));
  }
}

describe('rankOf', () => {
  it('P-4.1: what is urgent comes before all that is not, then the higher priority; none is 5', () => {
    expect(rankOf({})).toBe(rankOf({ priority: 5, urgent: false }));
    const ascending = [{ priority: 0 }, {}, { priority: 6 }, { priority: 9 }].map(rankOf);
    const urgent = [{ priority: 0 }, {}, { priority: 9 }].map((one) => rankOf({ ...one, urgent: true }));
    expect([...ascending, ...urgent]).toEqual([...ascending, ...urgent].sort((a, b) => a - b));
    expect(new Set([...ascending, ...urgent]).size).toBe(7);
  });

  it('P-10.13: an emergency comes before whatever is urgent, whatever the priorities', () => {
    const last = rankOf({ emergency: true, priority: 0 });
    expect(last).toBeGreaterThan(rankOf({ urgent: true, priority: 9 }));
    expect(rankOf({ emergency: true, urgent: true, priority: 0 })).toBe(last);
    expect(rankOf({ emergency: false, urgent: true })).toBe(rankOf({ urgent: true }));
  });
});

describe('Precedence', () => {
  it('lets everyone ask whom it does not know, who is alone, and those of one rank', () => {
    const stage = new Stage();
    expect(stage.precedence.allowance('nobody')).toBe(ALL);
    stage.set('a', 5, 1e6);
    stage.seconds(3);
    stage.set('b', 5, 1e6);
    stage.seconds(3);
    expect(stage.allowances).toEqual([ALL, ALL]);
  });

  it('has the lower one yield while the higher one is brought anything, and tells when that begins and ends', () => {
    const stage = new Stage();
    stage.set('low', 5, 1e6, { outstanding: 1e5 });
    stage.set('high', 6, 1e6);
    expect([stage.second(), stage.second(), stage.second()]).toEqual([[], ['low'], []]);
    expect(stage.allowances).toEqual([0, ALL]);
    stage.set('high', 6, 0, { wants: false });
    expect(stage.second()).toEqual(['low']);
    expect(stage.allowances).toEqual([ALL, ALL]);
    expect(stage.second()).toEqual([]);
  });

  it('a higher one that nothing comes for, or less than counts as nothing, is not waited for', () => {
    const stage = new Stage();
    stage.set('low', 5, 1e6);
    stage.set('high', 6, 1e6);
    stage.seconds(2);
    stage.set('high', 6, (STALL_BYTES * 1000) / STALL_MS / 2);
    stage.seconds(STALL_MS / 1000);
    expect(stage.allowances).toEqual([ALL, ALL]);
    // And is again when something does.
    stage.set('high', 6, STALL_BYTES);
    stage.second();
    expect(stage.allowances).toEqual([0, ALL]);
  });

  it('a higher one that begins has as long for its first bytes, once', () => {
    const stage = new Stage();
    stage.set('low', 5, 1e6);
    stage.set('high', 6, 0);
    stage.seconds(2);
    expect(stage.allowances).toEqual([ALL, ALL]);
    stage.set('high', 6, 0, { outstanding: 65_536 });
    stage.second();
    expect(stage.allowances).toEqual([0, ALL]);
    stage.seconds(STALL_MS / 1000);
    expect(stage.allowances).toEqual([ALL, ALL]);
    stage.set('high', 6, 0);
    stage.second();
    stage.set('high', 6, 0, { outstanding: 65_536 });
    stage.second();
    expect(stage.allowances).toEqual([ALL, ALL]);
  });

  it('does not take for brought what came before it was known', () => {
    const stage = new Stage();
    stage.set('low', 5, 1e6);
    stage.contenders.set('high', { rank: 9, wants: true, received: 1e9, outstanding: 0 });
    stage.second();
    expect(stage.allowances).toEqual([ALL, ALL]);
  });

  it('a middle one yields to the higher, and is yielded to by the lower', () => {
    const stage = new Stage();
    stage.set('low', 1, 0);
    stage.set('middle', 2, 1e5);
    stage.set('high', 3, 1e6);
    stage.seconds(2);
    expect(stage.allowances).toEqual([0, 0, ALL]);
    stage.set('high', 3, 0, { wants: false });
    stage.second();
    expect(stage.allowances).toEqual([0, ALL, ALL]);
    stage.set('middle', 2, 0, { wants: false });
    stage.second();
    expect(stage.allowances).toEqual([ALL, ALL, ALL]);
  });

  it('a rank that changes holds at once, and who is gone is forgotten', () => {
    const stage = new Stage();
    stage.set('a', 5, 1e6);
    stage.set('b', 6, 1e6);
    stage.seconds(2);
    expect(stage.allowances).toEqual([0, ALL]);
    stage.set('a', 7, 1e6);
    stage.seconds(1);
    expect(stage.allowances).toEqual([ALL, 0]);
    stage.contenders.delete('a');
    stage.second();
    expect(stage.allowances).toEqual([ALL]);
  });

  it('lets the lower one try after a while, which it is told', () => {
    const stage = new Stage();
    stage.set('low', 5, 0);
    stage.set('high', 6, 1e6);
    const told: string[] = [];
    for (let i = 0; i <= QUIET_MS / 1000 + 2; i++) told.push(...stage.second());
    expect(told).toContain('low');
    expect(stage.allowances[0]).toBeGreaterThanOrEqual(TRY_BYTES);
    expect(stage.allowances[0]).toBeLessThan(ALL);
  });
});

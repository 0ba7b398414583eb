import { describe, expect, it } from 'vitest';
import { RecheckPlan, recheckMemorySchema } from '../../../agent/store/recheck_plan.js';

const WEEK = 7 * 86_400;
const T = 1_800_000_000;
const [a, b, c] = [{ key: 'a' }, { key: 'b' }, { key: 'c' }];

describe('RecheckPlan', () => {
  it('looks at a thing an interval after it was first seen, for it was verified then', () => {
    const plan = new RecheckPlan(WEEK);
    expect(plan.choose([a], T)).toBeNull();
    expect(plan.choose([a], T + WEEK - 1)).toBeNull();
    expect(plan.choose([a], T + WEEK)).toEqual({ subject: a, next: 0 });
  });

  it('goes on where it was, also after a restart, and rests once it is through', () => {
    const plan = new RecheckPlan(WEEK, { a: { doneAt: T, next: 0 } });
    plan.reached(a, 40, 100, T + WEEK);
    const saved = recheckMemorySchema.parse(JSON.parse(JSON.stringify(plan.memory)));
    const again = new RecheckPlan(WEEK, saved);
    expect(again.choose([b, a], T + WEEK + 1)).toEqual({ subject: a, next: 40 });
    again.reached(a, 100, 100, T + WEEK + 2);
    expect(again.choose([a], T + WEEK + 3)).toBeNull();
    expect(again.choose([a], T + 2 * WEEK + 2)).toEqual({ subject: a, next: 0 });
  });

  it('ends what it began before it begins another, and begins with what waits longest', () => {
    const plan = new RecheckPlan(WEEK, {
      a: { doneAt: T - 10, next: 0 },
      b: { doneAt: T - 30, next: 0 },
      c: { doneAt: T - 20, next: 0 },
    });
    const at = T + WEEK;
    expect(plan.choose([a, b, c], at)?.subject).toBe(b);
    plan.reached(c, 1, 2, at);
    expect(plan.choose([a, b, c], at)).toEqual({ subject: c, next: 1 });
    plan.reached(c, 2, 2, at);
    plan.reached(b, 2, 2, at);
    expect(plan.choose([a, b, c], at)?.subject).toBe(a);
  });

  it('passes over what is not there now, and does not forget it', () => {
    const plan = new RecheckPlan(WEEK, { a: { doneAt: T, next: 7 } });
    expect(plan.choose([b], T)).toBeNull();
    expect(plan.choose([a, b], T)).toEqual({ subject: a, next: 7 });
  });

  it('begins a thing that is due although the clock was set back by years, and not one for a step of a day', () => {
    const plan = new RecheckPlan(WEEK, { a: { doneAt: T, next: 0 } });
    expect(plan.choose([a], T - 86_400)).toBeNull();
    expect(plan.choose([a], 1000)?.subject).toBe(a);
    plan.reached(a, 1, 1, 1000);
    expect(plan.choose([a], 1001)).toBeNull();
  });

  it('remembers a bounded number of what is gone, the latest', () => {
    const memory = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`old ${i}`, { doneAt: T + i, next: 0 }]));
    const plan = new RecheckPlan(WEEK, memory);
    plan.choose([a], T);
    expect(Object.keys(plan.memory)).toHaveLength(65);
    expect(plan.memory['old 499']).toBeDefined();
    expect(plan.memory['old 0']).toBeUndefined();
  });

  it.each([[{ a: 1 }], [{ a: { doneAt: 1, next: -1 } }], [{ a: { doneAt: 'x', next: 0 } }], [[]]])(
    'takes no memory that is none: %j',
    (memory) => {
      expect(recheckMemorySchema.safeParse(memory).success).toBe(false);
    },
  );
});
